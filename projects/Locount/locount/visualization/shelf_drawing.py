"""Pictures of shelves: rows, gaps, and what is not as planned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image, ImageDraw

from ..stock import Check, ShelfPhoto
from .drawing import Color, class_color, load_font

_GAP: Color = (220, 0, 0)
_STATUS: dict[str, Color] = {
    "right": (0, 150, 60),
    "wrong number": (240, 170, 0),
    "misplaced": (150, 60, 220),
    "surplus": (0, 110, 240),
}


def draw_rows(photo: ShelfPhoto, pixels: np.ndarray) -> np.ndarray:
    """A photo with its boxes in the color of their row, "row.position" in each, and gaps in red.

    Args:
        pixels: H x W x 3, uint8, BGR.

    Returns:
        The same form.
    """
    rows = photo.rows
    marks = [
        (photo.boxes[i], class_color(int(rows.row[i])), f"{rows.row[i] + 1}.{rows.position[i] + 1}")
        for i in range(len(photo.boxes))
    ]
    return _drawn(pixels, [*marks, *_gaps(photo)])


def draw_check(check: Check, pixels: np.ndarray) -> np.ndarray:
    """A photo with its places in the color of what they are: green right, orange of a wrong number,
    violet misplaced, blue surplus; and gaps in red. What is missing is not on it.

    Args, Returns: as for :func:`draw_rows`.
    """
    boxes = check.photo.boxes
    marks = [(boxes[i], _STATUS[s], s) for s, members in check.marked() for i in members]
    return _drawn(pixels, [*marks, *_gaps(check.photo)])


def _gaps(photo: ShelfPhoto) -> list[tuple[Sequence[float], Color, str]]:
    return [(gap.box, _GAP, "gap") for gap in photo.gaps]


def _drawn(pixels: np.ndarray, marks: Iterable[tuple[Sequence[float], Color, str]]) -> np.ndarray:
    picture = Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))
    draw = ImageDraw.Draw(picture)
    font = load_font(max(10, max(picture.size) // 80))
    for box, color, text in marks:
        x1, y1, x2, y2 = (round(float(value)) for value in box)
        draw.rectangle((x1, y1, x2, y2), outline=color, width=max(2, font.size // 5))
        if font.getlength(text) <= x2 - x1:
            draw.text(
                (x1 + 3, y1 + 2), text, fill=color, font=font, stroke_width=2, stroke_fill="white"
            )
    return np.asarray(picture)[:, :, ::-1]
