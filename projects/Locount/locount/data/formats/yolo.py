"""YOLO txt: ``class x y width height confidence count``, names and splits in ``data.yaml``."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import yaml

from ...errors import DatasetError, Problem
from ...texts import read_lines, read_yaml
from ..images import IMAGE_SUFFIXES
from .dataset import Dataset, corners
from .entries import Box, Entries, count_of, number, numbers_of, parse_number, parse_whole
from .folders import lines_of, scan
from .index_cache import file_stamp
from .table_place import Annotations, TablePlace

logger = logging.getLogger(__name__)

_LIST = "data.yaml"
_NAMES = "classes.txt"  # labelImg and Label Studio; labelImg puts it among the labels
_NAMES_PLACES = (_NAMES, f"labels/{_NAMES}")
_SPLITS = ("train", "val", "valid", "test")
_BOX = ("x", "y", "width", "height")
_COLUMNS = "class x y width height, then nothing or 1 and the count"
_CURE = (
    f"write {_LIST} with the lines `names: [tea, rice]` and, for each split, the folder of its "
    "images, `train: images/train`"
)


class Yolo(TablePlace):
    """The splits of ``data.yaml``, of CVAT's ``obj.data``, or what ``classes.txt`` lies by."""

    format = "yolo"
    relative = True
    lists_categories = True
    images_are = f"the folders that {_LIST} names"
    counts_are = "the seventh column has the counts"

    def find_splits(self) -> dict[str, list[str]]:
        """The folders of images, and lists of images, of each split."""
        path, content = _read_list(self.path, self.reading.split)
        self.names = _classes(path, content)
        return _splits(path, content)

    def read(self, split: str) -> Annotations:
        problems: list[Problem] = []
        places = self.splits[split]
        found: dict[str, str | None] = {}
        for place in places:
            find = _of_folder if os.path.isdir(place) else _of_list
            found |= find(place, problems)
        folders = [place for place in places if os.path.isdir(place)]
        folders += [os.path.dirname(i) for i in found] if len(folders) < len(places) else []
        root = os.path.commonpath(folders) if folders else ""

        texts = [*dict.fromkeys(filter(None, found.values()))]
        table, wrong = self.cached_table(
            split,
            map(file_stamp, texts),
            lambda: _read(texts, self.names).result(),
            "\0".join(self.names),
        )
        broken = {problem.path for problem in wrong if problem.line is None}
        found = {image: text for image, text in found.items() if text not in broken}
        names = [os.path.relpath(image, root).replace(os.sep, "/") for image in found]
        position: dict[str | None, int] = {text: i for i, text in enumerate(texts)}
        return Annotations(
            table.of_images([position.get(text) for text in found.values()], names),
            [text or image for image, text in found.items()],
            root,
            [*problems, *wrong],
            [file_stamp(image) for image in found],
        )


def has_files(source: Path) -> bool:
    """Whether a folder has one of the files that :func:`read` starts from."""
    return any((source / name).exists() for name in (_LIST, "obj.data", *_NAMES_PLACES))


def _read_list(source: str, split: str | None) -> tuple[str, dict]:
    """The file that says what there is, and its content in the form of ``data.yaml``."""
    path, darknet = (os.path.join(source, n) for n in (_LIST, "obj.data"))
    if os.path.exists(path):
        content = read_yaml(path)
        if not isinstance(content, dict):
            raise DatasetError(f"{path} is not a mapping: {_CURE}")
        return path, content
    if os.path.exists(darknet):
        pairs = (line.partition("=") for line in read_lines(darknet))
        content = {key.strip(): value.strip() for key, equals, value in pairs if equals}
        splits = {key: content[key] for key in _SPLITS if key in content}
        list_of_names, found = _find([source], content.get("names", "obj.names")), darknet
        if list_of_names is None:
            raise DatasetError(f"{darknet}: there is no file {content.get('names')!r}: {_CURE}")
    elif names := _find([source], _NAMES_PLACES[0]) or _find([source], _NAMES_PLACES[1]):
        images = "images" if os.path.isdir(os.path.join(source, "images")) else "."
        list_of_names, found = names, names
        splits = {"path": os.path.relpath(source, os.path.dirname(names)), split or "train": images}
    else:
        raise DatasetError(f"{source} contains neither {_LIST} nor obj.data nor {_NAMES}: {_CURE}")
    listed = [line.strip() for line in read_lines(list_of_names) if line.strip()]
    return found, {"names": listed, **splits}


