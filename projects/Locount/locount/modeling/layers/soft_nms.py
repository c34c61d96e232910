"""Soft-NMS (Bodla et al., ICCV 2017): what overlaps a better detection loses score, not existence.

Shape shorthand: N detections.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.structures import Boxes, Instances, pairwise_iou
from torch import Tensor


@dataclass(frozen=True)
class SoftNMS:
    """Soft-NMS of one image, in each class separately.

    Attributes:
        method: "linear" or "gaussian", as MODEL.SOFT_NMS.METHOD.
        sigma: for "gaussian", above 0.
    """

    method: str
    sigma: float = 0.5

    @classmethod
    def from_config(cls, cfg: CfgNode) -> SoftNMS | None:
        """What a two-stage detector's config asks for; None for plain NMS."""
        node = cfg.MODEL.SOFT_NMS
        if node.METHOD == "none":
            return None
        return cls(method=node.METHOD, sigma=node.SIGMA)

    @torch.no_grad()
    def __call__(
        self,
        detections: Instances,
        iou_threshold: float,
        score_threshold: float,
        max_detections: int,
    ) -> tuple[Instances, Tensor]:
        """Lower the scores of overlapping detections of a class.

        Args:
            detections: with ``pred_boxes``, ``scores`` and ``pred_classes``.
            iou_threshold: for "linear", the least IoU at which a score falls.
            score_threshold: in [0, 1); only a higher score stays.
            max_detections: of highest score that stay; all if negative.

        Returns:
            Those that stay, best first, with their new scores and all other fields as they were;
            and their places in ``detections``. Both empty if there are none.
        """
        scores = torch.zeros_like(detections.scores)
        for k in detections.pred_classes.unique():
            of_class = (detections.pred_classes == k).nonzero().squeeze(1)
            rescored = lowered_scores(
                detections.scores[of_class].cpu().numpy(),
                self.factors(detections.pred_boxes[of_class], iou_threshold).cpu().numpy(),
                score_threshold,
            )
            scores[of_class] = torch.from_numpy(rescored).to(scores)
        kept = scores.argsort(descending=True, stable=True)
        kept = kept[scores[kept] > 0]
        if max_detections >= 0:
            kept = kept[:max_detections]
        result = detections[kept]
        result.scores = scores[kept]
        return result, kept

    def factors(self, boxes: Boxes, iou_threshold: float) -> Tensor:
        """By what each box multiplies the score of each other one: (N, N), in [0, 1]."""
        iou = pairwise_iou(boxes, boxes)
        if self.method == "gaussian":
            return torch.exp(-iou.square() / self.sigma)
        return torch.where(iou >= iou_threshold, 1 - iou, 1.0)


def lowered_scores(scores: np.ndarray, factors: np.ndarray, score_threshold: float) -> np.ndarray:
    """Take the best score again and again, and let it lower those that are left.

    Args:
        scores: (N,), at least 0.
        factors: (N, N), in [0, 1]; row i is what box i, once taken, multiplies the others' by.
        score_threshold: at least 0.

    Returns:
        The score at which each is taken, 0 where it is not above ``score_threshold``: (N,).
    """
    left, taken = scores.copy(), np.zeros_like(scores)
    for _ in range(len(scores)):
        best = left.argmax()
        if not left[best] > score_threshold:  # nor is any other, for scores only fall
            break
        taken[best] = left[best]
        left *= factors[best]
        left[best] = 0
    return taken
