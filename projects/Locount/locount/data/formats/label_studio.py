"""Label Studio json: one file of tasks a split; rectangles in percent, a number for each region."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import msgspec
from lxml import etree

from ..errors import DatasetError, Problem
from .dataset import Dataset, corners
from .entries import BoxEntry, ImageEntry, Place, build_dataset
from .reading import split_files
from .writing import xml_bytes

_LOCAL_FILES = "/data/local-files/"
_JSON_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class _Rectangle(msgspec.Struct):
    x: float
    y: float
    width: float
    height: float
    rectanglelabels: tuple[str]
    rotation: float = 0


class _Number(msgspec.Struct):
    number: int


class _Result(msgspec.Struct):
    type: str
    value: msgspec.Raw
    id: str = ""
    from_name: str = ""
    original_width: float | None = None
    original_height: float | None = None
    image_rotation: float = 0


class _Annotation(msgspec.Struct):
    result: list[_Result]
    was_cancelled: bool = False


class _Data(msgspec.Struct):
    image: str


class _Task(msgspec.Struct):
    data: _Data
    annotations: list[_Annotation]


def read(source: str, split: str | None, image_root: str | None, skip_invalid: bool) -> Dataset:
    """Read ``SPLIT.json`` files, or one."""
    problems: list[Problem] = []
    entries: dict[str, list[ImageEntry]] = {}
    for name, (path, images) in split_files(source, ".json", split, image_root).items():
        entries[name] = []
        for i, raw in enumerate(_raw_tasks(path)):
            place = Place(path, None, f"task [{i}]")
            try:
                task = msgspec.json.decode(raw, type=_Task)
            except _JSON_ERRORS as error:
                problems.append(place.problem(f"{error}: export the project anew, as JSON"))
                continue
            image = _image(place, task, images, problems)
            if image is not None:
                entries[name].append(image)
    return build_dataset(source, entries, None, problems, split=split, skip_invalid=skip_invalid)


def _raw_tasks(path: str) -> list[msgspec.Raw]:
    try:
        content = Path(path).read_bytes()
        return msgspec.json.decode(content, type=list[msgspec.Raw])
    except (OSError, *_JSON_ERRORS) as error:
        raise DatasetError(
            f"{path} can't be read as a list of tasks ({error}): export the project as JSON"
        ) from error


def _image(
    place: Place, task: _Task, image_root: str, problems: list[Problem]
) -> ImageEntry | None:
    finished = [annotation for annotation in task.annotations if not annotation.was_cancelled]
    if len(finished) != 1:
        text = f"has {len(finished)} annotations: leave one; it may be submitted without a box"
        problems.append(place.problem(text))
        return None
    results = finished[0].result
    counts, regions = {}, []
    for i, result in enumerate(results):
        where = place._replace(element=f"{place.element}, result [{i}]")
        if (result.type, result.from_name) == ("number", "count"):
            value = _decode(where, result.value, _Number, problems)
            counts[result.id] = value.number if value else None
        else:
            regions.append((where, result))
    size = next(((r.original_width, r.original_height) for _, r in regions), None)
    boxes = [
        box
        for where, result in regions
        if (box := _box(where, result, size, counts, problems)) is not None
    ]
    known = {result.id for _, result in regions}
    problems += [
        place.problem(f"a count belongs to the region {key!r}, which is not there: delete it")
        for key in counts.keys() - known
    ]
    name = _image_name(task.data.image)
    path = os.path.join(image_root, name)
    size = None if size is None or None in size else size
    return ImageEntry(place, path, name, size, boxes, relative=True)


def _box(
    place: Place,
    result: _Result,
    size: tuple[float | None, float | None],
    counts: dict[str, int | None],
    problems: list[Problem],
) -> BoxEntry | None:
    if result.type != "rectanglelabels":
        problems.append(place.problem(f"{result.type!r} is no rectangle with a label: delete it"))
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
    except _JSON_ERRORS as error:
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
