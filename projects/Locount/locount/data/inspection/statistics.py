"""What datasets hold: boxes and counts per image, category, group and subset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...counting import COUNT_RANGES, SCALE_SIDES
from .boxes import BoxTable
from .findings import Dataset

Row = dict[str, Any]


class Statistics(NamedTuple):
    """Tables of one dataset, as rows of the same keys.

    Attributes:
        summary: one row of the whole.
        subsets: of the six subsets of the joint evaluation; borders belong to both sides.
        groups: of the groups that have a box.
        categories: of all categories, in the order of their ids.
        counts: how many boxes have which count.
        images: boxes and items of each.
    """

    summary: list[Row]
    subsets: list[Row]
    groups: list[Row]
    categories: list[Row]
    counts: list[Row]
    images: list[Row]


def statistics(dataset: Dataset, table: BoxTable) -> Statistics:
    """Statistics of the sound part of a dataset."""
    images = list(_images(dataset, table))
    counts, boxes = np.unique(table.count, return_counts=True)
    categories = _parts(dataset.classes, table.category, table)
    if dataset.groups:
        categories = [
            {"group": group, **row} for group, row in zip(dataset.groups, categories, strict=True)
        ]
    names = list(dict.fromkeys(dataset.groups))
    group_of_class = np.array([names.index(group) for group in dataset.groups], dtype=np.int64)
    groups = _parts(names, group_of_class[table.category], table) if names else []
    return Statistics(
        summary=[_summary(images, table)],
        subsets=list(_subsets(table)),
        groups=[row for row in groups if row["boxes"]],
        categories=categories,
        counts=[
            {"count": count, "boxes": number}
            for count, number in zip(counts.tolist(), boxes.tolist(), strict=True)
        ],
        images=images,
    )


def _images(dataset: Dataset, table: BoxTable) -> Iterator[Row]:
    num = len(dataset.records)
    boxes = np.bincount(table.image, minlength=num).tolist()
    items = np.bincount(table.image, weights=table.count, minlength=num).astype(int).tolist()
    for record, num_boxes, num_items in zip(dataset.records, boxes, items, strict=True):
        yield {
            "file": record["file_name"],
            "width": record["width"],
            "height": record["height"],
            "boxes": num_boxes,
            "items": num_items,
        }


def _summary(images: list[Row], table: BoxTable) -> Row:
    num_boxes, num_items = len(table.count), int(table.count.sum())
    return {
        "images": len(images),
        "images without a box": sum(not image["boxes"] for image in images),
        "boxes": num_boxes,
        "items": num_items,
        "boxes per image": _ratio(num_boxes, len(images)),
        "most boxes in an image": max((image["boxes"] for image in images), default=0),
        "items per image": _ratio(num_items, len(images)),
        "most items in an image": max((image["items"] for image in images), default=0),
        "mean count": _ratio(num_items, num_boxes),
        "largest count": int(table.count.max(initial=0)),
    }


def _subsets(table: BoxTable) -> Iterator[Row]:
    side = np.sqrt(table.area)
    for values, ranges in ((side, SCALE_SIDES), (table.count, COUNT_RANGES)):
        for name, (low, high) in ranges.items():
            inside = (values >= low) & (values <= high)
            boxes = int(inside.sum())
            yield {
                "subset": name,
                "boxes": boxes,
                "% of boxes": 100 * _ratio(boxes, len(values)),
                "items": int(table.count[inside].sum()),
            }


def _parts(names: Sequence[str], part: np.ndarray, table: BoxTable) -> list[Row]:
    """A row for each name; ``part`` is each box's position in the names."""
    rows = []
    for i, name in enumerate(names):
        counts = table.count[part == i]
        rows.append(
            {
                "name": name,
                "images": len(np.unique(table.image[part == i])),
                "boxes": len(counts),
                "items": int(counts.sum()),
                "mean count": _ratio(int(counts.sum()), len(counts)),
                "largest count": int(counts.max(initial=0)),
            }
        )
    return rows


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
