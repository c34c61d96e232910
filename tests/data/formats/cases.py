"""Datasets to convert, and what must survive."""

import json
import os
from pathlib import Path

from detectron2.structures import BoxMode
from hypothesis import strategies as st
from PIL import Image

from locount.data.formats import FORMATS, Dataset, Reading, Split
from locount.data.formats.convert import read as read_sources
from locount.data.formats.dataset import corners

WIDTH, HEIGHT = 100, 80

# The one box of the texts below, as content() gives it.
BOX = [([40, 20, 60, 60], "rice", 1)]
VOC = """<annotation><filename>a.jpg</filename><size><width>100</width><height>80</height></size>
<object><name>rice</name>{}<bndbox><xmin>40</xmin><ymin>20</ymin><xmax>60</xmax><ymax>60</ymax>
</bndbox></object></annotation>"""
CVAT = """<annotations><meta><task><labels><label><name>rice</name></label></labels></task></meta>
<image name="a.jpg" width="100" height="80"><tag label="blurred"/>
<box label="rice" xtl="40" ytl="20" xbr="60" ybr="60">{}</box></image></annotations>"""


def record(*boxes):
    """A record of an image of 100 x 80 pixels with boxes (corners, class, count)."""
    return {
        "height": HEIGHT,
        "width": WIDTH,
        "annotations": [
            {"bbox": list(box), "bbox_mode": BoxMode.XYXY_ABS, "category_id": c, "count": n}
            for box, c, n in boxes
        ],
    }


def write(dataset, key, folder):
    """Write a dataset with images of one color, as a format's files; returns the folder."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    FORMATS[key].write(dataset, folder)
    for split_name, split in dataset.splits.items():
        for name in split.names:
            path = folder / FORMATS[key].images(split_name) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (WIDTH, HEIGHT)).save(path)
    return folder


def read(key, folder, split=None, skip_invalid=False, **options):
    place = FORMATS[key].open(os.fspath(folder), Reading(split, **options))
    splits = place.splits if split is None else [split]
    return read_sources({name: place.source(name) for name in splits}, skip_invalid)


def content(dataset):
    """Boxes to a millionth of a pixel, category names and counts, by split and image."""
    return {
        (split_name, name): [
            (
                [round(value, 6) for value in corners(annotation)],
                dataset.classes[annotation["category_id"]],
                annotation["count"],
            )
            for annotation in record["annotations"]
        ]
        for split_name, split in dataset.splits.items()
        for record, name in zip(split.records, split.names, strict=True)
    }


VISIBLE = st.characters(categories=("L", "N", "P", "S"), exclude_characters=",")
CATEGORIES = st.text(VISIBLE | st.just(" "), min_size=1, max_size=8).filter(
    lambda text: text == text.strip()
)
# What file systems and the layouts leave free.
PARTS = st.text(VISIBLE, min_size=1, max_size=4).filter(lambda text: not set(text) & set("./\\_"))
NAMES = st.lists(PARTS, min_size=1, max_size=2).map(lambda parts: f"{'/'.join(parts)}.jpg")


def boxes(numbers):
    """Corners in the image, at least one pixel apart."""
    return st.tuples(
        numbers(0, WIDTH - 1), numbers(0, HEIGHT - 1), numbers(1, WIDTH), numbers(1, HEIGHT)
    ).map(lambda b: [b[0], b[1], max(b[0] + 1, b[2]), max(b[1] + 1, b[3])])


@st.composite
def datasets(draw, numbers):
    """Up to two splits of up to three images, with and without boxes, of odd but legal names."""
    classes = draw(st.lists(CATEGORIES, min_size=1, max_size=3, unique=True))
    counts = st.integers(1, 60) | st.just(999_999_999)
    box = st.tuples(boxes(numbers), st.integers(0, len(classes) - 1), counts)
    splits = {}
    for split in draw(st.sampled_from([["train"], ["test", "train"]])):
        names = draw(st.lists(NAMES, min_size=1, max_size=3, unique_by=str.lower))
        records = [record(*draw(st.lists(box, max_size=3))) for _ in names]
        splits[split] = Split(records, names)
    return Dataset(tuple(classes), splits)


def coco(annotation, name="a.jpg"):
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": name, "width": 100, "height": 80}],
            "categories": [{"id": 1, "name": "rice"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "bbox": [40, 20, 20, 40], **annotation}
            ],
        }
    )
