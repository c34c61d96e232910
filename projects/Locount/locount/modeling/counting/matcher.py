"""Matching of proposals and ground truth by IoU and count."""

from __future__ import annotations

from detectron2.modeling.matcher import Matcher
from torch import Tensor

from ...counting import IGNORED_COUNT

MODES = ("iou", "ignore", "negative")


class CountAwareMatcher(Matcher):
    """A :class:`Matcher` that also knows which hypotheses are wrong about the count.

    A proposal of a later stage is a hypothesis about box *and* count, since the stage before has
    predicted both. ``mode`` says what becomes of a pair whose IoU suffices but whose hypothesis is
    wrong about the count:

    * "iou": the pair is kept, as in :class:`Matcher`.
    * "ignore": the pair is kept, but its count is not trained.
    * "negative": the pair is dropped. The proposal goes to the best ground truth whose count it is
      right about, if that one's IoU suffices, else it is background.
    """

    def __init__(self, iou_threshold: float, mode: str):
        """
        Args:
            iou_threshold: least IoU of a match, in (0, 1].
            mode: "iou", "ignore" or "negative".
        """
        if mode not in MODES:
            raise ValueError(f"mode is {mode!r}; it must be one of {', '.join(MODES)}.")
        super().__init__([iou_threshold], [0, 1], allow_low_quality_matches=False)
        self.mode = mode

    def __call__(
        self, match_quality_matrix: Tensor, count_agrees: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """
        Args:
            match_quality_matrix: IoU of M ground-truth boxes and Ri proposals, M x Ri.
            count_agrees: M x Ri booleans, whether the proposal is right about the box's count. None
                where nothing is predicted yet, as in the first stage: then only IoU decides.

        Returns:
            Index in [0, M) of each proposal's match, and its label, 1 for a match and 0 for
            background (both of length Ri). With M = 0 all indices and labels are 0.
        """
        if self.mode == "negative" and count_agrees is not None:
            match_quality_matrix = match_quality_matrix * count_agrees
        return super().__call__(match_quality_matrix)

    def count_targets(self, gt_counts: Tensor, matches: Tensor, count_agrees: Tensor) -> Tensor:
        """The count that each proposal is trained to predict.

        Args:
            gt_counts: M counts, or IGNORED_COUNT; M > 0.
            matches: Ri indices, as :meth:`__call__` returns.
            count_agrees: M x Ri, as :meth:`__call__` takes.

        Returns:
            Ri counts; IGNORED_COUNT where the mode is "ignore" and the hypothesis is wrong.
        """
        targets = gt_counts[matches]
        if self.mode == "ignore":
            agrees = count_agrees.gather(0, matches[None]).squeeze(0)
            targets = targets.masked_fill(~agrees, IGNORED_COUNT)
        return targets
