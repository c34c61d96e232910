"""What a format can't hold: found before anything is written, and left out only with consent."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from typing import NamedTuple

from detectron2.structures import BoxMode

from ...errors import InputError, listing
from .dataset import Corners, Dataset, Split, corners

# How far from a whole number a coordinate may be to be taken for it: formats of fractions of the
# image, with six digits, miss whole pixels by less.
_PIXEL_TOLERANCE = 0.01


class Loss(NamedTuple):
    """A part of a dataset that a format may not be able to hold.

    Attributes:
        find: says what would be lost; empty if nothing.
        reduce: the dataset without it; that is the same dataset, or nearly, if nothing is lost.
    """

    find: Callable[[Dataset], str]
    reduce: Callable[[Dataset], Dataset]


def reduce_dataset(
    dataset: Dataset, *, title: str, holds: Collection[str], lossy: Collection[str]
) -> tuple[Dataset, list[str]]:
    """The dataset as a format can hold it, and what was lost.

    Args:
        title: of the format.
        holds: keys of ``LOSSES`` that the format can hold.
        lossy: keys of ``LOSSES`` that may be lost.

    Raises:
        InputError: if more would be lost.
    """
    found = {}
    for key, loss in LOSSES.items():
        if key in holds:
            continue
        if text := loss.find(dataset):
            found[key] = f"{key}: {text}"
        dataset = loss.reduce(dataset)
    refused = [text for key, text in found.items() if key not in lossy]
    if refused:
        raise InputError(
            f"{title} can't hold all of this dataset; --lossy {' '.join(found)} converts it "
            f"anyway, without:\n{listing(refused)}"
        )
    return dataset, list(found.values())


def is_plain_name(text: str) -> bool:
    """Whether a category survives XML, CSV and YAML: visible characters, no space around."""
    return bool(text) and text.isprintable() and text == text.strip()


def _whole(box: Corners, record: dict) -> Corners:
    limits = (record["width"], record["height"]) * 2
    x1, y1, x2, y2 = (
        float(min(max(math.floor(value + 0.5), 0), limit))
        for value, limit in zip(box, limits, strict=True)
    )
    return x1, y1, x2, y2


def _find_counts(dataset: Dataset) -> str:
    counts = [a["count"] for _, a in dataset.annotations() if a["count"] > 1]
    if not counts:
        return ""
    return f"{len(counts)} box(es) of {sum(counts)} items would become one item each"


def _find_fractions(dataset: Dataset) -> str:
    shifts = []
    for record, annotation in dataset.annotations():
        box = corners(annotation)
        whole = _whole(box, record)
        if whole[0] == whole[2] or whole[1] == whole[3]:
            raise InputError(
                f"The box {box} of {record['file_name']} has no area in whole pixels: delete it"
            )
        shifts.append(max(abs(a - b) for a, b in zip(box, whole, strict=True)))
    moved = [shift for shift in shifts if shift > _PIXEL_TOLERANCE]
    if not moved:
        return ""
    return f"{len(moved)} box(es) would be rounded to whole pixels, by up to {max(moved):.2g}"


def _find_crowds(dataset: Dataset) -> str:
    crowds = sum(bool(a.get("iscrowd")) for _, a in dataset.annotations())
    return f"{crowds} crowd region(s) would be left out" if crowds else ""


def _find_empty(dataset: Dataset) -> str:
    empty = sum(not r["annotations"] for split in dataset.splits.values() for r in split.records)
    return f"{empty} image(s) without a box would be left out" if empty else ""


def _find_categories(dataset: Dataset) -> str:
    used = {dataset.classes[a["category_id"]] for _, a in dataset.annotations()}
    if tuple(sorted(used)) == dataset.classes:
        return ""
    unused = len(dataset.classes) - len(used)
    rest = f", and {unused} without a box" if unused else ""
    return f"the order of the categories, which gives the class ids{rest}"


def _find_scores(dataset: Dataset) -> str:
    records = [r for split in dataset.splits.values() for r in split.records if r.get("predicted")]
    if not records:
        return ""
    boxes = sum(len(record["annotations"]) for record in records)
    return f"{boxes} box(es) of a model would be taken for annotations, without their scores"


def _map_records(dataset: Dataset, change: Callable[[dict], dict | None]) -> Dataset:
    """The dataset with other records; None leaves an image out."""
    splits = {}
    for name, split in dataset.splits.items():
        pairs = zip(map(change, split.records), split.names, strict=True)
        kept = [(record, image) for record, image in pairs if record is not None]
        splits[name] = Split([record for record, _ in kept], [image for _, image in kept])
    return dataset._replace(splits=splits)


def _map_annotations(dataset: Dataset, change: Callable[[dict, dict], dict | None]) -> Dataset:
    def of_record(record: dict) -> dict:
        changed = (change(record, annotation) for annotation in record["annotations"])
        return {**record, "annotations": [a for a in changed if a is not None]}

    return _map_records(dataset, of_record)


def _round(record: dict, annotation: dict) -> dict:
    box = list(_whole(corners(annotation), record))
    return {**annotation, "bbox": box, "bbox_mode": BoxMode.XYXY_ABS}


# In the order in which they are left out: an image may be empty without its crowd.
LOSSES = {
    "counts": Loss(_find_counts, lambda d: _map_annotations(d, lambda _, a: {**a, "count": 1})),
    "crowds": Loss(
        _find_crowds, lambda d: _map_annotations(d, lambda _, a: None if a.get("iscrowd") else a)
    ),
    "empty-images": Loss(
        _find_empty, lambda d: _map_records(d, lambda r: r if r["annotations"] else None)
    ),
    "fractions": Loss(_find_fractions, lambda d: _map_annotations(d, _round)),
    "category-list": Loss(_find_categories, lambda d: d),
    "scores": Loss(_find_scores, lambda d: d),
}
