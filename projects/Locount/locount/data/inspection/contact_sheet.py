"""Samples of a dataset on one picture, with their annotations drawn."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from detectron2.utils.colormap import colormap
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from ...errors import DatasetError
from ..images import read_image
from .boxes import box_table
from .findings import Dataset

COLUMNS, ROWS = 4, 3
TILE = (640, 480)  # largest width and height in pixels, the line of text below included
_FONT_SIZE, _MARGIN = 13, 4
# Without the greys, which shelves have too.
_COLORS = [tuple(c) for c in colormap(rgb=True).astype(int).tolist() if max(c) - min(c) > 64]


def contact_sheet(datasets: Sequence[Dataset]) -> bytes:
    """Twelve images with boxes, spread evenly over the datasets, as JPEG.

    Each box has its category and, as ×N, its count; a name that is too long for its box is cut.
    Fewer images if there are fewer that have a box and can be read.
    """
    samples = [
        (record, dataset.classes)
        for dataset in datasets
        for record in dataset.records
        if record.get("annotations")
    ]
    chosen = np.unique(np.linspace(0, len(samples) - 1, COLUMNS * ROWS).round().astype(int))
    tiles = [_tile(*samples[i]) for i in chosen] if samples else []
    tiles = [tile for tile in tiles if tile is not None]
    rows = [tiles[i : i + COLUMNS] for i in range(0, len(tiles), COLUMNS)]
    heights = [max(tile.height for tile in row) for row in rows]
    sheet = Image.new("RGB", (COLUMNS * TILE[0], max(1, sum(heights))), "white")
    for i, row in enumerate(rows):
        for column, tile in enumerate(row):
            sheet.paste(tile, (column * TILE[0], sum(heights[:i])))
    data = io.BytesIO()
    sheet.save(data, "JPEG", quality=90)
    return data.getvalue()


def _tile(record: dict, classes: Sequence[str]) -> Image.Image | None:
    try:
        photo = Image.fromarray(read_image(record["file_name"], "RGB"))
    except DatasetError:
        return None  # a finding of the report, if images were decoded for it
    table = box_table([record])
    font = _font()
    line = _FONT_SIZE + 2 * _MARGIN
    scale = min((TILE[0] - _MARGIN) / photo.width, (TILE[1] - line) / photo.height)
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    tile = Image.new("RGB", (TILE[0], size[1] + line), "white")
    tile.paste(photo.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC))
    draw = ImageDraw.Draw(tile)
    boxes = (table.box * scale).tolist()
    colors = [_COLORS[category % len(_COLORS)] for category in table.category]
    names = [classes[category] for category in table.category]
    for box, color in zip(boxes, colors, strict=True):
        draw.rectangle(box, outline=color, width=2)
    # After all boxes, so that none crosses a text.
    for box, color, name, count in zip(boxes, colors, names, table.count.tolist(), strict=True):
        text = _fitting(name, f"×{count}", box[2] - box[0] - 4, font)
        _label(draw, (box[0] + 2, box[1] + 2), text, color, font)
    caption = f"{Path(record['file_name']).name}: {len(boxes)} boxes, {table.count.sum()} items"
    draw.text((_MARGIN, size[1] + _MARGIN), caption, "black", font)
    return tile


def _font() -> ImageFont.FreeTypeFont:
    # matplotlib brings it along.
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), _FONT_SIZE)


def _fitting(name: str, count: str, width: float, font: ImageFont.FreeTypeFont) -> str:
    """The name, cut until it fits with the count; the count alone where nothing else does."""
    text = f"{name} {count}"
    while name and font.getlength(text) > width:
        name = name[:-1]
        text = f"{name.rstrip()}… {count}"
    return text if name else count


def _label(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    color: tuple[int, ...],
    font: ImageFont.FreeTypeFont,
) -> None:
    draw.rectangle(draw.textbbox(place, text, font), fill=color)
    # Luma of ITU-R BT.601: black on light colours, white on dark ones.
    light = 0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2] > 140
    draw.text(place, text, "black" if light else "white", font)
