"""COCO json with ``count``: one file a split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...coco import dataset_to_coco
from ...errors import Problem
from ...files import write_json
from ..coco_json import CocoJson
from .base import Place, Reading, Source, Survey, size_fault
from .dataset import Dataset
from .folders import split_files
from .index_cache import cached_sizes, file_stamp

# Where others put a split: Roboflow beside its images, CVAT and COCO into a folder of files.
_LAYOUTS = (
    ("*/_annotations.coco.json", lambda path: (path.parent.name, path.parent)),
    (
        "annotations/instances_*.json",
        lambda path: (name := path.stem.removeprefix("instances_"), path.parents[1] / name),
    ),
)


class CocoFolder(Place):
    """``SPLIT.json`` files, or one."""

    format = "coco"

    def find_splits(self) -> dict[str, tuple[str, str]]:
        return split_files(self.path, ".json", self.reading, _LAYOUTS)

    def open(self, split: str) -> Coco:
        json_file, image_root = self.splits[split]
        return Coco(split, json_file, image_root, self.reading)


class Coco(Source):
    """A file and the folder of its images, which have the size that the file says."""

    image_root = ""

    def __init__(self, split: str, json_file: str, image_root: str, reading: Reading) -> None:
        self.format, self.path, self.title = CocoFolder.format, json_file, json_file
        self.split, self.image_root = split, image_root
        self.json = CocoJson(json_file, image_root, count=reading.count, mend=reading.mend)

    def metadata(self) -> dict[str, Any]:
        return self.json.metadata()

    def survey(self) -> Survey:
        survey = self.json.survey()
        stamps = [file_stamp(record["file_name"]) for record in survey.records]
        sizes, faults = cached_sizes(f"coco-{self.split}", self.image_root, stamps)
        problems, sound = [Problem(path, None, text) for path, text in faults.items()], []
        for record, size in zip(survey.records, sizes.tolist(), strict=True):
            written, path = [record["height"], record["width"]], record["file_name"]
            if size == written:
                sound.append(record)
            elif path not in faults:
                text = size_fault(path, size, written)
                problems.append(Problem(self.json.json_file, None, text))
        problems = [*survey.problems, *problems]
        return survey._replace(records=sound, problems=problems, unreadable=list(faults))


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
