"""Pascal VOC: one XML file an image, a ``count`` element in each object."""

from __future__ import annotations

import logging
import os
import posixpath
import re
from pathlib import Path
from typing import NamedTuple

from lxml import etree

from ...errors import InputError, listing
from ...texts import TextError, read_lines
from ..counts import is_number_attribute
from ..errors import DatasetError, Problem
from ..image_paths import image_path
from ..images import IMAGE_SUFFIXES
from .dataset import Dataset, Reading, corners
from .entries import BoxEntry, ImageEntry, Place, build_dataset, image_entry
from .reading import count_or_problem, numbers_or_problem, read_xml, root_tag
from .writing import number, xml_bytes

logger = logging.getLogger(__name__)

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
# What the challenge and its successors have in an object.
_ELEMENTS = frozenset(
    [
        *("name", "bndbox", "pose", "truncated", "difficult", "occluded", "part", "actions"),
        *("polygon", "mask", "attributes"),
    ]
)
# Lines of lists such as cat_train.txt: whether the image shows a cat.
_CLASS_LINE = re.compile(r".+\s(-1|0|1)")


class _Part(NamedTuple):
    """The images of a split: their names without suffix, below two folders."""

    stems: list[str]
    annotations: str
    images: str


def read(source: str, reading: Reading) -> Dataset:
    """Read the images that the lists in ``ImageSets/Main`` name; without lists, all XML files."""
    reading.fixed(f"{source}/JPEGImages, or beside the XML files")
    problems: list[Problem] = []
    parts = _listed_parts(source, problems)
    if problems and not parts:
        raise DatasetError(f"The lists of {source} can't be read:", problems)
    parts = parts or _parts_without_lists(source, reading.split)
    if not parts:
        raise InputError(
            f"{source} is not in a layout of Pascal VOC: it needs ImageSets/Main/train.txt with "
            "the name of each image without its suffix, Annotations and JPEGImages; or a folder "
            "for each split, or one for all, with images and their XML files"
        )
    if reading.split is None:
        _check_overlap(parts, source)
    entries = {
        name: [e for stem in p.stems if (e := _image(p, stem, reading.count, problems)) is not None]
        for name, p in parts.items()
    }
    return build_dataset(source, entries, None, problems, reading)


def has_files(source: Path) -> bool:
    """Whether a folder has a layout of Pascal VOC."""
    if (source / "ImageSets" / "Main").is_dir():
        return True
    files = (next(source.glob(p), None) for p in ("Annotations/*.xml", "*.xml", "*/*.xml"))
    return any(file is not None and root_tag(file) == "annotation" for file in files)


def _listed_parts(source: str, problems: list[Problem]) -> dict[str, _Part]:
    folder = os.path.join(source, "ImageSets", "Main")
    entries = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    parts = {}
    for entry in entries:
        name, suffix = os.path.splitext(entry)
        if suffix != ".txt":
            continue
        path = os.path.join(folder, entry)
        try:
            lines = [stripped for line in read_lines(path) if (stripped := line.strip())]
        except TextError as error:
            problems.append(Problem(path, None, error.reason))
            continue
        if not ("_" in name and lines and all(map(_CLASS_LINE.fullmatch, lines))):
            places = (os.path.join(source, part) for part in ("Annotations", "JPEGImages"))
            parts[name] = _Part(lines, *places)
    return parts


def _parts_without_lists(source: str, split: str | None) -> dict[str, _Part]:
    """As labelImg leaves them, one folder of images and XML files; and Roboflow, one a split."""
    root, only = Path(source), split or "train"
    if any((root / "Annotations").glob("*.xml")):
        candidates = {only: (root / "Annotations", root / "JPEGImages")}
    elif any(root.glob("*.xml")):
        candidates = {only: (root, root)}
    else:
        folders = sorted(path.parent for path in root.glob("*/*.xml"))
        candidates = {folder.name: (folder, folder) for folder in dict.fromkeys(folders)}
    parts = {}
    for name, (texts, images) in candidates.items():
        stems = sorted(path.stem for path in texts.glob("*.xml"))
        files = [path for path in images.glob("*") if path.name.lower().endswith(IMAGE_SUFFIXES)]
        without = sorted(path.name for path in files if path.stem not in set(stems))
        if without:
            text = "%d images in %s have no XML file and are not read:\n%s"
            logger.warning(text, len(without), images, listing(without))
        parts[name] = _Part(stems, str(texts), str(images))
    return parts


def _check_overlap(parts: dict[str, _Part], source: str) -> None:
    first: dict[tuple[str, str], str] = {}
    for name, part in parts.items():
        for stem in part.stems:
            if first.setdefault((part.images, stem), name) != name:
                raise InputError(
                    f"The lists {first[part.images, stem]} and {name} of {source} both name "
                    f"{stem!r}: choose one of them with --split"
                )


def _image(part: _Part, stem: str, count: str, problems: list[Problem]) -> ImageEntry | None:
    try:
        path = image_path(part.annotations, f"{stem}.xml")
    except ValueError as error:
        problems.append(Problem(part.annotations, None, f"{stem!r}: {error}"))
        return None
    root = read_xml(path, problems)
    if root is None:
        return None
    place = Place(path, root.sourceline)
    filename = (root.findtext("filename") or "").strip().replace("\\", "/")
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
        if (box := _box(Place(path, element.sourceline, "object"), element, count, problems))
        is not None
    ]
    name = posixpath.join(posixpath.dirname(stem), posixpath.basename(filename))
    return image_entry(place, part.images, name, tuple(size), boxes, problems)


def _box(
    place: Place, element: etree._Element, count_name: str, problems: list[Problem]
) -> BoxEntry | None:
    texts = {key: element.findtext(f"bndbox/{key}") for key in _CORNERS}
    box = numbers_or_problem(place, texts, problems)
    # CVAT writes attributes as <attributes><attribute><name>count</name><value>3</value>...
    attributes = {
        (a.findtext("name") or "").strip(): a.findtext("value") or ""
        for a in element.iterfind("attributes/attribute")
    }
    attributes |= {child.tag: child.text or "" for child in element if child.tag not in _ELEMENTS}
    count, known = count_or_problem(place, attributes.pop(count_name, None), problems)
    if box is None or not known:
        return None
    category = (element.findtext("name") or "").strip()
    numbers = tuple(name for name, text in attributes.items() if is_number_attribute(name, text))
    return BoxEntry(place, tuple(box), category, count, numbers)


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
