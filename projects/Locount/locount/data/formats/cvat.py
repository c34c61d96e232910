"""CVAT for images 1.1: one XML file a split, the count as an attribute of each box."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

from lxml import etree

from ..counts import is_number_attribute
from ..errors import DatasetError, Problem
from .dataset import Dataset, Reading, corners
from .entries import BoxEntry, ImageEntry, Place, build_dataset, image_entry
from .reading import (
    count_or_problem,
    numbers_or_problem,
    parse_number,
    read_xml,
    same_classes,
    split_files,
)
from .writing import number, xml_bytes

logger = logging.getLogger(__name__)


def read(source: str, reading: Reading) -> Dataset:
    """Read ``SPLIT.xml`` files, or one."""
    files = split_files(source, ".xml", reading)
    problems: list[Problem] = []
    entries, classes = {}, {}
    for name, (path, images) in files.items():
        root = read_xml(path, problems)
        if root is None:
            continue
        if root.tag != "annotations" or root.find("track") is not None:
            text = "is no file of CVAT for images: export the task as 'CVAT for images 1.1'"
            if root.tag == "annotation":
                text = "is a file of Pascal VOC: give its folder, --from voc"
            problems.append(Problem(path, root.sourceline, text))
            continue
        _list_passed_over(path, root)
        labels = root.findall("meta/*/labels/label/name")
        classes[name] = tuple((label.text or "").strip() for label in labels)
        entries[name] = [
            entry
            for element in root.iterfind("image")
            if (entry := _image(path, element, images, reading.count, problems)) is not None
        ]
    if not entries:
        raise DatasetError(f"{source} can't be read:", problems)
    listed = same_classes(classes)
    return build_dataset(source, entries, listed, problems, reading)


def _list_passed_over(path: str, root: etree._Element) -> None:
    """A warning of what the file says and a dataset can't hold."""
    subsets = Counter(filter(None, (image.get("subset") for image in root.iterfind("image"))))
    if len(subsets) > 1:
        texts = ", ".join(f"{name!r} ({number})" for name, number in subsets.items())
        logger.warning("%s has images of the subsets %s, which become one split", path, texts)
    if tags := root.findall("image/tag"):
        logger.warning("%s has %d tags of whole images, which are not read", path, len(tags))


def _image(
    path: str, element: etree._Element, image_root: str, count: str, problems: list[Problem]
) -> ImageEntry | None:
    name = element.get("name", "").strip()
    place = Place(path, element.sourceline, f"image {name!r}")
    size = numbers_or_problem(place, {k: element.get(k) for k in ("width", "height")}, problems)
    if size is None:
        return None
    boxes = [
        box
        for shape in element
        if shape.tag != "tag" and (box := _box(path, name, shape, count, problems)) is not None
    ]
    return image_entry(place, image_root, name, tuple(size), boxes, problems)


def _box(
    path: str, image: str, shape: etree._Element, count_name: str, problems: list[Problem]
) -> BoxEntry | None:
    place = Place(path, shape.sourceline, f"image {image!r}, {shape.tag}")
    if shape.tag != "box" or parse_number(shape.get("rotation", "0")) != 0:
        problems.append(place.problem("is no upright box: draw one in its place, or delete it"))
        return None
    box = numbers_or_problem(
        place, {k: shape.get(k) for k in ("xtl", "ytl", "xbr", "ybr")}, problems
    )
    texts = {a.get("name", ""): a.text or "" for a in shape.iterfind("attribute")}
    count, known = count_or_problem(place, texts.pop(count_name, None), problems)
    if box is None or not known:
        return None
    numbers = tuple(name for name, text in texts.items() if is_number_attribute(name, text))
    return BoxEntry(place, tuple(box), shape.get("label", "").strip(), count, numbers)


def write(dataset: Dataset, folder: Path) -> None:
    """Write ``SPLIT.xml`` files."""
    for name, split in dataset.splits.items():
        root = etree.Element("annotations")
        etree.SubElement(root, "version").text = "1.1"
        task = etree.SubElement(etree.SubElement(root, "meta"), "task")
        etree.SubElement(task, "name").text = name
        etree.SubElement(task, "size").text = str(len(split.records))
        etree.SubElement(task, "mode").text = "annotation"
        labels = etree.SubElement(task, "labels")
        for category in dataset.classes:
            _write_label(labels, category)
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
        (folder / f"{name}.xml").write_bytes(xml_bytes(root))


def _write_label(labels: etree._Element, category: str) -> None:
    label = etree.SubElement(labels, "label")
    etree.SubElement(label, "name").text = category
    attribute = etree.SubElement(etree.SubElement(label, "attributes"), "attribute")
    fields = {
        "name": "count",
        "mutable": "False",
        "input_type": "number",
        "default_value": "1",
        "values": "1\n100000\n1",  # least, most, step
    }
    for key, text in fields.items():
        etree.SubElement(attribute, key).text = text
