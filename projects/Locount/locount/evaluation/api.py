"""The calls that evaluate."""

from __future__ import annotations

from collections.abc import Iterable

from .annotations import Detections, GroundTruth
from .engine import Matcher
from .problems import EvaluationInputError
from .protocol import COCO_SIZES, LOCOUNT_SUBSETS, WHOLE
from .reading import Source, read_detections, read_ground_truth
from .result import EvaluationResult, summarize


def evaluate_detections(
    gt: Source | GroundTruth,
    dt: Source | Detections,
    max_dets: int = 150,
    *,
    coco_sizes: bool = False,
) -> EvaluationResult:
    """Evaluate detections with counts: COCO AP, and jointly in IoU and count, on the whole set and
    its six subsets.

    Args:
        gt: COCO dictionary with "count" on every annotation (on none: every count is 1), as a path,
            parsed or read.
        dt: COCO results list with "count" likewise; or a path to an ``.npz`` of the same columns.
        max_dets: detections per image and category that count, those of highest score.
        coco_sizes: also report COCO's own ``APs APm APl ARs ARm ARl``, blind to counts.

    Raises:
        EvaluationInputError: a ValueError that lists what is wrong, where, and what to do.
    """
    return evaluate_at(gt, dt, [max_dets], coco_sizes=coco_sizes)[max_dets]


def evaluate_at(
    gt: Source | GroundTruth,
    dt: Source | Detections,
    max_dets: Iterable[int],
    *,
    coco_sizes: bool = False,
) -> dict[int, EvaluationResult]:
    """Like :func:`evaluate_detections` for several ``max_dets``: boxes are read and paired once."""
    max_dets = sorted(set(max_dets))
    if not max_dets or max_dets[0] < 1:
        raise EvaluationInputError(f"max_dets must be 1 or more, not {max_dets}")
    if not isinstance(gt, GroundTruth):
        gt = read_ground_truth(gt)
    if not isinstance(dt, Detections):
        dt = read_detections(dt, gt)
    subsets = (WHOLE, *LOCOUNT_SUBSETS, *(COCO_SIZES if coco_sizes else ()))
    matcher = Matcher(gt, dt, max_dets=max_dets[-1])
    return {
        n: summarize(
            gt, [matcher.score(s, max_dets=n, keep_precision=s is WHOLE) for s in subsets], n
        )
        for n in max_dets
    }
