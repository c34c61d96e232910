"""How much of a shelf each category has: facings, lengths, and the gaps between.

Letters as in :mod:`.rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .rows import Rows, checked

# Boxes on either side of a free length whose items it is measured by.
BESIDE = 2
# Goods of another row stand in a free space if they take more than this of its height.
HIDDEN = 0.3


def count_facings(
    rows: Rows,
    counts: np.ndarray,
    categories: Sequence[str],
    stacked: np.ndarray | None = None,
) -> np.ndarray:
    """How many items of each box can be seen from the front, side by side.

    That is a box's count divided by how many items are stacked above each other in it, rounded up.
    A box on top of one of its own category adds none: its items stand on items that are counted.

    Args:
        counts: (N,) int.
        categories: N names.
        stacked: (N,) int, items above or behind each other in each box; None if that is not known,
            which means 1.

    Returns:
        (N,) int.
    """
    counts = np.asarray(counts, int)
    facings = counts if stacked is None else -(-counts // np.asarray(stacked, int))
    places = list(zip(rows.row.tolist(), rows.position.tolist(), rows.level.tolist(), strict=True))
    kinds = set(zip(places, categories, strict=True))
    on_own = [
        ((row, position, level - 1), category) in kinds
        for (row, position, level), category in zip(places, categories, strict=True)
    ]
    return np.where(on_own, 0, facings)


def occupied_lengths(boxes: np.ndarray, rows: Rows) -> np.ndarray:
    """(N,), the length in pixels that each box takes of its row; 0 for what stands on other goods.

    Where several overlap each has an equal part, so that the sum is the occupied length.
    """
    boxes = checked(boxes)
    lengths = np.zeros(len(boxes))
    for row in range(len(rows)):
        base = np.flatnonzero((rows.row == row) & (rows.level == 0))
        edges = np.unique(boxes[base][:, [0, 2]])
        covers = boxes[base, 0, None] <= edges[:-1]
        covers &= boxes[base, 2, None] >= edges[1:]
        lengths[base] = (covers / covers.sum(axis=0).clip(min=1)) @ np.diff(edges)
    return lengths


class Gap(NamedTuple):
    """Free length in a row.

    Attributes:
        row: from 0.
        after: position of the box on its left, from 0; -1 at the left end of a row.
        box: XYXY, as high as the goods beside it.
        items: how many of the items beside it have room there.
    """

    row: int
    after: int
    box: tuple[float, float, float, float]
    items: float


def find_gaps(boxes: np.ndarray, rows: Rows, facings: np.ndarray) -> list[Gap]:
    """Free lengths that are wider than the median item next to them, by row, from left to right.

    An item is as wide as its box divided by its facings; the two boxes on either side are asked.
    Space in which goods of another row are is not free.
    The free length at the end of a row reaches to where the rows above and below it both reach, or
    the only one of them.

    Args:
        facings: (N,) int, as of :func:`count_facings`.
    """
    boxes = checked(boxes)
    limits = _limits(boxes, rows)
    gaps = []
    for row, (left, right) in enumerate(limits):
        members = np.flatnonzero(rows.row == row)
        members = members[np.argsort(boxes[members, 0])]
        base = members[rows.level[members] == 0]
        middles = boxes[base][:, [0, 2]].mean(axis=1)
        base, middles = base[np.argsort(middles)], np.sort(middles)
        free_from = np.maximum.accumulate(np.append(left, boxes[members, 2]))
        free_to = np.append(boxes[members, 0], right)
        for x1, x2 in zip(free_from.tolist(), free_to.tolist(), strict=True):
            before, behind = base[middles < x1], base[middles > x2]
            near = np.append(before[-BESIDE:], behind[:BESIDE])
            width = np.median((boxes[near, 2] - boxes[near, 0]) / facings[near].clip(min=1))
            if x2 - x1 > width:
                y1, y2 = np.median(boxes[near][:, [1, 3]], axis=0).tolist()
                x1, x2 = _unhidden(boxes[rows.row != row], (x1, y1, x2, y2))
            if x2 - x1 > width:
                gaps.append(Gap(row, len(before) - 1, (x1, y1, x2, y2), (x2 - x1) / float(width)))
    return gaps


def _unhidden(others: np.ndarray, space: tuple[float, ...]) -> tuple[float, float]:
    """The longest part of a free space in which no goods of other rows, as of the next bay, are."""
    x1, y1, x2, y2 = space
    shared = np.minimum(others[:, 3], y2) - np.maximum(others[:, 1], y1)
    inside = (shared > HIDDEN * (y2 - y1)) & (others[:, 0] < x2) & (others[:, 2] > x1)
    hidden = others[inside][:, [0, 2]].clip(x1, x2)
    hidden = hidden[np.argsort(hidden[:, 0])]
    free_from = np.maximum.accumulate(np.append(x1, hidden[:, 1]))
    free_to = np.append(hidden[:, 0], x2)
    longest = int(np.argmax(free_to - free_from))
    return float(free_from[longest]), float(free_to[longest])


def _limits(boxes: np.ndarray, rows: Rows) -> list[tuple[float, float]]:
    """From where to where each row could be filled."""
    own = [(b[:, 0].min(), b[:, 2].max()) for b in (boxes[rows.row == r] for r in range(len(rows)))]
    limits = []
    for row, (left, right) in enumerate(own):
        near = [own[r] for r in (row - 1, row + 1) if 0 <= r < len(own)]
        near = [(a, b) for a, b in near if a < right and b > left] or [(left, right)]
        limits.append((min(left, max(a for a, _ in near)), max(right, min(b for _, b in near))))
    return limits
