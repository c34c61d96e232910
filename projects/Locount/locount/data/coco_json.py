"""COCO json whose annotations may carry ``"count"``, as Detectron2 dataset dicts."""

from __future__ import annotations

import functools
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator

from detectron2.structures import BoxMode

from .coco_checks import (
    Fault,
    annotation_problems,
    category_problems,
    image_problems,
    structure_problems,
)
from .errors import DatasetError, Problem
from .survey import Survey


class CocoJson:
    """An annotation file and the folder of its images.

    Nothing is left out or corrected: what is wrong is an error.

    ``count`` is a whole number from 1 on in every annotation; a file in which none has it is a file
    of single items.
    """

    def __init__(self, json_file: str, image_root: str) -> None:
        self.json_file, self.image_root = json_file, image_root

    def metadata(self) -> dict[str, object]:
        """Detectron2's metadata: ``thing_classes`` by their ids, and what these ids become.

        Raises:
            DatasetError: if the file can't be read or a category is wrong.
        """
        self._raise(category_problems(self.content["categories"]))
        return _metadata(self.content["categories"])

    def load(self) -> list[dict]:
        """One dict for each image in the order of the file, images without a box included.

        Beside Detectron2's keys each holds ``annotation_file``, and each annotation ``count`` and
        its ``id``.

        Raises:
            DatasetError: with all problems of the file.
        """
        self._raise(self._faults())
        return self._records(self.content)

    def survey(self) -> Survey:
        """All problems of the file, and what :meth:`load` would return of the rest.

        Raises:
            DatasetError: if the file can't be read or lacks one of the three lists.
        """
        content, faults = self.content, list(self._faults())
        faulty = {(fault.entries, fault.index) for fault in faults}
        sound = {
            key: [entry for i, entry in enumerate(content[key]) if (key, i) not in faulty]
            for key in ("images", "annotations", "categories")
        }
        categories = {category["id"] for category in sound["categories"]}
        sound["annotations"] = [a for a in sound["annotations"] if a["category_id"] in categories]
        metadata = _metadata(sound["categories"])
        return Survey(self._records(sound), metadata, self._problems(faults))

    def _faults(self) -> Iterator[Fault]:
        yield from category_problems(self.content["categories"])
        yield from image_problems(self.content["images"], self.image_root)
        yield from annotation_problems(self.content)

    def _records(self, content: dict[str, list[dict]]) -> list[dict]:
        class_of_id = _metadata(content["categories"])["thing_dataset_id_to_contiguous_id"]
        annotations = defaultdict(list)
        for annotation in content["annotations"]:
            annotations[annotation["image_id"]].append(
                {
                    "bbox": [float(value) for value in annotation["bbox"]],
                    "bbox_mode": BoxMode.XYWH_ABS,
                    "category_id": class_of_id[annotation["category_id"]],
                    "count": annotation.get("count", 1),
                    "iscrowd": annotation.get("iscrowd", 0),
                    "id": annotation["id"],
                }
            )
        return [
            {
                "file_name": os.path.join(self.image_root, image["file_name"]),
                "annotation_file": self.json_file,
                "image_id": image["id"],
                "height": image["height"],
                "width": image["width"],
                "annotations": annotations[image["id"]],
            }
            for image in content["images"]
        ]

    @functools.cached_property
    def content(self) -> dict[str, list[dict]]:
        """The file, which has the three lists of objects and may be wrong otherwise."""
        try:
            with open(self.json_file, encoding="utf-8") as file:
                content = json.load(file)
        except (OSError, ValueError, RecursionError) as error:
            raise DatasetError(f"{self.json_file} can't be read: {error}") from error
        self._raise(structure_problems(content))
        return content

    def _problems(self, faults: Iterable[Fault]) -> list[Problem]:
        return [Problem(self.json_file, None, str(fault)) for fault in faults]

    def _raise(self, faults: Iterable[Fault]) -> None:
        problems = self._problems(faults)
        if problems:
            number = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
            raise DatasetError(f"{self.json_file} has {number}:", problems)


def _metadata(categories: list[dict]) -> dict[str, object]:
    categories = sorted(categories, key=lambda category: category["id"])
    return {
        "thing_classes": [category["name"] for category in categories],
        "thing_dataset_id_to_contiguous_id": {c["id"]: i for i, c in enumerate(categories)},
    }