def _classes(path: str, content: dict) -> list[str]:
    names = content.get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if (
        not isinstance(names, dict)
        or list(names) != list(range(len(names)))
        or not all(isinstance(name, str) and name.strip() for name in names.values())
    ):
        raise DatasetError(
            f"{path}: names is {str(names)[:300]}: write a list of texts, or texts numbered from 0 "
            "on; put categories that are numbers, yes or no in quotes, but not their numbers"
        )
    if content.get("nc", len(names)) != len(names):
        text = f"nc is {content['nc']!r}, but there are {len(names)} names: correct one of them"
        raise DatasetError(f"{path}: {text}")
    return [name.strip() for name in names.values()]


def _splits(path: str, content: dict) -> dict[str, list[str]]:
    source, base = os.path.dirname(path), content.get("path") or ""
    if not isinstance(base, str):
        raise DatasetError(f"{path}: path is {base!r}: write the folder of the dataset")
    # `path` is of the machine on which the file was written.
    bases = [os.path.join(source, base), source]
    splits, passed_over = {}, []
    for key, value in content.items():
        values = value if isinstance(value, list) else [value]
        if key in ("path", "names", "nc", "download") or value is None:
            continue
        found = [_find(bases, v) if isinstance(v, str) else None for v in values]
        if key not in _SPLITS and not _is_split(source, values, found):
            passed_over.append(str(key))
            continue
        for v, place in zip(values, found, strict=True):
            if place is None or not _holds_images(place):
                raise DatasetError(_not_there(path, bases, key, v))
        splits[str(key)] = [place for place in found if place is not None]
    if passed_over:
        logger.warning("%s: no split, and not read: %s", path, ", ".join(passed_over))
    if not splits:
        raise DatasetError(f"{path} names no split: {_CURE}")
    return splits


def _is_split(source: str, values: list, found: list[str | None]) -> bool:
    """Whether an entry with a name of its own is meant to be a split."""
    return bool(values) and all(
        isinstance(value, str)
        and ((place is not None and _holds_images(place)) or "images" in _parts(value))
        and not (place is not None and os.path.samefile(place, source))
        for value, place in zip(values, found, strict=True)
    )


def _parts(path: str) -> list[str]:
    return path.replace("\\", "/").split("/")


def _holds_images(place: str) -> bool:
    return os.path.isdir(place) or place.endswith(".txt")


def _find(bases: Sequence[str], value: str) -> str | None:
    """Where a path of a list leads.

    Roboflow writes ``../train/images`` for ``train/images``, CVAT ``data/obj_train_data/a.jpg``
    for ``obj_train_data/a.jpg``.
    """
    value = "/".join(_parts(value))
    tail = value
    while tail.startswith("../"):
        tail = tail[3:]
    for base in bases:
        for relative in (value, tail, tail.removeprefix("data/")):
            place = os.path.normpath(os.path.join(base, relative))
            if "\0" not in place and os.path.exists(place):
                return place
    return None


def _not_there(path: str, bases: Sequence[str], key: object, value: object) -> str:
    source = Path(path).parent
    there = sorted(
        str(folder.relative_to(source))
        for pattern in ("images", "*/images", "images/*")
        for folder in source.glob(pattern)
        if folder.is_dir()
    )
    looked = " or ".join(dict.fromkeys(os.path.normpath(base) for base in bases))
    hint = f" There are {', '.join(there[:10])}." if there else ""
    return (
        f"{path}: {key} is {value!r}, which is neither a folder of images nor a list of images "
        f"(txt) below {looked}.{hint} Correct it, or delete the entry"
    )


