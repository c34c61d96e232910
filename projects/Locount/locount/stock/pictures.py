"""Pictures of shelves: rows, gaps, and what is not as planned."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..visualization.drawing import draw_boxes, to_picture
from .compliance import STATUSES, Check
from .shelf_photo import ShelfPhoto

# Color by the number of a class: red is left for gaps.
_GAP = 0
_COLORS = dict(zip(STATUSES, (2, 9, 4, 3, 1), strict=True))


def draw_rows(photo: ShelfPhoto, pixels: np.ndarray) -> np.ndarray:
    """A photo with its boxes in the color of their row, "row.position" at each, and gaps in red.

    Args:
        pixels: H x W x 3, uint8, BGR.

    Returns:
        The same form.
    """
    rows = photo.rows
    texts = [f"{r}.{p}" for r, p in zip(rows.row + 1, rows.position + 1, strict=True)]
    return _drawn(photo, pixels, list(range(len(texts))), (rows.row + 1).tolist(), texts)


def draw_check(check: Check, pixels: np.ndarray) -> np.ndarray:
    """A photo with its boxes in the color of what their place is, a word at each that is not right,
    and gaps in red. What is missing is not on it.

    Args, Returns: as for :func:`draw_rows`.
    """
    marks = [(i, status) for status, boxes in check.marked for i in boxes]
    texts = [status if status != STATUSES[0] else "" for _, status in marks]
    colors = [_COLORS[status] for _, status in marks]
    return _drawn(check.photo, pixels, [i for i, _ in marks], colors, texts)


def _drawn(
    photo: ShelfPhoto,
    pixels: np.ndarray,
    boxes: Sequence[int],
    colors: Sequence[int],
    texts: Sequence[str],
) -> np.ndarray:
    picture = to_picture(pixels)
    gaps = [gap.box for gap in photo.gaps]
    draw_boxes(
        picture,
        [*gaps, *photo.boxes[boxes].tolist()],
        [*[_GAP] * len(gaps), *colors],
        [*[("gap",)] * len(gaps), *[(text,) if text else () for text in texts]],
    )
    return np.asarray(picture)[:, :, ::-1]
