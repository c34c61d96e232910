"""How well matched detections count, whatever their counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...counting import COUNT_RANGES, counting_accuracy
from ..matching.engine import Matcher
from .pairs import blind_matches


@dataclass(frozen=True)
class CountStatistics:
    """Rows of statistics over ground truth matched blind to counts at IoU 0.50.

    A row holds "boxes", how many; "MAE", the mean absolute error of the count; "exact", the
    percentage of right counts; "AC", the mean accuracy in percent; "bias", the mean of predicted
    minus true count.

    Attributes:
        total: of all.
        by_count: of each true count that occurs, by count.
        by_subset: of IN, MN and LN.
        by_category: of each category with a match, with its "id" and "name".
    """

    total: dict[str, float]
    by_count: dict[int, dict[str, float]]
    by_subset: dict[str, dict[str, float]]
    by_category: list[dict]


def count_statistics(matcher: Matcher, *, max_dets: int) -> CountStatistics:
    """Statistics of the counts of the first ``max_dets`` detections of each image and category."""
    m, matches = matcher, blind_matches(matcher, max_dets=max_dets)
    pred = m.dt.counts[matches.dt]
    true, category = m.gt.counts[matches.gt], m.gt.category[matches.gt]

    def row(where: np.ndarray) -> dict[str, float]:
        error = pred[where] - true[where]
        if not len(error):
            return {"boxes": 0} | dict.fromkeys(("MAE", "exact", "AC", "bias"), float("nan"))
        return {
            "boxes": len(error),
            "MAE": float(np.abs(error).mean()),
            "exact": 100 * float((error == 0).mean()),
            "AC": 100 * float(counting_accuracy(pred[where], true[where]).mean()),
            "bias": float(error.mean()),
        }

    present = np.unique(category).tolist()
    return CountStatistics(
        total=row(np.ones(len(true), np.bool_)),
        by_count={n: row(true == n) for n in np.unique(true).tolist()},
        by_subset={n: row((true >= lo) & (true <= hi)) for n, (lo, hi) in COUNT_RANGES.items()},
        by_category=[
            {"id": int(m.gt.category_ids[k]), "name": m.gt.category_names[k]} | row(category == k)
            for k in present
        ],
    )


def subset_confusion(
    pred_counts: np.ndarray, gt_counts: np.ndarray, missed_counts: np.ndarray
) -> np.ndarray:
    """How many boxes of each subset (by true count) were given a count of each subset.

    Returns:
        (3, 4): rows the subset of the true count; columns that of the predicted count, then missed.
    """
    starts = [first for first, _ in COUNT_RANGES.values()]

    def subset(counts: np.ndarray) -> np.ndarray:
        return np.searchsorted(starts, counts, side="right") - 1

    table = np.zeros((len(starts), len(starts) + 1), np.int64)
    np.add.at(table, (subset(gt_counts), subset(pred_counts)), 1)
    np.add.at(table[:, -1], subset(missed_counts), 1)
    return table
