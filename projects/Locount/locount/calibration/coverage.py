"""What intervals are worth: on photos that the calibration has not seen."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..evaluation.annotations import Detections, GroundTruth
from ..evaluation.parts import without_parts
from .calibration import Calibration, Intervals
from .fit import Numbers, category_totals, found_boxes, photo_totals


def coverage(
    calibration: Calibration, gt: GroundTruth, dt: Detections, levels: Iterable[float]
) -> list[dict]:
    """A row for each kind of number and each level that the calibration has.

    It holds "of"; "level"; "photos"; "covered", the share of numbers that lie in their intervals;
    "width", the mean of high - low; "predicted", the mean number. Means are over photos, each over
    its numbers, as the levels are.
    """
    dt = without_parts(dt, calibration.max_overlap)
    dt = dt.take(np.flatnonzero(dt.scores >= calibration.score))
    kinds = [("photo's total", calibration.totals, photo_totals, 0)]
    if calibration.categories is not None:
        kinds.append(("category on a photo", calibration.categories, category_totals, 0))
    if calibration.boxes is not None:
        kinds.append(("box's count", calibration.boxes, found_boxes, 1))
    return [
        {"of": name, "level": level} | _row(intervals, numbers(gt, dt), gt, level, least)
        for name, intervals, numbers, least in kinds
        for level in levels
        if level <= intervals.highest_level
    ]


def _row(
    intervals: Intervals, numbers: Numbers, gt: GroundTruth, level: float, least: int
) -> dict[str, float]:
    ids = gt.category_ids[numbers.category].tolist()
    bounds = intervals.of(numbers.predicted, ids, numbers.totals, level, least)
    low, high = np.array(bounds).reshape(-1, 2).T
    _, photo, sizes = np.unique(numbers.photo, return_inverse=True, return_counts=True)

    def mean(values: np.ndarray) -> float:
        return float(np.average(values, weights=1 / sizes[photo])) if len(values) else float("nan")

    return {
        "photos": len(sizes),
        "covered": mean((low <= numbers.true) & (numbers.true <= high)),
        "width": mean(high - low),
        "predicted": mean(numbers.predicted),
    }
