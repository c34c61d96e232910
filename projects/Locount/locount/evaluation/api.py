"""The calls that evaluate."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from os import PathLike

import numpy as np

from ..coco import Ahead
from .annotations import Detections, GroundTruth
from .matching.engine import Matcher, SubsetScores
from .parquet import are_parts
from .protocol import COCO_SIZES, LOCOUNT_SUBSETS, WHOLE, Subset
from .reading import (
    EvaluationInputError,
    Source,
    read_detections,
    read_ground_truth,
    results_file,
)
from .result import EvaluationResult, summarize

logger = logging.getLogger(__name__)


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
        dt: COCO results list with "count" likewise; or a path to an ``.npz`` of the same columns,
            or as for :func:`.reading.read_detections`.
        max_dets: detections per image and category that count, those of highest score.
        coco_sizes: also report COCO's own ``APs APm APl ARs ARm ARl``, blind to counts.

    Raises:
        EvaluationInputError: a ValueError that lists what is wrong, where, and what to do.
    """
    return score_matches(match(gt, dt, max_dets), max_dets, coco_sizes=coco_sizes)


def match(gt: Source | GroundTruth, dt: Source | Detections, max_dets: int) -> Matcher:
    """Read, sort and pair boxes, once for all that is asked of them: up to ``max_dets`` detections
    per image and category for :func:`score_matches` and the analyses.

    Raises:
        EvaluationInputError: likewise.
    """
    if max_dets < 1:
        raise EvaluationInputError(f"max_dets must be 1 or more, not {max_dets}")
    if isinstance(dt, str | PathLike):
        dt = results_file(dt)
        dt = dt if dt.endswith(".npz") or are_parts(dt) else Ahead(dt)
    if not isinstance(gt, GroundTruth):
        gt = read_ground_truth(gt)
    if not isinstance(dt, Detections):
        dt = read_detections(dt, gt)
    _warn_of_crowds(gt, max_dets)
    return Matcher(gt, dt, max_dets=max_dets)


def _warn_of_crowds(gt: GroundTruth, max_dets: int) -> None:
    pairs = gt.image.astype(np.int64) * len(gt.category_ids) + gt.category
    numbers = np.unique(pairs[~gt.crowd], return_counts=True)[1]
    if (crowded := int((numbers > max_dets).sum())) > 0:
        logger.warning(
            f"{crowded} time(s) an image has more boxes of a category, up to {numbers.max()}, than "
            f"the {max_dets} detections that count, so that not all can be found: give a larger "
            "number (--max-dets, or TEST.DETECTIONS_PER_IMAGE of a config)"
        )


def score_matches(matcher: Matcher, max_dets: int, *, coco_sizes: bool = False) -> EvaluationResult:
    """All figures of :func:`evaluate_detections`."""
    subsets = (WHOLE, *LOCOUNT_SUBSETS, *(COCO_SIZES if coco_sizes else ()))

    def score(subset: Subset) -> SubsetScores:
        return matcher.score(subset, max_dets=max_dets, keep_precision=subset is WHOLE)

    # Part of the work on a subset is numpy's, on one thread: several subsets use the others.
    with ThreadPoolExecutor(matcher.num_threads) as pool:
        scores = list(pool.map(score, subsets))
    return summarize(matcher.gt, scores, max_dets)
