"""The table of formats."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ...errors import InputError
from ..locount_txt import is_category_name
from . import coco, cvat, label_studio, locount, sku110k, voc, yolo
from .dataset import Dataset, Reading
from .limits import LOSSES, is_plain_name
from .reading import root_tag


class Format(NamedTuple):
    """How a format is read and written.

    Attributes:
        title: for messages.
        read: from a path, as a :class:`Reading` says.
        write: the annotations of a dataset, into an empty folder.
        images: where in that folder the images of a split belong.
        holds: keys of ``LOSSES``.
        sign: whether a folder has what only this format has.
        is_category, is_split: whether it can hold a text as such a name.
        by_stem: an image and its annotation file have the same path but for the suffix.
    """

    title: str
    read: Callable[[str, Reading], Dataset]
    write: Callable[[Dataset, Path], None]
    images: Callable[[str], str]
    holds: frozenset[str]
    sign: Callable[[Path], bool] = lambda folder: False
    is_category: Callable[[str], object] = is_plain_name
    is_split: Callable[[str], object] = re.compile(r"\w[\w.-]*").fullmatch
    by_stem: bool = False


def _holds(pattern: str) -> Callable[[Path], bool]:
    return lambda folder: any(folder.glob(pattern))


def _is_cvat(folder: Path) -> bool:
    return any(root_tag(path) != "annotation" for path in sorted(folder.glob("*.xml"))[:1])


_EVERYTHING = frozenset(LOSSES)

FORMATS = {
    "coco": Format(
        "COCO json", coco.read, coco.write, str, _EVERYTHING, is_category=lambda name: name.strip()
    ),
    "cvat": Format(
        "CVAT for images", cvat.read, cvat.write, str, _EVERYTHING - {"crowds"}, sign=_is_cvat
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
        sign=_holds("Locount_Images*"),
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
        sign=_holds("annotations/annotations_*.csv"),
    ),
    "voc": Format(
        "Pascal VOC",
        voc.read,
        voc.write,
        lambda split: "JPEGImages",
        _EVERYTHING - {"crowds", "category-list"},
        sign=voc.has_files,
        by_stem=True,
    ),
    "yolo": Format(
        "YOLO txt",
        yolo.read,
        yolo.write,
        lambda split: f"images/{split}",
        _EVERYTHING - {"crowds"},
        sign=yolo.has_files,
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
        names = [name for name, f in FORMATS.items() if f.sign(path)]
    if len(names) != 1:
        kinds = f"may be {' or '.join(names)}" if names else "shows no sign of its format"
        raise InputError(f"{path} {kinds}: say which with --from ({', '.join(FORMATS)})")
    return names[0]
