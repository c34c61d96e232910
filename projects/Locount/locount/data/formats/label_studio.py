"""Label Studio json: one file of tasks a split; rectangles in percent, a number for each region."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, quote, urlsplit

import msgspec
from lxml import etree

from ...errors import DatasetError, Problem
from ...texts import JSON_ERRORS, TextError, read_utf8
from ..counts import MAX_COUNT
from .dataset import Corners, Dataset, corners
from .entries import Box, Entries, Place
from .folders import split_files
from .index_cache import file_stamp
from .table_place import Annotations, TablePlace
from .xml_files import xml_bytes

logger = logging.getLogger(__name__)

_LOCAL_FILES = "/data/local-files/"
# Answers about a photo or a region that are no region themselves.
_ANSWERS = frozenset(
    {"choices", "datetime", "number", "pairwise", "rating", "relation", "taxonomy", "textarea"}
)


# Beyond it floats of pixels are not exact.
_Percent = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]


class _Rectangle(msgspec.Struct):
    x: _Percent
    y: _Percent
    width: _Percent
    height: _Percent
    rectanglelabels: tuple[str]
    rotation: float = 0


class _Number(msgspec.Struct):
    number: Annotated[int, msgspec.Meta(ge=-MAX_COUNT, le=MAX_COUNT)]


class _Result(msgspec.Struct):
    type: str
    value: msgspec.Raw = msgspec.Raw(b"null")
    id: str = ""
    from_name: str = ""
    original_width: float | None = None
    original_height: float | None = None
    image_rotation: float = 0


class _Annotation(msgspec.Struct):
    result: list[_Result]
    was_cancelled: bool = False


class _Task(msgspec.Struct):
    data: dict[str, msgspec.Raw]
    annotations: list[_Annotation]


class LabelStudio(TablePlace):
    """``SPLIT.json`` files, or one. A table's lines are the positions of tasks and results."""

    format = "label-studio"
    has_lines = False
    relative = True
    numbers_are_counts = True

    def find_splits(self) -> dict[str, tuple[str, str]]:
        return split_files(self.path, ".json", self.reading)

    def read(self, split: str) -> Annotations:
        (path, images), count = self.splits[split], self.reading.count
        table, problems = self.cached_table(
            split, [file_stamp(path)], lambda: _read(path, count).result(), count
        )
        return Annotations(table, [path] * len(table.images), images, problems)

    def problem(
        self, annotations: Annotations, image: int, text: str, line: int | None = None
    ) -> Problem:
        result = "" if line is None else f", result [{line}]"
        element = f"task [{annotations.table.image_line[image]}]{result}"
        return Problem(annotations.files[image], None, f"{element}: {text}")


def _read(path: str, count: str) -> Entries:
    entries = Entries()
    passed_over: Counter[str] = Counter()
    for i, raw in enumerate(_raw_tasks(path)):
        place = Place(path, None, f"task [{i}]")
        try:
            task = msgspec.json.decode(raw, type=_Task)
        except JSON_ERRORS as error:
            text = f"{error}: export the project anew, as JSON (not JSON-MIN)"
            entries.problems.append(place.problem(text))
            continue
        image = _image(place, task, count, entries.problems, passed_over)
        if image is not None:
            entries.add(image[0], i, *image[1:])
    if passed_over:
        texts = ", ".join(f"{name} ({number})" for name, number in passed_over.items())
        logger.warning("%s: these answers are not read: %s", path, texts)
        entries.complete = False
    return entries


def _raw_tasks(path: str) -> list[msgspec.Raw]:
    try:
        return msgspec.json.decode(read_utf8(path), type=list[msgspec.Raw])
    except TextError:
        raise
    except JSON_ERRORS as error:
        raise DatasetError(
            f"{path} can't be read as a list of tasks ({error}): export the project as JSON"
        ) from error


def _image(
    place: Place, task: _Task, count_name: str, problems: list[Problem], passed_over: Counter[str]
) -> tuple[str, tuple[float, float] | None, list[Box]] | None:
    reference = _reference(place, task, problems)
    if reference is None:
        return None
    finished = [annotation for annotation in task.annotations if not annotation.was_cancelled]
    if len(finished) != 1:
        text = f"has {len(finished)} annotations: leave one; it may be submitted without a box"
        problems.append(place.problem(text))
        return None
    counts, regions, numbers = {}, [], defaultdict(list)
    for i, result in enumerate(finished[0].result):
        where = place._replace(element=f"{place.element}, result [{i}]")
        if (result.type, result.from_name) == ("number", count_name):
            value = _decode(where, result.value, _Number, problems)
            counts[result.id] = value.number if value else None
        elif result.type in _ANSWERS:
            passed_over[f"{result.type} of {result.from_name or 'no control'}"] += 1
            if result.type == "number":
                numbers[result.id].append(result.from_name)
        else:
            regions.append((i, where, result))
    size = next(((r.original_width, r.original_height) for *_, r in regions), None)
    boxes = []
    for i, where, result in regions:
        corners_and_label = _box(where, result, size, counts, problems)
        if corners_and_label is not None:
            count = counts.get(result.id)
            boxes.append(Box(i, *corners_and_label, count, tuple(numbers[result.id])))
    known = {result.id for *_, result in regions}
    problems += [
        place.problem(f"a count belongs to the region {key!r}, which is not there: delete it")
        for key in counts.keys() - known
    ]
    size = None if size is None or None in size else size
    return _image_name(reference), size, boxes


