"""COCO json with ``count``: one file a split."""

from __future__ import annotations

import logging
from pathlib import Path

from ...coco import dataset_to_coco
from ...errors import listing
from ...files import write_json
from ..coco_json import CocoJson
from ..errors import DatasetError, Problem
from ..images import read_image_sizes
from .dataset import Dataset, Reading, Split
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
    category_ids = list(range(1, len(dataset.classes) + 1))
    for name, split in dataset.splits.items():
        records = [
            {**record, "image_id": i, "file_name": file_name}
            for i, (record, file_name) in enumerate(zip(*split, strict=True), 1)
        ]
        content = dataset_to_coco(records, category_ids, list(dataset.classes))
        write_json(folder / f"{name}.json", content)
