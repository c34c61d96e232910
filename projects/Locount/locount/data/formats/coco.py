"""COCO json with ``count``: one file a split."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec

from ...errors import listing
from ..coco_json import CocoJson
from ..errors import DatasetError, Problem
from ..images import read_image_sizes
from .dataset import Dataset, Reading, Split, corners
from .entries import chosen_split, size_fault
from .reading import read_sources, split_files

logger = logging.getLogger(__name__)

# Where others put a split: Roboflow beside its images, CVAT and COCO into a folder of files.
_LAYOUTS = (
    ("*/_annotations.coco.json", lambda path: (path.parent.name, path.parent)),
    (
        "annotations/instances_*.json",
        lambda path: (name := path.stem.removeprefix("instances_"), path.parents[1] / name),
    ),
)


def read(source: str, reading: Reading) -> Dataset:
    """Read ``SPLIT.json`` files, or one."""
    files = split_files(source, ".json", reading, _LAYOUTS)
    if reading.split is not None:
        files = {reading.split: chosen_split(files, reading.split, source)}
    options = {"count": reading.count, "mend": reading.mend}
    sources = {name: (CocoJson(*file, **options), file[1]) for name, file in files.items()}
    dataset = read_sources(sources, reading.skip_invalid)
    splits = {name: _of_sizes_as_written(*p, reading) for name, p in dataset.splits.items()}
    return dataset._replace(splits=splits)


def _of_sizes_as_written(records: list[dict], names: list[str], reading: Reading) -> Split:
    """The images that have the size the file says, which its boxes are of.

    Raises:
        DatasetError: naming the others, unless they are to be skipped.
    """
    sizes, faults = read_image_sizes([record["file_name"] for record in records])
    problems, kept = [], []
    for i, (record, (height, width)) in enumerate(zip(records, sizes.tolist(), strict=True)):
        written, path = (record["width"], record["height"]), record["file_name"]
        if i in faults:
            text = f"{path} {faults[i]}"
        elif written != (width, height):
            text = size_fault(path, (width, height), written)
        else:
            kept.append(i)
            continue
        problems.append(Problem(record["annotation_file"], None, text))
    if problems and not reading.skip_invalid:
        raise DatasetError("The images are not as the file says:", problems)
    if problems:
        logger.warning("%d image(s) are left out:\n%s", len(problems), listing(problems))
    return Split([records[i] for i in kept], [names[i] for i in kept])


def write(dataset: Dataset, folder: Path) -> None:
    """Write ``SPLIT.json`` files; images, categories and annotations are numbered from 1 on."""
    categories = [{"id": i, "name": name} for i, name in enumerate(dataset.classes, 1)]
    for name, split in dataset.splits.items():
        images, annotations = [], []
        for i, (record, file_name) in enumerate(zip(split.records, split.names, strict=True), 1):
            size = {"height": record["height"], "width": record["width"]}
            images.append({"id": i, "file_name": file_name, **size})
            for annotation in record["annotations"]:
                annotations.append(_annotation(len(annotations) + 1, i, annotation))
        content = {"images": images, "categories": categories, "annotations": annotations}
        (folder / f"{name}.json").write_bytes(msgspec.json.encode(content))


def _annotation(number: int, image_id: int, annotation: dict) -> dict:
    x1, y1, x2, y2 = corners(annotation)
    return {
        "id": number,
        "image_id": image_id,
        "category_id": annotation["category_id"] + 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
        "iscrowd": annotation.get("iscrowd", 0),
        "count": annotation["count"],
    }
