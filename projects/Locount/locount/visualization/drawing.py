"""Pictures of predictions."""

from __future__ import annotations

import colorsys
import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..errors import counted

if TYPE_CHECKING:
    from ..inference.prediction import Prediction
from .label_placement import Box, place_labels

Color = tuple[int, int, int]


def class_color(class_id: int) -> Color:
    """RGB, the same for a class in every picture."""
    # Steps by the golden ratio leave no two of the first classes near each other on the circle of
    # hues. Brightness changes in turn, which also parts them for the color-blind.
    hue = class_id * 0.618034 % 1
    value = (1.0, 0.72, 0.88)[class_id % 3]
    red, green, blue = (round(255 * c) for c in colorsys.hsv_to_rgb(hue, 0.85, value))
    return red, green, blue


def to_picture(pixels: np.ndarray) -> Image.Image:
    """Pixels, H x W x 3, uint8, BGR, as a picture of their own."""
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))


def draw_prediction(
    prediction: Prediction, pixels: np.ndarray, level: float | None = None
) -> np.ndarray:
    """A photo with its boxes, their counts and a key below it.

    A box has the color of its class. Its label is the category with the count where there is room
    for it, else the count, else nothing. Of a model that does not count it is the category, or
    nothing where there is only one.

    Args:
        pixels: H x W x 3, uint8, BGR.
        level: of the intervals in the key, as for :meth:`Prediction.total_interval`, if the
            prediction has a calibration; None for none.

    Returns:
        (H + key) x W x 3, uint8, BGR; the photo's pixels are where they were.
    """
    photo = to_picture(pixels)
    class_ids = prediction.class_ids.tolist()
    draw_boxes(photo, prediction.boxes.tolist(), class_ids, _label_texts(prediction))
    return np.concatenate([np.asarray(photo), _key(prediction, level)])[:, :, ::-1]


def draw_boxes(
    photo: Image.Image,
    boxes: Sequence[Box],
    class_ids: Sequence[int],
    texts: Sequence[Sequence[str]],
) -> None:
    """Draw boxes in the colors of their classes on a photo, with a label where there is room.

    Args:
        boxes: N, absolute XYXY, the most important first.
        class_ids: N.
        texts: N, what a label could say, the most wanted first.
    """
    draw = ImageDraw.Draw(photo)
    font = label_font(_label_size(boxes, photo.size))
    line = max(1, round(font.size / 8))
    for box, class_id in zip(boxes, class_ids, strict=True):
        draw.rectangle(_whole(box), outline=class_color(class_id), width=line)
    sizes = [[_text_size(font, text) for text in variants] for variants in texts]
    for i, place in enumerate(place_labels(boxes, sizes, photo.size)):
        if place is not None:
            color = class_color(class_ids[i])
            _draw_label(draw, place.box, texts[i][place.variant], font, color)


def _label_texts(prediction: Prediction) -> list[tuple[str, ...]]:
    """Of each box, what its label could say; the most wanted first."""
    if prediction.instances.has("pred_counts"):
        return count_texts(prediction.names, prediction.counts.tolist())
    only_one = len(prediction.classes.names) == 1
    return [() if only_one else (name,) for name in prediction.names]


def count_texts(names: Iterable[str], counts: Iterable[int]) -> list[tuple[str, ...]]:
    """What labels of boxes with a count could say, as for :func:`draw_boxes`."""
    return [(f"{name} ×{n}", f"×{n}") for name, n in zip(names, counts, strict=True)]


def _label_size(boxes: Sequence[Box], photo_size: tuple[int, int]) -> int:
    """Font size in pixels: in proportion to the photo, smaller where boxes are small."""
    largest = max(12, max(photo_size) // 55)
    if not boxes:
        return largest
    side = float(np.median([min(x2 - x1, y2 - y1) for x1, y1, x2, y2 in boxes]))
    return int(np.clip(side / 4, max(10, largest // 2), largest))


@functools.cache
def label_font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans of a size in pixels."""
    # Part of matplotlib; Pillow's own font lacks most scripts.
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), size)


def _text_size(font: ImageFont.FreeTypeFont, text: str) -> tuple[int, int]:
    """Width and height of a text with its margin."""
    return round(font.getlength(text)) + 4, round(font.size) + 4


def _draw_label(
    draw: ImageDraw.ImageDraw, box: Box, text: str, font: ImageFont.FreeTypeFont, color: Color
) -> None:
    draw.rectangle(_whole(box), fill=color)
    x1, y1, x2, y2 = box
    draw.text(((x1 + x2) / 2, (y1 + y2) / 2), text, fill=_ink(color), font=font, anchor="mm")


def _ink(color: Color) -> Color:
    """Black or white, whichever stands out."""
    red, green, blue = color
    return (0, 0, 0) if 0.3 * red + 0.59 * green + 0.11 * blue > 140 else (255, 255, 255)


def _whole(box: Box) -> tuple[int, int, int, int]:
    x1, y1, x2, y2 = (round(value) for value in box)
    return x1, y1, x2, y2


def _key(prediction: Prediction, level: float | None) -> np.ndarray:
    """A strip as wide as the photo: color, category, boxes and instances of what is in it; and the
    total with its interval, where that is not the one category's."""
    if prediction.calibration is None:
        level = None
    font = label_font(max(12, prediction.width // 70))
    row, gap = round(font.size * 1.5), round(font.size)
    boxes = Counter(prediction.class_ids.tolist())
    intervals = {} if level is None else prediction.intervals(level).categories
    texts: dict[int | None, str] = {}
    for i, total in prediction.category_totals().items():
        own = intervals.get(prediction.classes.ids[i])
        interval = f" ({own.interval})" if own else ""
        number = counted(boxes[i], "box", "boxes")
        texts[i] = f"{prediction.classes.names[i]}: {total}{interval}, {number}"
    if level is not None and (not boxes or len(prediction.classes.names) > 1):
        total = prediction.counts.sum()
        texts[None] = f"total: {total} ({prediction.total_interval(level)})"
    entries = []
    x = y = gap // 2
    for class_id, text in texts.items():
        width = round(font.getlength(text)) + 2 * gap
        if x > gap // 2 and x + width > prediction.width:
            x, y = gap // 2, y + row
        entries.append((x, y, class_id, text))
        x += width + gap
    height = y + row if entries else 0
    key = Image.new("RGB", (prediction.width, height), "white")
    draw = ImageDraw.Draw(key)
    for x, y, class_id, text in entries:
        if class_id is not None:
            draw.rectangle((x, y, x + font.size, y + font.size), fill=class_color(class_id))
        draw.text((x + 1.4 * font.size, y), text, fill="black", font=font)
    return np.asarray(key)
