"""Pascal VOC: one XML file an image, a ``count`` element in each object."""

from __future__ import annotations

import logging
import os
import posixpath
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lxml import etree

from ...errors import InputError, Problem, listing
from ...texts import read_lines
from ..images import IMAGE_SUFFIXES
from .dataset import Dataset, corners
from .entries import Box, Entries, count_of, is_number_attribute, number, numbers_of, parse_number
from .image_files import image_path
from .index_cache import file_stamp
from .table_place import Annotations, TablePlace
from .xml_files import add_texts, read_xml, root_tag, xml_bytes

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


class Voc(TablePlace):
    """The images that the lists in ``ImageSets/Main`` name; without lists, all XML files."""

    format = "voc"
    images_are = "JPEGImages, or beside the XML files"

    def find_splits(self) -> dict[str, _Part]:
        parts = _listed_parts(self.path) or _parts_without_lists(self.path, self.reading.split)
        if not parts:
            raise InputError(
                f"{self.path} is not in a layout of Pascal VOC: it needs ImageSets/Main/train.txt "
                "with the name of each image without its suffix, Annotations and JPEGImages; or a "
                "folder for each split, or one for all, with images and their XML files"
            )
        if self.reading.split is None:
            _check_overlap(parts, self.path)
        return parts

    def read(self, split: str) -> Annotations:
        part, count = self.splits[split], self.reading.count
        files, problems = [], []
        for stem in part.stems:
            try:
                files.append(image_path(part.annotations, f"{stem}.xml"))
            except ValueError as error:
                problems.append(Problem(part.annotations, None, f"{stem!r}: {error}"))
        stamps = [file_stamp(path) for path in files]
        table, found = self.cached_table(
            split, stamps, lambda: _read(files, part, count).result(), count
        )
        read = [i for i, name in enumerate(table.images.tolist()) if name]
        files = [files[i] for i in read]
        return Annotations(table.of_images(read), files, part.images, [*problems, *found])


def has_files(source: Path) -> bool:
    """Whether a folder has a layout of Pascal VOC."""
    if (source / "ImageSets" / "Main").is_dir():
        return True
    files = (next(source.glob(p), None) for p in ("Annotations/**/*.xml", "*.xml", "*/*.xml"))
    return any(file is not None and root_tag(file) == "annotation" for file in files)


def _listed_parts(source: str) -> dict[str, _Part]:
    folder = os.path.join(source, "ImageSets", "Main")
    entries = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    parts = {}
    for name, suffix in map(os.path.splitext, entries):
        if suffix != ".txt":
            continue
        path = os.path.join(folder, f"{name}{suffix}")
        lines = [stripped for line in read_lines(path) if (stripped := line.strip())]
        if not ("_" in name and lines and all(map(_CLASS_LINE.fullmatch, lines))):
            places = (os.path.join(source, part) for part in ("Annotations", "JPEGImages"))
            parts[name] = _Part(lines, *places)
    return parts


def _parts_without_lists(source: str, split: str | None) -> dict[str, _Part]:
    """As labelImg leaves them, one folder of images and XML files; and Roboflow, one a split."""
    root, only = Path(source), split or "train"
    if _files_below(root / "Annotations", (".xml",)):
        candidates = {only: (root / "Annotations", root / "JPEGImages")}
    elif any(root.glob("*.xml")):
        candidates = {only: (root, root)}
    else:
        folders = sorted({path.parent for path in root.glob("*/*.xml")})
        candidates = {folder.name: (folder, folder) for folder in folders}
    parts = {}
    for name, (texts, images) in candidates.items():
        stems = [path.removesuffix(".xml") for path in _files_below(texts, (".xml",))]
        files = {path: os.path.splitext(path)[0] for path in _files_below(images, IMAGE_SUFFIXES)}
        known, uses = set(stems), Counter(files.values())
        if without := [path for path, stem in files.items() if stem not in known]:
            text = "%d images in %s have no XML file and are not read:\n%s"
            logger.warning(text, len(without), images, listing(without))
        if alike := [path for path, stem in files.items() if stem in known and uses[stem] > 1]:
            text = "%d images in %s share an XML file; only the one that it names is read:\n%s"
            logger.warning(text, len(alike), images, listing(alike))
        parts[name] = _Part(stems, str(texts), str(images))
    return parts


