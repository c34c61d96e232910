"""Small parts that several readers need."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from lxml import etree

from ...errors import InputError, listing
from ...texts import TextError, read_bytes
from ..coco_json import CocoJson
from ..errors import DatasetError, Problem
from ..locount_folder import LocountFolder
from ..sku110k import Sku110k
from .dataset import Dataset, Reading, Split
from .entries import Place

logger = logging.getLogger(__name__)

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)
_MAX_COORDINATE = 1e9  # pixels
_INTEGER = re.compile(r"[-+]?\d{1,9}", re.ASCII)


Layout = tuple[str, Callable[[Path], tuple[str, Path]]]


def split_files(
    source: str, suffix: str, reading: Reading, layouts: Sequence[Layout] = ()
) -> dict[str, tuple[str, str]]:
    """The annotation file and the image folder of each split, for formats of one file a split.

    A folder holds ``SPLIT.suffix`` and the folder ``SPLIT`` for each split, or a folder ``images``
    for all. Of a single file the caller must say what is in it.

    Args:
        layouts: other places, tried where there is no such file: a pattern of files, and what makes
            of one the name of its split and the folder of its images.

    Raises:
        InputError: if the file or folder is not there, or the caller says too little or too much.
    """
    split, image_root = reading.split, reading.image_root
    if os.path.isfile(source):
        if split is None or image_root is None:
            raise InputError(
                f"{source} is a single file: give --split, such as train, and --image-root, the "
                "folder that its image names start from"
            )
        return {split: (source, image_root)}
    if image_root is not None:
        raise InputError(
            f"--image-root is for a single file, and {source} is none: "
            f"in a folder the images of SPLIT{suffix} are those in the folder SPLIT"
        )
    entries = sorted(os.listdir(source)) if os.path.isdir(source) else []
    stems = [entry.removesuffix(suffix) for entry in entries if entry.endswith(suffix)]
    folder = Path(source)
    found = {stem: (folder / f"{stem}{suffix}", folder / stem) for stem in stems}
    for pattern, split_of in layouts:
        if not found:
            for path in sorted(folder.glob(pattern)):
                name, images = split_of(path)
                found[name] = (path, images)
    if not found:
        others = "".join(f" or {pattern}" for pattern, _ in layouts)
        raise InputError(f"{source} holds no file SPLIT{suffix}, such as train{suffix}{others}")
    return {
        name: (str(path), str(images if images.is_dir() else _common_images(folder, images)))
        for name, (path, images) in found.items()
    }


def _common_images(folder: Path, images: Path) -> Path:
    """``images/SPLIT`` or ``images``, where they are there."""
    places = (folder / "images" / images.name, folder / "images")
    return next((place for place in places if place.is_dir()), images)


def read_sources(
    sources: dict[str, tuple[CocoJson | LocountFolder | Sku110k, str]], skip_invalid: bool
) -> Dataset:
    """The splits that loaders read, given with the folders of their images.

    Raises:
        DatasetError: if one has a problem that is not to be skipped, or their categories differ.
    """
    splits, classes = {}, {}
    for name, (source, image_root) in sources.items():
        metadata = source.metadata()  # categories can't be left out: other ids would change
        if skip_invalid:
            records, _, problems, hints = source.survey()
            for hint in hints:
                logger.warning("%s", hint)
            if problems:
                text = "%d problem(s) of split %s. Left out are:\n%s"
                logger.warning(text, len(problems), name, listing(problems))
        else:
            records = source.load()
        names = [os.path.relpath(record["file_name"], image_root) for record in records]
        splits[name] = Split(records, [name.replace(os.sep, "/") for name in names])
        classes[name] = tuple(metadata["thing_classes"])
    return Dataset(same_classes(classes), splits)


def same_classes(lists: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The one list of categories of several splits.

    Raises:
        DatasetError: if they differ.
    """
    (first, classes), *others = lists.items()
    for split, other in others:
        if other != classes:
            raise DatasetError(
                f"The splits {first} and {split} have different categories: give both the same "
                "ones in the same order, or convert them one by one"
            )
    return classes


def read_xml(path: str, problems: list[Problem]) -> etree._Element | None:
    """The root of an XML file; None after a problem. Entities and other files are not read."""
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(read_bytes(path), parser)
    except TextError as error:
        problems.append(Problem(path, None, error.reason))
        return None
    except (etree.XMLSyntaxError, ValueError) as error:
        problems.append(Problem(path, None, f"can't be read as XML ({error}): write it anew"))
        return None
    if root.getroottree().docinfo.doctype:
        problems.append(Problem(path, None, "has a DOCTYPE, which may hide anything: remove it"))
        return None
    return root


def root_tag(path: Path) -> str:
    """The name of the root element of an XML file; "" if it has none that can be read."""
    root = read_xml(os.fspath(path), [])
    return "" if root is None else root.tag


def parse_number(text: object) -> float | None:
    """A finite decimal number, white space around it allowed; None for anything else."""
    if not isinstance(text, str) or not _NUMBER.fullmatch(text.strip()):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def parse_integer(text: object) -> int | None:
    """A whole number of at most nine digits; None for anything else."""
    if not isinstance(text, str) or not _INTEGER.fullmatch(text.strip()):
        return None
    return int(text)


def parse_whole(text: object) -> int | None:
    """:func:`parse_integer`, written as a decimal as well: 3, 3.0 and 3.000000."""
    value = parse_number(text)
    return int(value) if value is not None and value == int(value) and abs(value) < 1e9 else None


def numbers_or_problem(
    place: Place, fields: dict[str, object], problems: list[Problem]
) -> list[float] | None:
    """The fields as numbers; None after a problem that names those that are none."""
    values = {key: parse_number(text) for key, text in fields.items()}
    wrong = [key for key, v in values.items() if v is None or abs(v) > _MAX_COORDINATE]
    if wrong:
        texts = ", ".join(f"{key} is {fields[key]!r}" for key in wrong)
        problems.append(place.problem(f"{texts}: write a number"))
        return None
    return list(values.values())


def count_or_problem(
    place: Place, text: str | None, problems: list[Problem]
) -> tuple[int | None, bool]:
    """The count, None where none is written; and whether what is written is a whole number."""
    if text is None:
        return None, True
    count = parse_whole(text)
    if count is None:
        problems.append(place.problem(f"the count is {text!r}: write a whole number from 1 on"))
    return count, count is not None
