"""A cache of parsed indices in the user's cache directory, renewed when their files change."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import platformdirs

from ..files import new_file
from ..texts import TextError, read_arrays

logger = logging.getLogger(__name__)

# To be raised whenever the arrays of an index, or the rules by which they are read, change.
FORMAT_VERSION = 1
_SIGNATURE = "signature"


class FileStamp(NamedTuple):
    """A file as the file system knows it.

    The time of the last status change can't be set by programs. So an edit is noticed although it
    keeps the size and the modification time, as unpacking archives and synchronising folders do.
    """

    path: str
    size: int
    mtime_ns: int
    ctime_ns: int


def cache_directory() -> Path:
    """``$LOCOUNT_CACHE``, or the user's cache directory of the platform."""
    return Path(os.environ.get("LOCOUNT_CACHE") or platformdirs.user_cache_dir("locount"))


def cached_arrays(
    kind: str,
    folder: str,
    stamps: Iterable[FileStamp],
    build: Callable[[], tuple[dict[str, np.ndarray], bool]],
) -> dict[str, np.ndarray]:
    """The arrays that ``build`` returns, from the cache where no file behind them has changed.

    Args:
        kind: name of the sort of index; one sort of one folder has one file in the cache.
        folder: what the index describes.
        stamps: the files below the folder that the index is read from, in a fixed order.
        build: returns the arrays (no objects) and whether they may be kept.
    """
    signature = _signature(folder, stamps)
    name = hashlib.blake2b(os.fsencode(os.path.realpath(folder)), digest_size=8).hexdigest()
    path = cache_directory() / f"{kind}-{name}.npz"
    arrays = _read(path, signature)
    if arrays is None:
        arrays, keep = build()
        if keep:
            _write(path, {**arrays, _SIGNATURE: np.array(signature)})
    return arrays


def _signature(folder: str, stamps: Iterable[FileStamp]) -> str:
    start = f"{FORMAT_VERSION}\0{os.path.realpath(folder)}"
    n = len(folder)  # the rest of a path is the same, however the folder is called
    files = [f"{path[n:]}\0{size}\0{mtime}\0{ctime}" for path, size, mtime, ctime in stamps]
    text = os.fsencode("\0".join([start, *files]))
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _read(path: Path, signature: str) -> dict[str, np.ndarray] | None:
    if not path.exists():
        return None
    try:
        arrays = read_arrays(path)
    except TextError as error:
        logger.warning("The index can't be used (%s) and is built again.", error)
        return None
    if str(arrays.pop(_SIGNATURE, "")) == signature:
        return arrays
    logger.info("The files have changed since %s was written; they are read again.", path)
    return None


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    try:
        with new_file(path) as file:
            np.savez(file, **arrays)
    except OSError as error:
        logger.warning(
            "The index can't be kept in %s (%s): every start reads all files again. "
            "Set LOCOUNT_CACHE to a folder that can be written.",
            path.parent,
            error,
        )
