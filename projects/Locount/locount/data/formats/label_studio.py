"""Label Studio json: one file of tasks a split; rectangles in percent, a number for each region."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, quote, urlsplit

import msgspec
from lxml import etree

from ...counting import MAX_COUNT
from ...errors import DatasetError, Problem
from ...texts import JSON_ERRORS, TextError, parse_json, read_utf8
from .dataset import Dataset, corners
from .entries import Box, Entries, T
from .folders import split_files
from .index_cache import file_stamp
from .table_place import Annotations, TablePlace

logger = logging.getLogger(__name__)

_LOCAL_FILES = "/data/local-files/"
# Answers about a photo or a region that are not regions themselves.
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
    number: Annotated[float, msgspec.Meta(ge=-MAX_COUNT, le=MAX_COUNT)]


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
    annotations: list[_Annotation] = []
    predictions: list[msgspec.Raw] = []


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
        folder = Path(images).name
        table, problems = self.cached_table(
            split,
            [file_stamp(path)],
            lambda: _Reader(path, count, folder).read().result(),
            f"{count}\n{folder}",
        )
        return Annotations(table, [path] * len(table.images), images, problems)

    def problem(
        self, annotations: Annotations, image: int, text: str, line: int | None = None
    ) -> Problem:
        result = "" if line is None else f", result [{line}]"
        element = f"task [{annotations.table.image_line[image]}]{result}"
        return Problem(annotations.files[image], None, f"{element}: {text}")


def _raw_tasks(path: str) -> list[msgspec.Raw]:
    try:
        tasks = msgspec.json.decode(read_utf8(path), type=list[msgspec.Raw])
        keys = msgspec.json.decode(tasks[0], type=dict[str, msgspec.Raw]) if tasks else {}
    except TextError:
        raise
    except JSON_ERRORS as error:
        raise DatasetError(
            f"{path} can't be read as a list of tasks ({error}): export the project as JSON"
        ) from error
    if tasks and "data" not in keys:
        raise DatasetError(
            f"{path} is not Label Studio's JSON, whose tasks have 'data', but maybe its JSON-MIN, "
            "which does not say which count is that of which box: export the project as JSON"
        )
    return tasks


@dataclass
class _Reader:
    """Reads a file into entries.

    Attributes:
        path: of the file.
        count: the name of the number that is the count.
        folder: the name of the folder of images.
    """

    path: str
    count: str
    folder: str
    entries: Entries = field(default_factory=Entries)
    passed_over: Counter[str] = field(default_factory=Counter)

    def read(self) -> Entries:
        for i, raw in enumerate(_raw_tasks(self.path)):
            self._attempt(f"task [{i}]", self._read_task, i, raw)
        if self.passed_over:
            texts = ", ".join(f"{name} ({number})" for name, number in self.passed_over.items())
            logger.warning("%s: these answers are not read: %s", self.path, texts)
            self.entries.complete = False
        return self.entries

    def _attempt(self, element: str, read: Callable[..., T], *args) -> T | None:
        return self.entries.attempt(self.path, None, read, *args, element=element)

    def _read_task(self, number: int, raw: msgspec.Raw) -> None:
        """A ValueError says that all of it is wrong."""
        element = f"task [{number}]"
        task = _decode(raw, _Task, "{}: export the project again, as JSON")
        parse_json(bytes(raw))  # refuses a key that is there twice
        name = _image_name(_reference(task), self.folder)
        finished = [annotation for annotation in task.annotations if not annotation.was_cancelled]
        if not finished and task.predictions:
            raise ValueError(
                "has only predictions, which nobody has checked: submit it in Label Studio, and "
                "export the project again"
            )
        if len(finished) != 1:
            text = "annotations: leave one; it may be submitted without a box"
            raise ValueError(f"has {len(finished)} {text}")
        counts: dict[str, int | None] = {}
        regions, numbers = {}, defaultdict(list)
        for i, result in enumerate(finished[0].result):
            if result.type in _ANSWERS and result.from_name == self.count != "":
                if result.id in counts:
                    raise ValueError(f"the region {result.id!r} has more than one count: keep one")
                of_result = f"{element}, result [{i}]"
                counts[result.id] = self._attempt(of_result, _count, result)
            elif result.type in _ANSWERS:
                self.passed_over[f"{result.type} of {result.from_name or 'no control'}"] += 1
                if result.type == "number":
                    numbers[result.id].append(result.from_name)
            else:
                regions[i] = result
        sizes = [(r.original_width, r.original_height) for r in regions.values()]
        width, height = size = sizes[0] if sizes else (None, None)
        boxes = []
        for i, result in regions.items():
            count = counts.get(result.id)
            if count is not None or result.id not in counts:  # else it has a problem already
                values = (i, result, size, count, tuple(numbers[result.id]))
                boxes.append(self._attempt(f"{element}, result [{i}]", _box, *values))
        for key in counts.keys() - {result.id for result in regions.values()}:
            text = f"a count belongs to the region {key!r}, which is not there: delete it"
            self.entries.problems.append(Problem(self.path, None, f"{element}: {text}"))
        written = None if width is None or height is None else (width, height)
        self.entries.add(name, number, written, boxes)


def _decode(raw: msgspec.Raw, kind: type[T], text: str = "can't be read ({}): correct it") -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except JSON_ERRORS as error:
        raise ValueError(text.format(error)) from error


def _count(result: _Result) -> int:
    """A whole number; programs write 3 as 3.0."""
    if result.type != "number":
        raise ValueError(
            f"the count is of the type {result.type}: write it with a control of numbers; or "
            "none is read with ?count= in the name of a dataset (convert --count-attribute '')"
        )
    number = _decode(result.value, _Number).number
    if number != int(number):
        raise ValueError(f"the count is {number}: write a whole number from 1 to {MAX_COUNT}")
    return int(number)


def _reference(task: _Task) -> str:
    """The task's text for its image."""
    if "image" in task.data:
        return _decode(task.data["image"], str, "the image of its data can't be read ({})")
    raise ValueError(
        f"its data has no key 'image', only {', '.join(map(repr, task.data)) or 'nothing'}: rename "
        "the key of the photo to 'image' in this file"
    )


