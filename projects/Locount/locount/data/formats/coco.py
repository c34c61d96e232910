"""COCO json with ``count``: one file a split."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ..coco_json import CocoJson
from .dataset import Dataset, Reading, corners
from .entries import chosen_split
from .reading import read_sources, split_files

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
    return read_sources(sources, reading.skip_invalid)


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
