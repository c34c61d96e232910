"""The table of formats."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ...errors import InputError
from ..locount_txt import is_category_name
from . import coco, cvat, label_studio, locount, sku110k, voc, yolo
from .dataset import Dataset
from .limits import LOSSES, is_plain_name


class Format(NamedTuple):
    """How a format is read and written.

    Attributes:
        title: for messages.
        read: from a path, the split that is wanted or None for all, the folder of images for single
            files, and whether to skip what is invalid.
        write: the annotations of a dataset, into an empty folder.
        images: where in that folder the images of a split belong.
        holds: keys of ``LOSSES``.
        sign: a pattern of files below a folder that only this format has.
        is_category, is_split: whether it can hold a text as such a name.
        by_stem: an image and its annotation file have the same path but for the suffix.
    """

    title: str
    read: Callable[[str, str | None, str | None, bool], Dataset]
    write: Callable[[Dataset, Path], None]
    images: Callable[[str], str]
    holds: frozenset[str]
    sign: str | None = None
    is_category: Callable[[str], object] = is_plain_name
    is_split: Callable[[str], object] = re.compile(r"\w[\w.-]*").fullmatch
    by_stem: bool = False


_EVERYTHING = frozenset(LOSSES)

FORMATS = {
    "coco": Format(
        "COCO json", coco.read, coco.write, str, _EVERYTHING, is_category=lambda name: name.strip()
    ),
    "cvat": Format(
        "CVAT for images", cvat.read, cvat.write, str, _EVERYTHING - {"crowds"}, sign="*.xml"
    ),
    "label-studio": Format(
        "Label Studio json",
        label_studio.read,
        label_studio.write,
        str,
        _EVERYTHING - {"crowds", "category-list"},
    ),
    "locount": Format(
        "Locount txt",
        locount.read,
        locount.write,
        lambda split: f"Locount_Images{split.capitalize()}",
        _EVERYTHING - {"crowds", "fractions"},
        sign="Locount_Images*",
        is_category=lambda name: is_plain_name(name) and is_category_name(name),
        is_split=re.compile(r"\w+").fullmatch,
        by_stem=True,
    ),
    "sku110k": Format(
        "SKU-110K csv",
        sku110k.read,
        sku110k.write,
        lambda split: "images",
        frozenset(),
        sign="annotations/annotations_*.csv",
    ),
    "voc": Format(
        "Pascal VOC",
        voc.read,
        voc.write,
        lambda split: "JPEGImages",
        _EVERYTHING - {"crowds", "category-list"},
        sign="ImageSets/Main",
        by_stem=True,
    ),
    "yolo": Format(
        "YOLO txt",
        yolo.read,
        yolo.write,
        lambda split: f"images/{split}",
        _EVERYTHING - {"crowds"},
        sign="data.yaml",
        by_stem=True,
    ),
}


def guess_format(path: Path) -> str:
    """The only format that a path can be of.

    Raises:
        InputError: if there is none or there are several.
    """
    if path.is_file():
        names = {".xml": ["cvat"], ".json": ["coco", "label-studio"]}.get(path.suffix, [])
    else:
        names = [name for name, f in FORMATS.items() if f.sign and any(path.glob(f.sign))]
    if len(names) != 1:
        kinds = f"may be {' or '.join(names)}" if names else "shows no sign of its format"
        raise InputError(f"{path} {kinds}: say which with --from ({', '.join(FORMATS)})")
    return names[0]
