"""What one box is: data sets box goods by different rules."""

from __future__ import annotations

import numpy as np

RULES = ("item", "row", "touching")

# The share of an item's width that the gap in a row must stay below, and of an item's width or
# height between items that touch.
ROW_GAP = 1 / 3
TOUCHING_GAP = 0.08


def group(fronts: np.ndarray, kinds: np.ndarray, rule: str) -> np.ndarray:
    """Which items are boxed together.

    Args:
        fronts: (N, 4) XYXY, the front of each.
        kinds: (N,), equal for items that are alike.
        rule: ``item`` boxes each by itself. ``row`` boxes alike neighbors in a row together that
            are closer than a third of an item's width. ``touching`` those that touch in a row or a
            column. In a row their heights overlap by more than half, in a column their widths.

    Returns:
        (N,) int, equal for what has one box: the position of the first of them.
    """
    labels = np.arange(len(fronts))
    if rule == "item" or not len(fronts):
        return labels
    low, high = fronts[:, :2], fronts[:, 2:]
    size = np.minimum((high - low)[:, None], (high - low)[None])
    gap = np.maximum(low[:, None], low[None]) - np.minimum(high[:, None], high[None])
    # Of each pair, by axis: the gap, negative where they overlap, in sizes of the smaller one.
    across, along = np.moveaxis(gap / size, 2, 0)
    if rule == "row":
        joined = (across < ROW_GAP) & (along < -0.5)
    else:
        joined = (across < TOUCHING_GAP) & (along < -0.5)
        joined |= (along < TOUCHING_GAP) & (across < -0.5)
    joined &= kinds[:, None] == kinds[None]
    np.fill_diagonal(joined, True)
    while True:
        spread = np.where(joined, labels[None], len(labels)).min(axis=1)
        if (spread == labels).all():
            return labels
        labels = spread
