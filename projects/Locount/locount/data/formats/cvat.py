"""CVAT for images 1.1: one XML file a split, the count as an attribute of each box."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from lxml import etree

from ...errors import Problem
from .dataset import Dataset, corners
from .entries import Box, Entries, count_of, is_number_attribute, number, numbers_of, parse_number
from .folders import split_files
from .index_cache import file_stamp
from .table_place import Annotations, TablePlace
from .xml_files import add_texts, read_xml, xml_bytes

logger = logging.getLogger(__name__)


class Cvat(TablePlace):
    """``SPLIT.xml`` files, or one."""

    format = "cvat"
    lists_categories = True

    def find_splits(self) -> dict[str, tuple[str, str]]:
        return split_files(self.path, ".xml", self.reading)

    def read(self, split: str) -> Annotations:
        path, images = self.splits[split]
        count = self.reading.count
        table, problems = self.cached_table(
            split, [file_stamp(path)], lambda: _read(path, count, images).result(), count
        )
        return Annotations(table, [path] * len(table.images), images, problems)


def _read(path: str, count: str, images: str) -> Entries:
    entries = Entries()
    root = read_xml(path, entries.problems)
    if root is None:
        return entries
    if root.tag != "annotations" or root.find("track") is not None:
        text = "is not a file of CVAT for images: export the task as 'CVAT for images 1.1'"
        if root.tag == "annotation":
            text = "is a file of Pascal VOC: give its folder, --from voc"
        entries.problems.append(Problem(path, root.sourceline, text))
        return entries
    labels = root.findall("meta/*/labels/label/name")
    entries = Entries([(label.text or "").strip() for label in labels])
    # Where the photos of subsets are may change without this file.
    entries.complete = not _list_passed_over(path, root) and root.find("image[@subset]") is None
    for element in root.iterfind("image"):
        line, keys = element.sourceline, ("width", "height")
        size = entries.attempt(path, line, numbers_of, {key: element.get(key) for key in keys})
        boxes = [
            entries.attempt(path, shape.sourceline, _box, shape, count, entries.names)
            for shape in element
            if shape.tag != "tag"
        ]
        if size is not None:
            width, height = size
            entries.add(_image_name(element, images), line, (width, height), boxes)
    return entries


def _image_name(element: etree._Element, images: str) -> str:
    """Below the folder of images, where the export of a project has a folder for each subset."""
    name = element.get("name", "").strip()
    inner = f"{element.get('subset', '')}/{name}"
    is_inner, is_here = (os.path.isfile(os.path.join(images, n)) for n in (inner, name))
    return inner if is_inner and not is_here and "subset" in element.attrib else name


def _list_passed_over(path: str, root: etree._Element) -> bool:
    """A warning of what the file says and a dataset can't hold; False if there is none."""
    subsets = Counter(filter(None, (image.get("subset") for image in root.iterfind("image"))))
    if len(subsets) > 1:
        texts = ", ".join(f"{name!r} ({number})" for name, number in subsets.items())
        logger.warning("%s has images of the subsets %s, which become one split", path, texts)
    if tags := root.findall("image/tag"):
        logger.warning("%s has %d tags of whole images, which are not read", path, len(tags))
    return bool(len(subsets) > 1 or tags)


def _box(shape: etree._Element, count_name: str, labels: Sequence[str]) -> Box:
    if shape.tag != "box" or parse_number(shape.get("rotation", "0")) != 0:
        raise ValueError(f"{shape.tag} is not an upright box: draw one in its place, or delete it")
    x1, y1, x2, y2 = numbers_of({key: shape.get(key) for key in ("xtl", "ytl", "xbr", "ybr")})
    texts = [(a.get("name", ""), a.text or "") for a in shape.iterfind("attribute")]
    count = count_of([text for name, text in texts if name == count_name])
    label = shape.get("label", "").strip()
    if label not in labels:
        raise ValueError(f"the category {label!r} is not in the list of labels: correct or add it")
    numbers = tuple(
        name for name, text in texts if name != count_name and is_number_attribute(name, text)
    )
    return Box(shape.sourceline, (x1, y1, x2, y2), label, count, numbers)


def write(dataset: Dataset, folder: Path) -> None:
    """Write ``SPLIT.xml`` files."""
    for name, split in dataset.splits.items():
        root = etree.Element("annotations")
        add_texts(root, version="1.1")
        task = etree.SubElement(etree.SubElement(root, "meta"), "task")
        add_texts(task, name=name, size=len(split.records), mode="annotation")
        labels = etree.SubElement(task, "labels")
        scored = any(record.get("predicted") for record in split.records)
        for category in dataset.classes:
            _write_label(labels, category, scored)
        for i, (record, image) in enumerate(zip(split.records, split.names, strict=True)):
            size = {"width": str(record["width"]), "height": str(record["height"])}
            element = etree.SubElement(root, "image", id=str(i), name=image, **size)
            for annotation in record["annotations"]:
                keys = ("xtl", "ytl", "xbr", "ybr")
                box = dict(zip(keys, map(number, corners(annotation)), strict=True))
                label = dataset.classes[annotation["category_id"]]
                shape = etree.SubElement(
                    element, "box", label=label, occluded="0", **box, z_order="0"
                )
                etree.SubElement(shape, "attribute", name="count").text = str(annotation["count"])
                if "score" in annotation:
                    shape.set("source", "auto")
                    text = f"{annotation['score']:.3f}"
                    etree.SubElement(shape, "attribute", name="score").text = text
        (folder / f"{name}.xml").write_bytes(xml_bytes(root))


# What CVAT asks of each attribute; the values of a number are its least, its most and its step.
_KEYS = ("name", "mutable", "input_type", "default_value", "values")
_COUNT = ("count", "False", "number", "1", "1\n100000\n1")
_SCORE = ("score", "False", "text", "", "")


def _write_label(labels: etree._Element, category: str, scored: bool) -> None:
    label = etree.SubElement(labels, "label")
    add_texts(label, name=category)
    attributes = etree.SubElement(label, "attributes")
    for texts in (_COUNT, _SCORE)[: 1 + scored]:
        attribute = etree.SubElement(attributes, "attribute")
        add_texts(attribute, **dict(zip(_KEYS, texts, strict=True)))
