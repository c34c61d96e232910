"""Samples of a dataset on one picture, with their annotations drawn."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ...errors import DatasetError
from ...visualization.drawing import draw_boxes, label_font
from ..images import read_image
from .boxes import box_table
from .findings import Dataset

COLUMNS, ROWS = 4, 3
TILE = (640, 480)  # largest width and height in pixels, the line of text below included
_FONT_SIZE, _MARGIN = 13, 4


def contact_sheet(datasets: Sequence[Dataset]) -> bytes:
    """Twelve images with boxes, spread evenly over the datasets, as JPEG.

    Each box has its category and, as ×N, its count where there is room.
    Fewer images if there are fewer that have a box and can be read.
    """
    samples = [
        (record, dataset.classes)
        for dataset in datasets
        for record in dataset.records
        if record.get("annotations")
    ]
    chosen = np.unique(np.linspace(0, len(samples) - 1, COLUMNS * ROWS).round().astype(int))
    drawn = [_tile(*samples[i]) for i in chosen] if samples else []
    tiles = [tile for tile in drawn if tile is not None]
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
    line = _FONT_SIZE + 2 * _MARGIN
    scale = min((TILE[0] - _MARGIN) / photo.width, (TILE[1] - line) / photo.height)
    size = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    photo = photo.resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC)
    counts, categories = table.count.tolist(), table.category.tolist()
    texts = [
        (f"{classes[category]} ×{count}", f"×{count}")
        for category, count in zip(categories, counts, strict=True)
    ]
    draw_boxes(photo, (table.box * scale).tolist(), categories, texts)
    tile = Image.new("RGB", (TILE[0], size[1] + line), "white")
    tile.paste(photo)
    caption = f"{Path(record['file_name']).name}: {len(texts)} boxes, {sum(counts)} items"
    place = (_MARGIN, size[1] + _MARGIN)
    ImageDraw.Draw(tile).text(place, caption, "black", label_font(_FONT_SIZE))
    return tile
