"""What a folder in the layout of SKU-110K holds: its rows and images, read once, then cached."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from .errors import DatasetError, Problem
from .image_paths import image_path
from .images import read_image, read_image_sizes
from .index_cache import FileStamp, cached_arrays
from .sku110k_csv import RowTable, parse_csv

logger = logging.getLogger(__name__)

_ANNOTATIONS = re.compile(r"annotations_(.+)\.csv")


class RowImages(NamedTuple):
    """The images of a table, in its order.

    Attributes:
        stamps: the F files; None where there is none.
        sizes: (F, 2) int32 heights and widths, 0 where there is no image or a broken one.
        usable: (F,) bool, whether there is an image and it has the size that the rows say.
        problems: why images can't be used.
    """

    stamps: list[FileStamp | None]
    sizes: np.ndarray
    usable: np.ndarray
    problems: list[Problem]


def find_splits(root: str) -> dict[str, str]:
    """The annotation file of each split by its name.

    Raises:
        DatasetError: if there is none.
    """
    folder = os.path.join(root, "annotations")
    entries = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    splits = {m[1]: os.path.join(folder, m[0]) for m in map(_ANNOTATIONS.fullmatch, entries) if m}
    if not splits:
        raise DatasetError(
            f"{root} is not in the layout of SKU-110K: it needs annotations/annotations_train.csv, "
            "or the same with val or test, and a folder images"
        )
    return splits


def read_rows(path: str) -> tuple[RowTable, list[Problem]]:
    """:func:`parse_csv`, from the cache unless the file has changed or has a problem."""
    problems: list[Problem] = []

    def build() -> tuple[dict[str, np.ndarray], bool]:
        logger.info("Reading %s", path)
        table, found = parse_csv(path)
        problems.extend(found)
        return table._asdict(), not found

    kind = f"sku110k-{os.path.basename(path).removesuffix('.csv')}"
    stamp = _stamp(path)
    arrays = cached_arrays(kind, os.path.dirname(path), [stamp] if stamp else [], build)
    return RowTable(**arrays), problems


def read_images(csv_file: str, table: RowTable, image_root: str) -> RowImages:
    """Whether the images of a table are there, whole, and of the size that the rows say.

    Args:
        csv_file: where the table is from, for the problems.
    """
    first_row = np.unique(table.image_id, return_index=True)[1]
    paths, problems, seen = [], [], {}
    for i, name in enumerate(table.images.tolist()):
        line = int(table.line[first_row[i]])
        try:
            path = image_path(image_root, name)
        except ValueError as error:
            problems.append(Problem(csv_file, line, f"image is {name!r}: {error}"))
            path = None
        if path is not None and seen.setdefault(path, name) != name:
            text = f"image is {name!r}, which is {seen[path]!r} of other rows: write both alike"
            problems.append(Problem(csv_file, line, text))
            path = None
        paths.append(path)
    named = np.array([path is not None for path in paths], dtype=bool)
    stamps = [None if path is None else _stamp(path) for path in paths]
    found = [stamp for stamp in stamps if stamp is not None]

    def build() -> tuple[dict[str, np.ndarray], bool]:
        return {"sizes": check_images([stamp.path for stamp in found])[0]}, True

    kind = f"sku110k-sizes-{os.path.basename(csv_file).removesuffix('.csv')}"
    there = np.array([stamp is not None for stamp in stamps], dtype=bool)
    sizes = np.zeros((len(paths), 2), dtype=np.int32)
    sizes[there] = cached_arrays(kind, image_root, found, build)["sizes"]

    for i in np.flatnonzero(named & ~there).tolist():
        text = f"there is no file {paths[i]}: add it, or delete the rows of this image"
        problems.append(Problem(csv_file, int(table.line[first_row[i]]), text))
    faulty = [paths[i] for i in np.flatnonzero(there & (sizes[:, 0] == 0))]
    problems += [Problem(faulty[i], None, text) for i, text in check_images(faulty)[1].items()]

    usable, known = sizes[:, 0] > 0, sizes[table.image_id]
    differs = np.flatnonzero((known[:, 0] > 0) & (table.size != known).any(axis=1))
    for row in differs[np.unique(table.image_id[differs], return_index=True)[1]].tolist():
        (height, width), (h, w) = table.size[row].tolist(), known[row].tolist()
        text = (
            f"width and height are {width},{height}, but the image has {w},{h}: "
            "correct the rows of this image, or put the right image there"
        )
        problems.append(Problem(csv_file, int(table.line[row]), text))
        usable[table.image_id[row]] = False
    return RowImages(stamps, sizes, usable, problems)


def check_images(paths: Sequence[str]) -> tuple[np.ndarray, dict[int, str]]:
    """:func:`read_image_sizes`, where a truncated image counts as unreadable."""
    sizes, faults = read_image_sizes(paths)
    readable = [i for i in range(len(paths)) if i not in faults]
    with ThreadPoolExecutor() as pool:
        texts = pool.map(_truncation, [paths[i] for i in readable])
        for i, text in zip(readable, texts, strict=True):
            if text:
                faults[i], sizes[i] = text, 0
    return sizes, faults


def _truncation(path: str) -> str | None:
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 2))
        if file.read() == b"\xff\xd9":  # the end of a JPEG: no need to decode the image
            return None
    try:
        read_image(path)
    except DatasetError as error:
        return str(error).removeprefix(path).strip()
    return None


def _stamp(path: str) -> FileStamp | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return FileStamp(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
