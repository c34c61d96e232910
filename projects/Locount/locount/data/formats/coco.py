"""COCO json whose annotations may carry ``"count"``: one file a split."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.structures import BoxMode

from ... import coco
from ...errors import Problem
from ...files import write_json
from ...texts import read_json
from ..mending import Changes, mended_box
from .base import Place, Reading, Source, Survey
from .dataset import Dataset
from .entries import is_number_attribute, uncounted
from .folders import split_files
from .image_files import ImageFiles, find_images, image_paths
from .records import Records, same

# Where others put a split: Roboflow beside its images, CVAT and COCO into a folder of files.
_LAYOUTS = (
    ("*/_annotations.coco.json", lambda path: (path.parent.name, path.parent)),
    (
        "annotations/instances_*.json",
        lambda path: (name := path.stem.removeprefix("instances_"), path.parents[1] / name),
    ),
)
# Numbers of annotations that are not attributes.
_KEYS = frozenset({"image_id", "category_id", "area", "iscrowd", "ignore", "num_keypoints"})


class CocoFolder(Place):
    """``SPLIT.json`` files, or one."""

    format = "coco"

    def find_splits(self) -> dict[str, tuple[str, str]]:
        return split_files(self.path, ".json", self.reading, _LAYOUTS)

    def open(self, split: str) -> Coco:
        json_file, image_root = self.splits[split]
        return Coco(json_file, image_root, self.reading, split=split)


class Coco(Source):
    """An annotation file and the folder of its images.

    Which files are right is said by :func:`locount.coco.read_truth`; here all boxes must be such
    that they can be found, and all images be there, of the size that the file says.
    """

    image_root = ""

    def __init__(
        self,
        path: str,
        image_root: str,
        reading: Reading,
        *,
        split: str = "",
        content: dict | None = None,
    ) -> None:
        """
        Args:
            content: what the file says, where that has been read.
        """
        self.format, self.path, self.title = CocoFolder.format, path, path
        self.split, self.image_root, self.content = split, image_root, content
        self.count, self.mend = reading.count, reading.mend

    def metadata(self) -> dict[str, Any]:
        """Detectron2's metadata: ``thing_classes`` by their ids, and what these ids become.

        Raises:
            DatasetError: if the file can't be read or a category is wrong.
        """
        faults = coco.Faults(self.path)
        faults += (fault for fault in self._file.faults if fault.entries == "categories")
        faults.raise_if_any()
        return _metadata(self._file)

    def photos(self) -> list[str]:
        return image_paths(self.image_root, self._file.images["file_name"].tolist())

    def survey(self) -> Survey:
        """As of the base class; each annotation has its ``id``, where it has one.

        Raises:
            DatasetError: if the file can't be read or lacks one of the three lists.
        """
        file, faults = self._file, coco.Faults(self.path)
        faults += [*file.faults, *file.invisible]
        written = np.stack([file.images["height"], file.images["width"]], axis=1)
        images = find_images(
            f"coco-{self.split}",
            self.image_root,
            file.images["file_name"].tolist(),
            np.where(written > 0, written, np.nan),  # others are among the faults
            lambda i, text: Problem(self.path, None, f"images[{file.images.places[i]}]: {text}"),
        )
        records, metadata = self._sound(faults, images)
        problems = [*faults.problems(), *images.problems]
        return Survey(records, metadata, problems, self._hints(), images.unreadable)

    @cached_property
    def _file(self) -> coco.CocoFile:
        mend = None if self.mend is None else partial(self._mended, self.mend)
        source = self.path if self.content is None else self.content
        return coco.read_truth(source, self.count, of_pixels=True, mend=mend)

    def _hints(self) -> list[Problem]:
        if self.count in self._file.annotations.columns or self.content is not None:
            return []
        entries = read_json(self.path)["annotations"]
        text = uncounted(
            name
            for entry in (entries if isinstance(entries, list) else ())
            if isinstance(entry, dict)
            for name, value in (*entry.items(), *_attributes(entry).items())
            if name not in _KEYS and is_number_attribute(name, value)
        )
        return [Problem(self.path, None, text)] if text else []

    def _mended(self, changes: Changes, annotations: coco.Table, sizes: np.ndarray) -> None:
        boxes = annotations["bbox"]
        wrong = (boxes[:, 2:] < 0).any(axis=1) | coco.outside(boxes, sizes)
        for i in np.flatnonzero(wrong & np.isfinite(boxes).all(axis=1)).tolist():
            before = boxes[i].tolist()
            box, why = mended_xywh(before, sizes[i].tolist())
            if box is not None and why:
                boxes[i] = box
                annotations["area"][i] = box[2] * box[3]
                line = f"annotations[{annotations.places[i]}]"
                changes.add(self.path, line, str(before), str(box), why)
        changes.log()

    def _sound(self, faults: coco.Faults, files: ImageFiles) -> tuple[Records, dict[str, Any]]:
        """The records and the metadata of what is without fault."""
        file = self._file
        faulty = {(fault.entries, fault.index) for fault in faults}
        images, categories, annotations = (
            np.array([(t.name, i) not in faulty for i in t.places.tolist()], bool)
            for t in (file.images, file.categories, file.annotations)
        )
        of_category = categories[file.category_order]
        class_ids = np.cumsum(of_category) - 1
        annotations &= (file.image >= 0) & (file.category >= 0)
        annotations[annotations] &= of_category[file.category[annotations]]
        chosen = np.flatnonzero(annotations)
        image = file.image_order[file.image[chosen]]  # from places by ascending ids to the file's
        chosen = chosen[np.argsort(image, kind="stable")]
        ids = file.annotations.columns.get("id")
        boxes = {
            "bbox": file.annotations["bbox"][chosen],
            "category_id": class_ids[file.category[chosen]].astype(np.int32),
            "count": file.counts[chosen].astype(np.int32),
            "iscrowd": file.annotations["iscrowd"][chosen],
            **({} if ids is None else {"id": ids[chosen]}),
            "bbox_mode": same(BoxMode.XYWH_ABS, len(chosen)),
        }
        records = Records(
            files.columns(same(self.path, len(images)), file.images["id"]),
            boxes,
            np.bincount(image, minlength=len(images)),
            np.flatnonzero(images & files.usable),
        )
        return records, _metadata(file, of_category)


def mended_xywh(box: Sequence[float], size: Sequence[int]) -> tuple[list[float] | None, str]:
    """:func:`.mending.mended_box` of an XYWH box, with COCO's tolerance.

    Args:
        size: height and width of the image, 0 where unknown.
    """
    x, y, width, height = box
    corners = (x, y, x + width, y + height)
    mended, why = mended_box(corners, (size[0], size[1]), coco.EDGE_TOLERANCE)
    if mended is None or not why:
        return (None if mended is None else list(box)), why
    x1, y1, x2, y2 = mended
    return [x1, y1, x2 - x1, y2 - y1], why


def _attributes(annotation: dict) -> dict:
    attributes = annotation.get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def _metadata(file: coco.CocoFile, chosen: np.ndarray | None = None) -> dict[str, Any]:
    """Of all categories, or those chosen, by ascending ids."""
    ids = file.categories["id"][file.category_order]
    names = np.array(file.category_names, object)
    kept = slice(None) if chosen is None else chosen
    return {
        "thing_classes": names[kept].tolist(),
        "thing_dataset_id_to_contiguous_id": {c: i for i, c in enumerate(ids[kept].tolist())},
    }


def write(dataset: Dataset, folder: Path) -> None:
    """Write ``SPLIT.json`` files; images, categories and annotations are numbered from 1 on."""
    category_ids = list(range(1, len(dataset.classes) + 1))
    for name, split in dataset.splits.items():
        records = [
            {**record, "image_id": i, "file_name": file_name}
            for i, (record, file_name) in enumerate(zip(*split, strict=True), 1)
        ]
        content = coco.dataset_to_coco(records, category_ids, list(dataset.classes))
        write_json(folder / f"{name}.json", content)
