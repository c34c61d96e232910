"""YOLO txt: ``class x y width height confidence count``, names and splits in ``data.yaml``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import yaml

from ..errors import DatasetError, Problem
from ..images import IMAGE_SUFFIXES
from ..locount_layout import scan
from .dataset import Dataset, corners
from .entries import BoxEntry, ImageEntry, Place, build_dataset
from .reading import no_image_root, numbers_or_problem, parse_integer, parse_number
from .writing import number

_LIST = "data.yaml"
_BOX = ("x", "y", "width", "height")
_COLUMNS = "class x y width height, then nothing or 1 and the count"


def read(source: str, split: str | None, image_root: str | None, skip_invalid: bool) -> Dataset:
    """Read ``images/SPLIT`` and ``labels/SPLIT``, or where else ``data.yaml`` says."""
    no_image_root(image_root, f"the folders that {_LIST} names")
    path = os.path.join(source, _LIST)
    content = _read_list(path)
    classes = _classes(path, content)
    problems: list[Problem] = []
    entries = {
        name: _images(path, folder, classes, problems)
        for name, folder in _folders(path, content).items()
    }
    return build_dataset(source, entries, classes, problems, split=split, skip_invalid=skip_invalid)


def _read_list(path: str) -> dict:
    try:
        content = yaml.safe_load(Path(path).read_bytes())
    except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise DatasetError(f"{path} can't be read: {error}") from error
    if not isinstance(content, dict):
        raise DatasetError(f"{path} is no mapping: write names, and the folder of each split")
    return content


def _classes(path: str, content: dict) -> list[str]:
    names = content.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if (
        not isinstance(names, dict)
        or list(names) != list(range(len(names)))
        or not all(isinstance(name, str) and name.strip() for name in names.values())
    ):
        raise DatasetError(f"{path}: names is {names!r}: write the categories as texts, from 0 on")
    return [name.strip() for name in names.values()]


def _folders(path: str, content: dict) -> dict[str, str]:
    """The folder of the images of each split."""
    base = content.get("path", "")
    splits = {
        key: value
        for key, value in content.items()
        if isinstance(key, str) and isinstance(value, str) and key not in ("path", "download")
    }
    if not isinstance(base, str) or not splits:
        raise DatasetError(
            f"{path} names no split: write the folder of its images, train: images/train"
        )
    root = os.path.join(os.path.dirname(path), base)
    folders = {name: os.path.normpath(os.path.join(root, value)) for name, value in splits.items()}
    for name, folder in folders.items():
        if not os.path.isdir(folder) or "images" not in folder.split(os.sep):
            raise DatasetError(
                f"{path}: {name} is {splits[name]!r}, but {folder} is no folder in a folder named "
                "images: correct it, or delete the entry"
            )
    return folders


def _images(
    path: str, folder: str, classes: Sequence[str], problems: list[Problem]
) -> list[ImageEntry]:
    head, _, tail = f"{folder}{os.sep}".rpartition(f"{os.sep}images{os.sep}")
    labels = os.path.join(f"{head}{os.sep}labels", tail)
    images, found = scan(folder, IMAGE_SUFFIXES)
    texts, repeated = scan(labels, (".txt",)) if os.path.isdir(labels) else ({}, [])
    problems += [*found, *repeated]
    problems += [
        Problem(texts[key].path, None, f"has no image {key}: add it, or delete the file")
        for key in texts.keys() - images.keys()
    ]
    entries = []
    for key, stamp in images.items():
        name = os.path.relpath(stamp.path, folder).replace(os.sep, "/")
        text = texts[key].path if key in texts else None
        boxes = _boxes(text, classes, problems) if text else []
        entries.append(ImageEntry(Place(text or stamp.path), stamp.path, name, None, boxes, True))
    return entries


def _boxes(path: str, classes: Sequence[str], problems: list[Problem]) -> list[BoxEntry]:
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = list(file)
    except (OSError, UnicodeDecodeError) as error:
        problems.append(Problem(path, None, f"can't be read ({error}): write it as UTF-8 text"))
        return []
    boxes = [
        _box(Place(path, i), line.split(), classes, problems)
        for i, line in enumerate(lines, 1)
        if not line.isspace()
    ]
    return [box for box in boxes if box is not None]


def _box(
    place: Place, fields: list[str], classes: Sequence[str], problems: list[Problem]
) -> BoxEntry | None:
    if len(fields) == 6 or (len(fields) == 7 and parse_number(fields[5]) != 1):
        text = f"confidence is {fields[5]!r}: this is a prediction; write {_COLUMNS}"
    elif len(fields) not in (5, 7):
        text = f"{len(fields)} columns: write {_COLUMNS}"
    elif (category := parse_integer(fields[0])) is None or not 0 <= category < len(classes):
        text = f"class is {fields[0]!r}: write a number from 0 to {len(classes) - 1}"
    elif len(fields) == 7 and parse_integer(fields[6]) is None:
        text = f"the count is {fields[6]!r}: write a whole number from 1 on"
    else:
        values = numbers_or_problem(place, dict(zip(_BOX, fields[1:5], strict=True)), problems)
        if values is None:
            return None
        x, y, width, height = values
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        count = parse_integer(fields[6]) if len(fields) == 7 else None
        return BoxEntry(place, box, classes[category], count)
    problems.append(place.problem(text))
    return None


def write(dataset: Dataset, folder: Path) -> None:
    """Write ``data.yaml`` and ``labels/SPLIT``; with five columns if every box is one item."""
    with_counts = any(annotation["count"] > 1 for _, annotation in dataset.annotations())
    for split_name, split in dataset.splits.items():
        for record, name in zip(split.records, split.names, strict=True):
            path = (folder / "labels" / split_name / name).with_suffix(".txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = [_line(a, record, with_counts) for a in record["annotations"]]
            path.write_text("".join(lines), encoding="utf-8")
    content = {
        **{split: f"images/{split}" for split in dataset.splits},
        "names": dict(enumerate(dataset.classes)),
    }
    text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False)
    (folder / _LIST).write_text(text, encoding="utf-8")


def _line(annotation: dict, record: dict, with_counts: bool) -> str:
    x1, y1, x2, y2 = corners(annotation)
    width, height = record["width"], record["height"]
    box = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
    fields = [annotation["category_id"], *(number(round(value, 12)) for value in box)]
    if with_counts:
        fields += [1, annotation["count"]]
    return f"{' '.join(map(str, fields))}\n"