def _files_below(folder: Path, suffixes: tuple[str, ...]) -> list[str]:
    """Paths of files in the folder, without those that macOS leaves in archives."""
    paths = (path.relative_to(folder) for path in folder.rglob("*"))
    return sorted(
        path.as_posix()
        for path in paths
        if path.name.lower().endswith(suffixes)
        and not any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
    )


def _check_overlap(parts: dict[str, _Part], source: str) -> None:
    first: dict[tuple[str, str], str] = {}
    for name, part in parts.items():
        for stem in part.stems:
            if first.setdefault((part.images, stem), name) != name:
                raise InputError(
                    f"The lists {first[part.images, stem]} and {name} of {source} both name "
                    f"{stem!r}: choose one of them with --split"
                )


def _read(files: Sequence[str], part: _Part, count: str) -> Entries:
    """Each file's image; without a name after a problem."""
    entries = Entries()
    for path in files:
        stem = os.path.splitext(os.path.relpath(path, part.annotations))[0].replace(os.sep, "/")
        root = read_xml(path, entries.problems)
        line = 0 if root is None else root.sourceline
        found = None if root is None else entries.attempt(path, line, _name_and_size, root, stem)
        name, size = found or ("", None)
        objects = root.iterfind("object") if root is not None and name else ()
        boxes = [entries.attempt(path, e.sourceline, _box, e, count) for e in objects]
        entries.add(name, line, size, boxes)
    return entries


def _name_and_size(root: etree._Element, stem: str) -> tuple[str, tuple[float, float]]:
    filename = (root.findtext("filename") or "").strip().replace("\\", "/")
    base = posixpath.basename(filename)
    if os.path.splitext(base)[0] != posixpath.basename(stem):
        text = f"filename is {filename!r}: write the name of the image, {stem} with its suffix"
        raise ValueError(text)
    _check_once(root, "filename", "size")
    width, height = numbers_of({key: root.findtext(f"size/{key}") for key in ("width", "height")})
    return posixpath.join(posixpath.dirname(stem), base), (width, height)


def _check_once(element: etree._Element, *tags: str) -> None:
    for tag in tags:
        if len(element.findall(tag)) > 1:
            raise ValueError(f"{tag} is there more than once: keep one")


def _box(element: etree._Element, count_name: str) -> Box:
    _check_once(element, "name", "bndbox")
    if element.find("bndbox") is None:
        found = [tag for tag in ("robndbox", "polygon", "mask") if element.find(tag) is not None]
        kind = f", only {found[0]}" if found else ""
        raise ValueError(f"the object has no bndbox{kind}: draw an upright box, or delete it")
    x1, y1, x2, y2 = numbers_of({key: element.findtext(f"bndbox/{key}") for key in _CORNERS})
    # CVAT writes attributes as <attributes><attribute><name>count</name><value>3</value>...
    texts = [
        ((a.findtext("name") or "").strip(), a.findtext("value") or "")
        for a in element.iterfind("attributes/attribute")
    ]
    texts += [(child.tag, child.text or "") for child in element if child.tag not in _ELEMENTS]
    if any(parse_number(text) for name, text in texts if name == "rotation"):
        raise ValueError("the box is rotated: draw an upright one in its place, or delete it")
    count = count_of([text for name, text in texts if name == count_name])
    category = (element.findtext("name") or "").strip()
    numbers = tuple(
        name for name, text in texts if name != count_name and is_number_attribute(name, text)
    )
    return Box(element.sourceline, (x1, y1, x2, y2), category, count, numbers)


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
    add_texts(root, folder="JPEGImages", filename=posixpath.basename(name))
    size = etree.SubElement(root, "size")
    add_texts(size, width=record["width"], height=record["height"], depth=3)
    add_texts(root, segmented=0)
    for annotation in record["annotations"]:
        element = etree.SubElement(root, "object")
        add_texts(element, name=classes[annotation["category_id"]], pose="Unspecified")
        add_texts(element, truncated=0, difficult=0, count=annotation["count"])
        box = zip(_CORNERS, map(number, corners(annotation)), strict=True)
        add_texts(etree.SubElement(element, "bndbox"), **dict(box))
    return root
