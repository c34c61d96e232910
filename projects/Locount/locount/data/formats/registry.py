"""The table of formats, which ``locount convert`` and dataset names share; and from such a name,
``PREFIX:PLACE:PART?OPTIONS``, to its data."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from ...coco import PREDICTIONS
from ...errors import InputError
from ...shelf.render import STYLES
from ...shelf.rules import RULES
from ..mending import Changes
from ..names import DatasetName, Option, flag, one_of, positive, share
from ..selection import OPTIONS, select
from . import coco, cvat, label_studio, predictions, voc, yolo
from .base import Place, Reading, Source
from .dataset import Dataset
from .limits import LOSSES, is_plain_name
from .locount import source as locount
from .locount.categories import is_category_name
from .rendered import RenderedShelves
from .sku110k import source as sku110k
from .xml_files import root_tag

_MEND = {"mend": Option("mend", flag)}
_MEND_AND_COUNT = {**_MEND, "count": Option("count=NAME", str)}


class Format(NamedTuple):
    """How a format is read and written.

    Attributes:
        title: for messages.
        open: a place in this format.
        write: the annotations of a dataset, into an empty folder.
        images: where in that folder the images of a split belong.
        holds: keys of ``LOSSES``.
        options: of its dataset names.
        suffix: of its files, where each holds a split; such a file can be read by itself.
        sign: whether a folder has what only this format has.
        is_category, is_split: whether it can hold a text as such a name.
        by_stem: an image and its annotation file have the same path but for the suffix.
    """

    title: str
    open: Callable[[str, Reading], Place]
    write: Callable[[Dataset, Path], None]
    images: Callable[[str], str]
    holds: frozenset[str]
    options: Mapping[str, Option] = MappingProxyType(_MEND_AND_COUNT)
    suffix: str = ""
    sign: Callable[[Path], bool] = lambda folder: False
    is_category: Callable[[str], object] = is_plain_name
    is_split: Callable[[str], object] = re.compile(r"\w[\w.-]*").fullmatch
    by_stem: bool = False

    def source(self, name: DatasetName, mend: bool = False, count: str | None = None) -> Source:
        """What ``PREFIX:ROOT:SPLIT`` or, of a single file, ``PREFIX:FILE:IMAGE_ROOT`` names."""
        form = f"{name.prefix}:ROOT:SPLIT, such as {name.prefix}:datasets/shelves:train"
        if self.suffix:
            form += f", or {name.prefix}:FILE{self.suffix}:IMAGE_ROOT"
        path, part = name.two_parts(form)
        split = part
        reading = Reading(split, mend=Changes(path) if mend else None)
        if self.suffix and not os.path.isdir(path):
            reading.split = split = Path(path).stem
            reading.image_root = part
        if count is not None:
            reading.count = count
        return self.open(path, reading).source(split)


def _holds(pattern: str) -> Callable[[Path], bool]:
    return lambda folder: any(folder.glob(pattern))


def _is_cvat(folder: Path) -> bool:
    return any(root_tag(path) != "annotation" for path in sorted(folder.glob("*.xml"))[:1])


_SCORES = frozenset({"scores"})
# All that annotations say.
_EVERYTHING = frozenset(LOSSES) - _SCORES

FORMATS = {
    "coco": Format(
        "COCO json",
        coco.CocoFolder,
        coco.write,
        str,
        _EVERYTHING,
        suffix=".json",
        is_category=lambda name: name.strip(),
    ),
    "cvat": Format(
        "CVAT for images",
        cvat.Cvat,
        cvat.write,
        str,
        _EVERYTHING - {"crowds"} | _SCORES,
        suffix=".xml",
        sign=_is_cvat,
    ),
    "label-studio": Format(
        "Label Studio json",
        label_studio.LabelStudio,
        label_studio.write,
        str,
        _EVERYTHING - {"crowds", "category-list"} | _SCORES,
        suffix=".json",
    ),
    "locount": Format(
        "Locount txt",
        locount.LocountFolder,
        locount.write,
        lambda split: f"Locount_Images{split.capitalize()}",
        _EVERYTHING - {"crowds", "fractions"},
        options=_MEND,
        sign=_holds("Locount_Images*"),
        is_category=lambda name: is_plain_name(name) and is_category_name(name),
        is_split=re.compile(r"\w+").fullmatch,
        by_stem=True,
    ),
    "sku110k": Format(
        "SKU-110K csv",
        sku110k.Sku110kFolder,
        sku110k.write,
        lambda split: "images",
        frozenset(),
        options=_MEND,
        sign=_holds("annotations/annotations_*.csv"),
    ),
    "voc": Format(
        "Pascal VOC",
        voc.Voc,
        voc.write,
        lambda split: "JPEGImages",
        _EVERYTHING - {"crowds", "category-list"},
        sign=voc.has_files,
        by_stem=True,
    ),
    "yolo": Format(
        "YOLO txt",
        yolo.Yolo,
        yolo.write,
        lambda split: f"images/{split}",
        _EVERYTHING - {"crowds"},
        options=_MEND,
        sign=yolo.has_files,
        by_stem=True,
    ),
}


def guess_format(path: Path) -> str:
    """The only format that a path can be of.

    Raises:
        InputError: if there is none or there are several.
    """
    if (path / PREDICTIONS).is_file():
        raise InputError(f"{path} holds the results of `locount predict`: name predictions:{path}")
    if path.is_file():
        names = [name for name, f in FORMATS.items() if f.suffix and f.suffix == path.suffix]
    else:
        names = [name for name, f in FORMATS.items() if f.sign(path)]
    if len(names) != 1:
        kinds = f"may be {' or '.join(names)}" if names else "shows no sign of its format"
        raise InputError(f"{path} {kinds}: say which with --from ({', '.join(FORMATS)})")
    return names[0]


# What is before the first colon of a name: where its data comes from, and its own options.
PREFIXES: dict[str, tuple[Callable[..., Source], Mapping[str, Option]]] = {
    **{key: (format.source, format.options) for key, format in FORMATS.items()},
    "predictions": (predictions.Predictions.of, {"score": Option("score=0.5", share)}),
    "shelf": (
        RenderedShelves.of,
        {
            "style": Option(f"style={'|'.join(STYLES)}", one_of(*STYLES)),
            "rule": Option(f"rule={'|'.join(RULES)}", one_of(*RULES)),
            "extent": Option("extent=N", positive),
        },
    ),
}

# Names for folders below $DETECTRON2_DATASETS.
BUILTIN = {
    "locount_train": "locount:{root}/locount:train",
    "locount_test": "locount:{root}/locount:test",
    "sku110k_train": "sku110k:{root}/sku110k:train",
    "sku110k_train_3828": "sku110k:{root}/sku110k:train?subset=3828&seed=0",
    "sku110k_val": "sku110k:{root}/sku110k:val",
    "sku110k_test": "sku110k:{root}/sku110k:test",
}


def source_of(text: str) -> Source | None:
    """Where the data of a name comes from; None for a name that is not ours.

    Raises:
        DatasetError: for a name or an option that can't be read.
    """
    name = DatasetName(text)
    if name.place in BUILTIN:
        root = os.environ.get("DETECTRON2_DATASETS", "datasets")
        name = name.moved(BUILTIN[name.place].format(root=root))
    if name.prefix not in PREFIXES:
        return None
    open_source, known = PREFIXES[name.prefix]
    options = name.options({**known, **OPTIONS})
    of_source = {key: value for key, value in options.items() if key in known}
    selection = {key: value for key, value in options.items() if key in OPTIONS}
    return select(open_source(name, **of_source), name, selection)
