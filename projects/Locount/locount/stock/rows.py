"""What is where on a shelf: rows, positions and levels, from boxes and nothing else.

Goods on one board end at one line, the board's front edge: so a row is told by the lower ends of
its boxes. Shelves are seen at an angle, so the fronts of parallel boards are lines through one
point: their slopes are linear in their heights, which leaves two numbers to find for a photo.

Letters: N boxes, R rows. Boxes are absolute XYXY, y grows downward.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import InputError

# Chosen on half of the photos and shelves of docs/stock.md; lengths are shares of the lower of two
# boxes. Lower ends of neighbors in a row differ by less than this.
END = 0.35
# What stands on other goods is as near to them; boards and the space above goods keep rows apart.
TOUCH = 0.08
# Slopes of boards at the top and at the bottom of the goods, at most.
MAX_SLOPE = 0.36
# As many neighbors on one line weigh as much as a slope of 1, or a difference of slopes of 1.
SLOPE_COST = 4.0
# A photo seems turned if its columns have this many times as many neighbors on one line as its
# rows, and half as many as there are boxes. Few boxes don't tell: groups one below the other are
# columns too.
TURNED = 3.0
TURNED_LEAST = 8
_NEIGHBORS = 6  # of a box to its right that may be next to it in its row


class Rows(NamedTuple):
    """Where each box stands.

    Attributes:
        row: (N,) int, from 0; rows come from top to bottom, those of one height from left to right.
        position: (N,) int, from 0 at the left of the row. What stands on other goods has the
            position of these.
        level: (N,) int, 0 on the board, 1 on top of that, and so on.
        slopes: (2,) how far boards fall per pixel to the right, at the top and at the bottom.
        turned: whether the photo seems to be turned by 90 degrees, so that its columns are the
            rows.
    """

    row: np.ndarray
    position: np.ndarray
    level: np.ndarray
    slopes: tuple[float, float]
    turned: bool

    def __len__(self) -> int:
        """R."""
        return int(self.row.max(initial=-1)) + 1

    def members(self, row: int) -> np.ndarray:
        """The boxes of a row by position, then by level."""
        boxes = np.flatnonzero(self.row == row)
        return boxes[np.lexsort((self.level[boxes], self.position[boxes]))]

    @property
    def note(self) -> str:
        """What a reader should know before trusting the rows; "" if there is nothing."""
        if not len(self.row):
            return "nothing was found, so there are no rows"
        if len(self.row) == 1:
            return "one box is not enough to tell rows apart: it counts as a row of its own"
        if self.turned:
            return "the photo seems to be turned by 90 degrees: turn it, its columns are rows"
        if self.level.max() == 0 and len(self) == len(self.row):
            return "no two boxes stand side by side, so each is a row of its own"
        return ""


def find_rows(boxes: np.ndarray) -> Rows:
    """The rows of a photo.

    The result does not depend on the order of the boxes, nor on where the photo was cut or how
    large it is; in the mirrored photo positions run the other way.

    Args:
        boxes: N x 4, absolute XYXY.

    Raises:
        InputError: for boxes that are not finite or have no area.
    """
    boxes = checked(boxes)
    n = len(boxes)
    if n == 0:
        none = np.zeros(0, int)
        return Rows(none, none, none, (0.0, 0.0), False)
    slopes, evidence = _fit_slopes(boxes)
    turned = n >= TURNED_LEAST and max(_fit_slopes(b)[1] for b in _turns(boxes)) > max(
        TURNED * evidence, n / 2
    )
    (tops,), (ends,), across = _upright(boxes, np.array([slopes]))
    line = _joined(n, _beside(tops, ends, across))
    below = _supporters(boxes, tops, ends, line)
    up = np.flatnonzero(below >= 0)
    row = _joined(n, np.concatenate([_pairs(line), np.stack([up, below[up]], axis=1)]))
    level = np.zeros(n, int)
    position = np.zeros(n, int)
    order = np.argsort(-ends, kind="stable")  # what carries comes before what it carries
    for members in _groups(row):
        base = members[below[members] < 0]
        position[base[np.lexsort((boxes[base, 0], across[base]))]] = np.arange(len(base))
    for i in order:
        if below[i] >= 0:
            level[i], position[i] = level[below[i]] + 1, position[below[i]]
    heights = {r: np.median(ends[(row == r) & (level == 0)]) for r in np.unique(row)}
    lefts = {r: boxes[row == r, 0].min() for r in heights}
    rank = {r: k for k, r in enumerate(sorted(heights, key=lambda r: (heights[r], lefts[r])))}
    return Rows(np.array([rank[r] for r in row.tolist()]), position, level, slopes, turned)


def checked(boxes: np.ndarray) -> np.ndarray:
    """Boxes as N x 4, float64.

    Raises:
        InputError: as :func:`find_rows`.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    bad = ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:] <= boxes[:, :2]).any(axis=1)
    if bad.any():
        i = int(np.argmax(bad))
        raise InputError(
            f"box {i} is {boxes[i].tolist()}: x1, y1, x2, y2 must be finite, and x2 > x1, y2 > y1"
        )
    return boxes


def _turns(boxes: np.ndarray) -> list[np.ndarray]:
    """As a photo shows them that was turned by 90 degrees to either side."""
    x1, y1, x2, y2 = boxes.T
    return [np.stack([y1, x1, y2, x2], axis=1), np.stack([y1, -x2, y2, -x1], axis=1)]


