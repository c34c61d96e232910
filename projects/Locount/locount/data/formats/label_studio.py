"""Label Studio json: one file of tasks a split; rectangles in percent, a number for each region."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qs, quote, urlsplit

import msgspec
from lxml import etree

from ...texts import JSON_ERRORS, TextError, read_utf8
from ..counts import uncounted
from ..errors import DatasetError, Problem
from .dataset import Dataset, Reading, corners
from .entries import BoxEntry, ImageEntry, Place, build_dataset, image_entry
from .reading import split_files
from .writing import xml_bytes

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
    number: int


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


def read(source: str, reading: Reading) -> Dataset:
    """Read ``SPLIT.json`` files, or one."""
    problems: list[Problem] = []
    entries: dict[str, list[ImageEntry]] = {}
    passed_over: Counter[str] = Counter()
    for name, (path, images) in split_files(source, ".json", reading).items():
        entries[name] = []
        for i, raw in enumerate(_raw_tasks(path)):
            place = Place(path, None, f"task [{i}]")
            try:
                task = msgspec.json.decode(raw, type=_Task)
            except JSON_ERRORS as error:
                text = f"{error}: export the project anew, as JSON (not JSON-MIN)"
                problems.append(place.problem(text))
                continue
            image = _image(place, task, images, reading.count, problems, passed_over)
            if image is not None:
                entries[name].append(image)
    if passed_over:
        texts = ", ".join(f"{name} ({number})" for name, number in passed_over.items())
        logger.warning("%s: these answers are not read: %s", source, texts)
    boxes = [box for images in entries.values() for image in images for box in image.boxes]
    hint = uncounted(name for box in boxes for name in box.numbers)
    if hint and reading.count and all(box.count is None for box in boxes):
        problems.append(Problem(source, None, f"{hint}; --count-attribute '' reads none"))
    return build_dataset(source, entries, None, problems, reading)


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
    place: Place,
    task: _Task,
    image_root: str,
    count_name: str,
    problems: list[Problem],
    passed_over: Counter[str],
) -> ImageEntry | None:
    reference = _reference(place, task, problems)
    if reference is None:
        return None
    finished = [annotation for annotation in task.annotations if not annotation.was_cancelled]
    if len(finished) != 1:
        text = f"has {len(finished)} annotations: leave one; it may be submitted without a box"
        problems.append(place.problem(text))
        return None
    results = finished[0].result
    counts, regions, numbers = {}, [], defaultdict(list)
    for i, result in enumerate(results):
        where = place._replace(element=f"{place.element}, result [{i}]")
        if (result.type, result.from_name) == ("number", count_name):
            value = _decode(where, result.value, _Number, problems)
            counts[result.id] = value.number if value else None
        elif result.type in _ANSWERS:
            passed_over[f"{result.type} of {result.from_name or 'no control'}"] += 1
            if result.type == "number":
                numbers[result.id].append(result.from_name)
        else:
            regions.append((where, result))
    size = next(((r.original_width, r.original_height) for _, r in regions), None)
    boxes = []
    for where, result in regions:
        box = _box(where, result, size, counts, problems)
        if box is not None:
            boxes.append(box._replace(numbers=tuple(numbers[result.id])))
    known = {result.id for _, result in regions}
    problems += [
        place.problem(f"a count belongs to the region {key!r}, which is not there: delete it")
        for key in counts.keys() - known
    ]
    name = _image_name(reference)
    size = None if size is None or None in size else size
    return image_entry(place, image_root, name, size, boxes, problems, relative=True)


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
) -> BoxEntry | None:
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
    fractions = tuple(percent / 100 for percent in box)
    return BoxEntry(place, fractions, value.rectanglelabels[0], counts.get(result.id))


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
