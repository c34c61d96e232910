"""COCO json whose annotations may carry ``"count"``, as Detectron2 dataset dicts."""

from __future__ import annotations

import functools
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator

from detectron2.structures import BoxMode

from ..errors import number_of
from ..texts import read_json
from .coco_checks import (
    Fault,
    annotation_problems,
    category_problems,
    count_of,
    has_count,
    image_problems,
    images_by_id,
    is_integer,
    mended_annotation,
    number_attributes,
    structure_problems,
)
from .counts import COUNT, uncounted
from .errors import DatasetError, Problem
from .formats.base import Survey
from .image_paths import image_path
from .mending import Changes

logger = logging.getLogger(__name__)


class CocoJson:
    """An annotation file and the folder of its images.

    Nothing is left out, or corrected unasked: what is wrong is an error.

    The count is a whole number from 1 on, in every annotation or among its "attributes", as CVAT
    writes it; a file in which none has it is a file of single items.
    """

    def __init__(
        self,
        json_file: str,
        image_root: str,
        *,
        count: str = COUNT,
        mend: Changes | None = None,
    ) -> None:
        """
        Args:
            count: what the count is called there.
            mend: swap reversed corners and cut boxes to their images, and list that here.
        """
        self.json_file, self.image_root = json_file, image_root
        self.count, self.mend = count, mend

    def metadata(self) -> dict[str, object]:
        """Detectron2's metadata: ``thing_classes`` by their ids, and what these ids become.

        Raises:
            InputError: if the file can't be read or a category is wrong.
        """
        self._raise(category_problems(self.content["categories"]))
        return _metadata(self.content["categories"])

    def load(self) -> list[dict]:
        """One dict for each image in the order of the file, images without a box included.

        Beside Detectron2's keys each holds ``annotation_file``, and each annotation ``count`` and
        its ``id``.

        Raises:
            InputError: with all problems of the file.
        """
        self._raise(self._faults())
        for hint in self._hints():
            logger.warning("%s", hint)
        return self._records(self.content)

    def survey(self) -> Survey:
        """All problems of the file, and what :meth:`load` would return of the rest.

        Raises:
            InputError: if the file can't be read or lacks one of the three lists.
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
        return Survey(self._records(sound), metadata, self._problems(faults), self._hints())

    def _faults(self) -> Iterator[Fault]:
        yield from category_problems(self.content["categories"])
        yield from image_problems(self.content["images"], self.image_root)
        yield from annotation_problems(self.content, self.count)

    def _hints(self) -> list[Problem]:
        annotations = self.content["annotations"]
        if any(has_count(annotation, self.count) for annotation in annotations):
            return []
        text = uncounted(name for a in annotations for name in number_attributes(a))
        return [Problem(self.json_file, None, text)] if text else []

    def _records(self, content: dict[str, list[dict]]) -> list[dict]:
        class_of_id = _metadata(content["categories"])["thing_dataset_id_to_contiguous_id"]
        annotations = defaultdict(list)
        for annotation in content["annotations"]:
            annotations[annotation["image_id"]].append(
                {
                    "bbox": [float(value) for value in annotation["bbox"]],
                    "bbox_mode": BoxMode.XYWH_ABS,
                    "category_id": class_of_id[annotation["category_id"]],
                    "count": count_of(annotation, self.count),
                    "iscrowd": annotation.get("iscrowd", 0),
                    "id": annotation["id"],
                }
            )
        return [
            {
                "file_name": image_path(self.image_root, image["file_name"]),
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
        content = read_json(self.json_file)
        self._raise(structure_problems(content))
        if self.mend is not None:
            images = images_by_id(content["images"])
            for i, before in enumerate(content["annotations"]):
                image_id = before.get("image_id")
                image = images.get(image_id) if is_integer(image_id) else None
                after, why = mended_annotation(before, image)
                if after is not None and why:
                    content["annotations"][i] = after
                    boxes = (str(before["bbox"]), str(after["bbox"]))
                    self.mend.add(self.json_file, f"annotations[{i}]", *boxes, why)
            self.mend.log()
        return content

    def _problems(self, faults: Iterable[Fault]) -> list[Problem]:
        return [Problem(self.json_file, None, str(fault)) for fault in faults]

    def _raise(self, faults: Iterable[Fault]) -> None:
        problems = self._problems(faults)
        if problems:
            raise DatasetError(f"{self.json_file} has {number_of(problems)}:", problems)


def _metadata(categories: list[dict]) -> dict[str, object]:
    categories = sorted(categories, key=lambda category: category["id"])
    return {
        "thing_classes": [category["name"] for category in categories],
        "thing_dataset_id_to_contiguous_id": {c["id"]: i for i, c in enumerate(categories)},
    }
