"""What is left of boxes that a frame cuts or rectangles cover, and what that means for counts.

Boxes are XYXY; a share is a part of a box's area, in [0, 1].
"""

from __future__ import annotations

import numpy as np

from ...counting import IGNORED_COUNT

# Scaling by ratios of sizes leaves shares such as 0.9999999 of boxes that nothing has cut.
_ROUNDING = 1e-6


def frame_of(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    return np.array([0, 0, width, height])


def clip_boxes(boxes: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The parts of boxes inside a frame.

    Args:
        boxes: N x 4.
        frame: one box for all, or N x 4.

    Returns:
        The parts (N x 4), and their shares (N): 0, and a box without area on the frame's edge,
        where nothing is left; 0 for a box that had no area.
    """
    low, high = frame[..., :2], frame[..., 2:]
    parts = np.hstack([np.clip(boxes[:, :2], low, high), np.clip(boxes[:, 2:], low, high)])
    areas = _areas(boxes)
    return parts, np.divide(_areas(parts), areas, out=np.zeros(len(boxes)), where=areas > 0)


def uncover_boxes(boxes: np.ndarray, covers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What rectangles that lie over boxes leave of them.

    Args:
        boxes: N x 4.
        covers: K x 4; they may overlap.

    Returns:
        The smallest boxes around what can still be seen (N x 4), and its exact shares (N). A box of
        which nothing can be seen stays as it is, with share 0.
    """
    parts, shares = boxes.copy(), np.ones(len(boxes))
    for i, box in enumerate(boxes):
        over = (covers[:, :2] < box[2:]).all(axis=1) & (covers[:, 2:] > box[:2]).all(axis=1)
        if over.any():
            parts[i], shares[i] = _uncover(box, covers[over])
    return parts, shares


def _uncover(box: np.ndarray, covers: np.ndarray) -> tuple[np.ndarray, float]:
    # The edges of all rectangles part the box into cells, each covered as a whole or not at all.
    x, y = (
        np.unique(np.clip([*covers[:, [k, k + 2]].flat, box[k], box[k + 2]], box[k], box[k + 2]))
        for k in (0, 1)
    )
    columns = (covers[:, :1] < x[1:]) & (covers[:, 2:3] > x[:-1])
    rows = (covers[:, 1:2] < y[1:]) & (covers[:, 3:] > y[:-1])
    seen: np.ndarray = ~np.any(rows[:, :, None] & columns[:, None, :], axis=0)
    if not seen.any():
        return box, 0.0
    areas = np.outer(np.diff(y), np.diff(x))
    i, k = (np.flatnonzero(seen.any(axis=axis))[[0, -1]] for axis in (1, 0))
    part = np.array([x[k[0]], y[i[0]], x[k[1] + 1], y[i[1] + 1]])
    return part, areas[seen].sum() / areas.sum()


def count_what_is_visible(
    counts: np.ndarray, visible: np.ndarray, max_hidden_items: float, min_visible: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which boxes are still objects, and which of them still hold as many items as before.

    Where a share s of a group of c can be seen, (1 - s) * c items' worth of it is hidden. One item
    stays one item, however little of it can be seen.

    Args:
        counts: N integers >= 1.
        visible: N shares.
        max_hidden_items: a group keeps its count as long as no more items' worth is hidden. With
            0.5 a row of 12 that loses a whole item at its end does not, one that loses a strip of
            4 % does.
        min_visible: least share of an object. A box of which nothing can be seen is not an object,
            even with 0.

    Returns:
        N counts, IGNORED_COUNT where the number may have become wrong, and N booleans, whether the
        box is an object.
    """
    doubtful = ((1 - visible) * counts > max_hidden_items + counts * _ROUNDING) & (counts > 1)
    is_object = (visible > 0) & (visible >= min_visible - _ROUNDING)
    return np.where(doubtful, IGNORED_COUNT, counts), is_object


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
