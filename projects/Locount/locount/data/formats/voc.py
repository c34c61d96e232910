"""Pascal VOC: one XML file an image, a ``count`` element in each object."""

from __future__ import annotations

import os
import posixpath
import re
from pathlib import Path

from lxml import etree

from ...errors import InputError
from ..errors import Problem
from .dataset import Dataset, corners
from .entries import BoxEntry, ImageEntry, Place, build_dataset
from .reading import count_or_problem, no_image_root, numbers_or_problem, read_xml
from .writing import number, xml_bytes

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
# Lines of lists such as cat_train.txt: whether the image shows a cat.
_CLASS_LINE = re.compile(r".+\s(-1|0|1)")


def read(source: str, split: str | None, image_root: str | None, skip_invalid: bool) -> Dataset:
    """Read the images that the lists in ``ImageSets/Main`` name."""
    no_image_root(image_root, f"{source}/JPEGImages")
    problems: list[Problem] = []
    lists = _lists(source, problems)
    if split is None:
        _check_overlap(lists, source)
    entries = {
        name: [e for stem in stems if (e := _image(source, stem, problems)) is not None]
        for name, stems in lists.items()
    }
    return build_dataset(source, entries, None, problems, split=split, skip_invalid=skip_invalid)


def _lists(source: str, problems: list[Problem]) -> dict[str, list[str]]:
    """The names of the images of each split, without suffix."""
    folder = os.path.join(source, "ImageSets", "Main")
    entries = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    lists = {}
    for entry in entries:
        name, suffix = os.path.splitext(entry)
        if suffix != ".txt":
            continue
        path = os.path.join(folder, entry)
        try:
            with open(path, encoding="utf-8-sig") as file:
                lines = [line.strip() for line in file if not line.isspace()]
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(path, None, f"can't be read ({error}): write it as UTF-8 text"))
            continue
        if not ("_" in name and lines and all(map(_CLASS_LINE.fullmatch, lines))):
            lists[name] = lines
    if not lists:
        raise InputError(
            f"{source} is not in the layout of Pascal VOC: it needs ImageSets/Main/train.txt with "
            "the name of each image without its suffix, Annotations and JPEGImages"
        )
    return lists


def _check_overlap(lists: dict[str, list[str]], source: str) -> None:
    first: dict[str, str] = {}
    for name, stems in lists.items():
        for stem in stems:
            if first.setdefault(stem, name) != name:
                raise InputError(
                    f"The lists {first[stem]} and {name} of {source} both name {stem!r}: "
                    "choose one of them with --split"
                )


def _image(source: str, stem: str, problems: list[Problem]) -> ImageEntry | None:
    path = os.path.join(source, "Annotations", f"{stem}.xml")
    root = read_xml(path, problems)
    if root is None:
        return None
    place = Place(path, root.sourceline)
    filename = (root.findtext("filename") or "").strip()
    if os.path.splitext(posixpath.basename(filename))[0] != posixpath.basename(stem):
        text = f"filename is {filename!r}: write the name of the image, {stem} with its suffix"
        problems.append(place.problem(text))
        return None
    size = numbers_or_problem(
        place, {key: root.findtext(f"size/{key}") for key in ("width", "height")}, problems
    )
    if size is None:
        return None
    boxes = [
        box
        for element in root.iterfind("object")
        if (box := _box(Place(path, element.sourceline, "object"), element, problems)) is not None
    ]
    name = posixpath.join(posixpath.dirname(stem), posixpath.basename(filename))
    return ImageEntry(place, os.path.join(source, "JPEGImages", name), name, tuple(size), boxes)


def _box(place: Place, element: etree._Element, problems: list[Problem]) -> BoxEntry | None:
    texts = {key: element.findtext(f"bndbox/{key}") for key in _CORNERS}
    box = numbers_or_problem(place, texts, problems)
    count, known = count_or_problem(place, element.findtext("count"), problems)
    if box is None or not known:
        return None
    return BoxEntry(place, tuple(box), (element.findtext("name") or "").strip(), count)


def write(dataset: Dataset, folder: Path) -> None:
    """Write ``Annotations`` and ``ImageSets/Main``."""
    lists = folder / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    for split_name, split in dataset.splits.items():
        stems = [os.path.splitext(name)[0] for name in split.names]
        text = "".join(f"{stem}\n" for stem in stems)
        (lists / f"{split_name}.txt").write_text(text, encoding="utf-8")
        for record, name, stem in zip(split.records, split.names, stems, strict=True):
            path = folder / "Annotations" / f"{stem}.xml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(xml_bytes(_annotation(record, name, dataset.classes)))


def _annotation(record: dict, name: str, classes: tuple[str, ...]) -> etree._Element:
    root = etree.Element("annotation")
    etree.SubElement(root, "folder").text = "JPEGImages"
    etree.SubElement(root, "filename").text = posixpath.basename(name)
    size = etree.SubElement(root, "size")
    for key, value in (("width", record["width"]), ("height", record["height"]), ("depth", 3)):
        etree.SubElement(size, key).text = str(value)
    etree.SubElement(root, "segmented").text = "0"
    for annotation in record["annotations"]:
        element = etree.SubElement(root, "object")
        etree.SubElement(element, "name").text = classes[annotation["category_id"]]
        etree.SubElement(element, "pose").text = "Unspecified"
        etree.SubElement(element, "truncated").text = "0"
        etree.SubElement(element, "difficult").text = "0"
        etree.SubElement(element, "count").text = str(annotation["count"])
        box = etree.SubElement(element, "bndbox")
        for key, value in zip(_CORNERS, corners(annotation), strict=True):
            etree.SubElement(box, key).text = number(value)
    return root
