"""Predicted against true counts, by subset."""

from __future__ import annotations

import numpy as np

from ..counting import COUNT_RANGES


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