def _fit_slopes(boxes: np.ndarray) -> tuple[tuple[float, float], float]:
    """The slopes that bring most neighbors onto lines, and how many that is.

    A pair counts as 1 if both end at one line, and less by as much as they miss it.
    """
    middles = boxes[:, [0, 2]].mean(axis=1)
    sizes = (boxes[:, 2:] - boxes[:, :2]).min(axis=1)
    step = middles[None] - middles[:, None]
    near = np.minimum(sizes[:, None], sizes[None])
    overlap = np.minimum(boxes[:, None, 2], boxes[None, :, 2]) - boxes[None, :, 0]
    fall = np.abs(boxes[:, None, 3] - boxes[None, :, 3])
    possible = (step > 0) & (overlap < near / 2) & (fall < END * near + MAX_SLOPE * step)
    distance = np.where(possible, step, np.inf)
    k = min(_NEIGHBORS, len(boxes))
    right = np.argpartition(distance, k - 1, axis=1)[:, :k]
    left = np.repeat(np.arange(len(boxes)), k)
    right = right.ravel()
    kept = np.isfinite(distance[left, right])
    left, right = left[kept], right[kept]
    reach = END * near[left, right]

    def evidence(slopes: np.ndarray) -> np.ndarray:
        _, ends, _ = _upright(boxes, slopes)
        close = 1 - np.abs(ends[:, left] - ends[:, right]) / reach
        bend = np.abs(slopes[:, 1] - slopes[:, 0])
        return close.clip(min=0).sum(axis=1) - SLOPE_COST * (np.abs(slopes).max(axis=1) + bend)

    step = MAX_SLOPE / 12
    slopes = np.mgrid[-12:13, -12:13].reshape(2, -1).T * step
    slopes = slopes[np.abs(slopes[:, 1] - slopes[:, 0]) <= MAX_SLOPE]
    moves = np.mgrid[-1:2, -1:2].reshape(2, -1).T
    while True:
        found = evidence(slopes)
        # The smaller slopes win a tie.
        tied = np.flatnonzero(found > found.max() - 1e-9)
        best = tied[np.abs(slopes[tied]).sum(axis=1).argmin()]
        step /= 2
        if step < 1e-3:
            return (float(slopes[best, 0]), float(slopes[best, 1])), float(found[best])
        slopes = slopes[best] + moves * step


def _upright(boxes: np.ndarray, slopes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Upper and lower ends as they are where boards are level, each S x N for S x 2 slopes, and the
    middles, (N,)."""
    x1, top, x2, bottom = boxes.T
    high, low = slopes[:, :1], slopes[:, 1:]
    center, first, last = (x1.min() + x2.max()) / 2, top.min(), bottom.max()
    change = (low - high) / (last - first)
    across = (x1 + x2) / 2 - center

    def level(y: np.ndarray) -> np.ndarray:
        return first + (y - first - high * across) / (1 + change * across)

    # The box around what is tilted reaches below its line by half the fall along its width.
    tilt = np.abs(high + change * (level(bottom) - first))
    rise = np.minimum(tilt * (x2 - x1), (bottom - top) / 2) / 2
    return level(top + rise), level(bottom - rise), across


def _beside(tops: np.ndarray, ends: np.ndarray, across: np.ndarray) -> np.ndarray:
    """(P, 2), each box with the next to its right that ends at the same line."""
    heights = ends - tops
    lower = np.minimum(heights[:, None], heights[None])
    step = across[None] - across[:, None]
    same = (np.abs(ends[:, None] - ends[None]) < END * lower) & (step >= 0)
    np.fill_diagonal(same, False)
    distance = np.where(same, step, np.inf)
    right = distance.argmin(axis=1)
    left = np.flatnonzero(same.any(axis=1))
    return np.stack([left, right[left]], axis=1)


def _supporters(
    boxes: np.ndarray, tops: np.ndarray, ends: np.ndarray, line: np.ndarray
) -> np.ndarray:
    """(N,), the box that each stands on, -1 for the board.

    Boxes side by side are judged together: half of them must touch what is below them.
    """
    heights = ends - tops
    width = boxes[:, 2] - boxes[:, 0]
    shared = np.minimum(boxes[:, None, 2], boxes[None, :, 2])
    shared = shared - np.maximum(boxes[:, None, 0], boxes[None, :, 0])
    space = (tops[None] - ends[:, None]) / np.minimum(heights[:, None], heights[None])
    carries = (space > -0.5) & (space < TOUCH) & (line[:, None] != line[None])
    carries &= shared > 0.5 * np.minimum(width[:, None], width[None])
    below = np.where(carries, shared, -1).argmax(axis=1)
    below[~carries.any(axis=1)] = -1
    for members in _groups(line):
        touching = below[members] >= 0
        if touching.mean() < 0.5:
            below[members] = -1
    return below


def _groups(labels: np.ndarray) -> list[np.ndarray]:
    """The places of each label."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def _pairs(labels: np.ndarray) -> np.ndarray:
    """(P, 2) that join what has one label."""
    return np.stack([np.arange(len(labels)), labels], axis=1)


def _joined(n: int, pairs: np.ndarray) -> np.ndarray:
    """(n,), the same for what pairs join: the least place among them."""
    labels = np.arange(n)
    while True:
        spread = labels.copy()
        np.minimum.at(spread, pairs[:, 0], labels[pairs[:, 1]])
        np.minimum.at(spread, pairs[:, 1], labels[pairs[:, 0]])
        if (spread == labels).all():
            return labels
        labels = spread