def _labels_of(path: str) -> str:
    """The folder or file of labels for one of images: ``labels`` for the last ``images``."""
    head, images, tail = f"{path}{os.sep}".rpartition(f"{os.sep}images{os.sep}")
    return os.path.join(f"{head}{os.sep}labels", tail).rstrip(os.sep) if images else path


def _of_folder(folder: str, problems: list[Problem]) -> dict[str, str | None]:
    """The images below a folder, each with its text if it has one."""
    labels = _labels_of(folder)
    images, found = scan(folder, IMAGE_SUFFIXES)
    _check_folder(labels, problems)
    texts, repeated = scan(labels, (".txt",)) if os.path.isdir(labels) else ({}, [])
    problems += [*found, *repeated]
    problems += [
        Problem(texts[key].path, None, f"has no image {key}: add it, or delete the file")
        for key in texts.keys() - images.keys()
        if os.path.basename(texts[key].path) != _NAMES
    ]
    return {stamp.path: texts[key].path if key in texts else None for key, stamp in images.items()}


def _of_list(path: str, problems: list[Problem]) -> dict[str, str | None]:
    """The images that a file names, one a line, from its own folder on."""
    folder, found, texts = os.path.dirname(path), {}, []
    for i, line in enumerate(lines_of(path, problems), 1):
        if not (name := line.strip()):
            continue
        image = _find([folder, os.path.dirname(folder)], name)
        inside = image is not None and not os.path.relpath(image, folder).startswith(os.pardir)
        if image is None or not inside or not os.path.isfile(image):
            text = f"{name!r} is not an image below {folder}: correct it, or delete the line"
            problems.append(Problem(path, i, text))
        elif image in found:
            problems.append(Problem(path, i, f"{name!r} is there already: delete the line"))
        else:
            text = f"{os.path.splitext(_labels_of(image))[0]}.txt"
            found[image] = text if os.path.exists(text) else None
            texts.append(text)
    if not any(found.values()):
        for labels in dict.fromkeys(map(os.path.dirname, texts)):
            _check_folder(labels, problems)
    return found


def _check_folder(labels: str, problems: list[Problem]) -> None:
    """Without it all shelves would be empty."""
    if not os.path.isdir(labels):
        text = (
            "is not there, so no image would have a box: correct the names of the folders "
            "(images/..., labels/...), or make it, empty if no image shows a product"
        )
        problems.append(Problem(labels, None, text))


def _read(texts: Sequence[str], classes: Sequence[str]) -> Entries:
    """The boxes of each text, as of an image without a name."""
    entries = Entries(classes)
    for path in texts:
        lines = enumerate(lines_of(path, entries.problems), 1)
        boxes = [
            entries.attempt(path, i, _box, i, line.split(), classes)
            for i, line in lines
            if line.strip()
        ]
        entries.add("", 0, None, boxes)
    return entries


def _box(line: int, fields: list[str], classes: Sequence[str]) -> Box:
    if len(fields) == 6 or (len(fields) == 7 and parse_number(fields[5]) != 1):
        kind = "a prediction, or a turned box or outline"
        raise ValueError(f"confidence is {fields[5]!r}: this is {kind}; write {_COLUMNS}")
    if len(fields) not in (5, 7):
        kind = ", as outlines, turned boxes and key points have" if len(fields) > 7 else ""
        raise ValueError(f"{len(fields)} columns{kind}: write {_COLUMNS}")
    category = parse_whole(fields[0])
    if category is None or not 0 <= category < len(classes):
        raise ValueError(f"class is {fields[0]!r}: write a number from 0 to {len(classes) - 1}")
    count = count_of(fields[6:7])
    x, y, width, height = numbers_of(dict(zip(_BOX, fields[1:5], strict=True)))
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return Box(line, box, classes[category], count)


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