def _box(
    line: int,
    result: _Result,
    size: tuple[float | None, float | None],
    count: int | None,
    numbers: tuple[str, ...],
) -> Box:
    """In fractions of the image."""
    if result.type != "rectanglelabels":
        raise ValueError(f"{result.type!r} is not a rectangle with a label: draw one in its place")
    value = _decode(result.value, _Rectangle)
    if value.rotation or result.image_rotation:
        raise ValueError("is rotated: draw an upright rectangle in its place")
    if (result.original_width, result.original_height) != size:
        raise ValueError("the image has another original size in an earlier result")
    box = (value.x, value.y, value.x + value.width, value.y + value.height)
    x1, y1, x2, y2 = (percent / 100 for percent in box)
    return Box(line, (x1, y1, x2, y2), value.rectanglelabels[0], count, numbers)


def _image_name(reference: str, folder: str) -> str:
    """The path below the folder of images that a task's text for its image means.

    Label Studio serves files of folders inside its root only, so their paths may begin with the
    name of the folder.
    """
    parts = urlsplit(reference)
    if parts.path == _LOCAL_FILES:
        return "".join(parse_qs(parts.query).get("d", [])).removeprefix(f"{folder}/")
    return reference.removeprefix("/data/")


def write(dataset: Dataset, folder: Path) -> None:
    """Write ``SPLIT.json`` files of tasks for import, and the labeling interface."""
    for name, split in dataset.splits.items():
        tasks = [
            {
                "data": {"image": f"{_LOCAL_FILES}?d={quote(f'{name}/{image}')}"},
                **_answers(record, dataset.classes),
            }
            for record, image in zip(split.records, split.names, strict=True)
        ]
        (folder / f"{name}.json").write_bytes(msgspec.json.encode(tasks))
    # Label Studio refuses a declaration in front of it.
    interface = etree.tostring(_interface(dataset.classes), encoding="unicode", pretty_print=True)
    (folder / "interface.txt").write_text(interface, encoding="utf-8")


def _answers(record: dict, classes: tuple[str, ...]) -> dict[str, list]:
    """An annotation; of a model a prediction, from which annotators start."""
    results = _results(record, classes)
    if not record.get("predicted"):
        return {"annotations": [{"result": results}]}
    scores = [annotation["score"] for annotation in record["annotations"]]
    mean = {"score": sum(scores) / len(scores)} if scores else {}
    return {"predictions": [{"model_version": "locount", "result": results, **mean}]}


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
        rectangle = {"from_name": "label", "type": "rectanglelabels", **_score(annotation, "score")}
        number = {"from_name": "count", "type": "number", **_score(annotation, "count_score")}
        results.append({**region, **rectangle, "value": {**box, "rectanglelabels": labels}})
        results.append({**region, **number, "value": {**box, "number": annotation["count"]}})
    return results


def _score(annotation: dict, key: str) -> dict[str, float]:
    return {} if annotation.get(key) is None else {"score": annotation[key]}


def _interface(classes: tuple[str, ...]) -> etree._Element:
    view = etree.Element("View")
    etree.SubElement(view, "Image", name="image", value="$image")
    labels = etree.SubElement(view, "RectangleLabels", name="label", toName="image")
    for name in classes:
        etree.SubElement(labels, "Label", value=name)
    options = {"perRegion": "true", "min": "1", "step": "1", "defaultValue": "1"}
    etree.SubElement(view, "Number", name="count", toName="image", **options)
    return view
