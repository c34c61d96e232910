"""All boxes of a dataset as arrays, and what is suspicious about them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from detectron2.structures import BoxMode
from torchvision.ops import box_iou

from ...errors import Problem
from .findings import Dataset, annotation_name, annotation_problem

# Two boxes of different objects hardly ever overlap so much.
DUPLICATE_IOU = 0.9
# Below it a slip of the mouse is likelier than a product, in pixels.
MIN_SIDE = 4
MAX_IMAGE_SHARE = 0.9
# A row of 30 packs is about 10 times as long as high.
MAX_ASPECT_RATIO = 20


class BoxTable(NamedTuple):
    """The N boxes of a dataset in the order of its records, without crowd regions.

    Attributes:
        image: (N,) position of the record.
        annotation: (N,) position in the record's annotations.
        box: (N, 4) float64 x1, y1, x2, y2.
        category: (N,) position in the classes.
        count: (N,) number of items, 1 if the annotation has none.
    """

    image: np.ndarray
    annotation: np.ndarray
    box: np.ndarray
    category: np.ndarray
    count: np.ndarray  # type: ignore[assignment]  # hides tuple's method

    @property
    def area(self) -> np.ndarray:
        return (self.box[:, 2] - self.box[:, 0]) * (self.box[:, 3] - self.box[:, 1])


def box_table(records: list[dict]) -> BoxTable:
    """All boxes of a dataset as arrays.

    Args:
        records: dataset dicts whose boxes are not rotated.
    """
    rows, boxes = [], []
    for i, record in enumerate(records):
        for j, annotation in enumerate(record.get("annotations", ())):
            if not annotation.get("iscrowd", 0):
                mode, count = annotation["bbox_mode"], annotation.get("count", 1)
                rows.append((i, j, annotation["category_id"], count, int(mode)))
                boxes.append(annotation["bbox"])
    image, position, category, count, modes = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    box = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    for mode in np.unique(modes).tolist():
        box[modes == mode] = BoxMode.convert(box[modes == mode], BoxMode(mode), BoxMode.XYXY_ABS)
    return BoxTable(image, position, box, category, count)


def box_problems(dataset: Dataset, table: BoxTable) -> Iterator[tuple[str, Problem]]:
    """The kind of each problem, and the problem."""
    yield from _shape_problems(dataset, table)
    yield from _overlap_problems(dataset, table)


def _shape_problems(dataset: Dataset, table: BoxTable) -> Iterator[tuple[str, Problem]]:
    sizes = [(record["width"], record["height"]) for record in dataset.records]
    image_area = np.array(sizes, dtype=np.float64).reshape(-1, 2).prod(axis=1)[table.image]
    width, height = table.box[:, 2] - table.box[:, 0], table.box[:, 3] - table.box[:, 1]
    short, long = np.minimum(width, height), np.maximum(width, height)
    cure = "correct or delete the box if it is a slip"
    for kind, text, mask in (
        ("small box", f"is only {{0:g}} x {{1:g}} pixels: {cure}", short < MIN_SIDE),
        (
            "large box",
            f"covers {{2:.0%}} of the image: {cure}",
            table.area > MAX_IMAGE_SHARE * image_area,
        ),
        (
            "narrow box",
            f"has the aspect ratio {{3:.0f}} ({{0:g}} x {{1:g}} pixels): {cure}",
            (long > MAX_ASPECT_RATIO * short) & (short >= MIN_SIDE),
        ),
    ):
        for i in np.flatnonzero(mask).tolist():
            share, ratio = table.area[i] / image_area[i], long[i] / short[i]
            said = text.format(width[i], height[i], share, ratio)
            record = dataset.records[table.image[i]]
            yield kind, annotation_problem(record, table.annotation[i], said)


def _overlap_problems(dataset: Dataset, table: BoxTable) -> Iterator[tuple[str, Problem]]:
    """One problem for each box that an earlier one of its image overlaps too much."""
    _, starts, lengths = np.unique(table.image, return_index=True, return_counts=True)
    for start, end in zip(starts, starts + lengths, strict=True):
        boxes = torch.from_numpy(table.box[start:end])
        # Row: a box; column: an earlier one.
        iou = np.tril(box_iou(boxes, boxes).numpy(), -1)
        if iou.max() <= DUPLICATE_IOU:
            continue
        category = table.category[start:end]
        same = category[:, None] == category
        # A partner of the same category goes before one of another.
        partner = np.where(same & (iou > DUPLICATE_IOU), iou + 1, iou).argmax(axis=1)
        for i in np.flatnonzero(iou.max(axis=1) > DUPLICATE_IOU).tolist():
            yield _overlap(dataset, table, start + i, start + partner[i], iou[i, partner[i]])


def _overlap(
    dataset: Dataset, table: BoxTable, i: int, earlier: int, iou: float
) -> tuple[str, Problem]:
    record = dataset.records[table.image[i]]
    other = annotation_name(record, table.annotation[earlier])
    if table.category[i] != table.category[earlier]:
        names = [dataset.classes[table.category[k]] for k in (i, earlier)]
        kind = "two categories in one place"
        text = f"{names[0]!r} overlaps {names[1]!r} of {other} with IoU {iou:.2f}: delete one"
    elif (table.box[i] == table.box[earlier]).all() and table.count[i] == table.count[earlier]:
        kind, text = "repeated box", f"says the same as {other}: delete one"
    else:
        counts = f"counts {table.count[earlier]} and {table.count[i]}"
        kind = "near-duplicate box"
        text = f"overlaps {other} of the same category with IoU {iou:.2f} ({counts}): delete one"
    return kind, annotation_problem(record, table.annotation[i], text)