def _reference(place: Place, task: _Task, problems: list[Problem]) -> str | None:
    """The task's text for its image; None after a problem."""
    if "image" in task.data:
        try:
            return msgspec.json.decode(task.data["image"], type=str)
        except JSON_ERRORS as error:
            problems.append(place.problem(f"the image of its data can't be read ({error})"))
            return None
    keys = ", ".join(map(repr, task.data)) or "nothing"
    text = (
        f"its data has no key 'image' but {keys}: rename the key of the photo to 'image' in this "
        "file"
    )
    problems.append(place.problem(text))
    return None


def _box(
    place: Place,
    result: _Result,
    size: tuple[float | None, float | None],
    counts: dict[str, int | None],
    problems: list[Problem],
) -> tuple[Corners, str] | None:
    """In fractions of the image."""
    if result.type != "rectanglelabels":
        text = f"{result.type!r} is not a rectangle with a label: draw one in its place"
        problems.append(place.problem(text))
        return None
    value = _decode(place, result.value, _Rectangle, problems)
    if value is None or (result.id in counts and counts[result.id] is None):
        return None
    if value.rotation or result.image_rotation:
        problems.append(place.problem("is rotated: draw an upright rectangle in its place"))
        return None
    if (result.original_width, result.original_height) != size:
        problems.append(place.problem("the image has another original size in an earlier result"))
        return None
    box = (value.x, value.y, value.x + value.width, value.y + value.height)
    return tuple(percent / 100 for percent in box), value.rectanglelabels[0]


def _decode(place: Place, raw: msgspec.Raw, kind: type, problems: list[Problem]):
    try:
        return msgspec.json.decode(raw, type=kind)
    except JSON_ERRORS as error:
        problems.append(place.problem(f"the value can't be read ({error}): correct it"))
        return None


def _image_name(reference: str) -> str:
    """The path below the folder of images that a task's text for its image stands for."""
    if reference.startswith(_LOCAL_FILES):
        return "".join(parse_qs(urlsplit(reference).query).get("d", []))
    return reference.removeprefix("/data/")


def write(dataset: Dataset, folder: Path) -> None:
    """Write ``SPLIT.json`` files of tasks for import, and the labelling interface."""
    for name, split in dataset.splits.items():
        tasks = [
            {
                "data": {"image": f"{_LOCAL_FILES}?d={quote(image)}"},
                "annotations": [{"result": _results(record, dataset.classes)}],
            }
            for record, image in zip(split.records, split.names, strict=True)
        ]
        (folder / f"{name}.json").write_bytes(msgspec.json.encode(tasks))
    (folder / "interface.txt").write_bytes(xml_bytes(_interface(dataset.classes)))


def _results(record: dict, classes: tuple[str, ...]) -> list[dict]:
    results = []
    width, height = record["width"], record["height"]
    for i, annotation in enumerate(record["annotations"]):
        x1, y1, x2, y2 = corners(annotation)
        region = {
            "id": f"box{i}",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
        }
        box = {
            "x": x1 / width * 100,
            "y": y1 / height * 100,
            "width": (x2 - x1) / width * 100,
            "height": (y2 - y1) / height * 100,
            "rotation": 0,
        }
        labels = [classes[annotation["category_id"]]]
        rectangle = {"from_name": "label", "type": "rectanglelabels"}
        number = {"from_name": "count", "type": "number"}
        results.append({**region, **rectangle, "value": {**box, "rectanglelabels": labels}})
        results.append({**region, **number, "value": {**box, "number": annotation["count"]}})
    return results


def _interface(classes: tuple[str, ...]) -> etree._Element:
    view = etree.Element("View")
    etree.SubElement(view, "Image", name="image", value="$image")
    labels = etree.SubElement(view, "RectangleLabels", name="label", toName="image")
    for name in classes:
        etree.SubElement(labels, "Label", value=name)
    options = {"perRegion": "true", "min": "1", "step": "1", "defaultValue": "1"}
    etree.SubElement(view, "Number", name="count", toName="image", **options)
    return view
