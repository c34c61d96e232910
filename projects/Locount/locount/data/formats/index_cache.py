"""A cache of parsed indices in the user's cache directory, renewed when their files change."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import platformdirs

from ...files import new_file
from ...texts import TextError, read_arrays
from ..images import read_image_sizes

logger = logging.getLogger(__name__)

# To be raised whenever the arrays of an index, or the rules by which they are read, change.
FORMAT_VERSION = 4
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


def file_stamp(path: str) -> FileStamp | None:
    """None where there is no file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return FileStamp(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def cache_directory() -> Path:
    """``$LOCOUNT_CACHE``, or the user's cache directory of the platform."""
    return Path(os.environ.get("LOCOUNT_CACHE") or platformdirs.user_cache_dir("locount"))


def cached_arrays(
    kind: str,
    folder: str,
    stamps: Iterable[FileStamp],
    build: Callable[[], tuple[dict[str, np.ndarray], bool]],
    how: str = "",
) -> dict[str, np.ndarray]:
    """The arrays that ``build`` returns, from the cache if none of their files has changed.

    Args:
        kind: name of the sort of index; one sort of one folder has one file in the cache.
        folder: what the index describes.
        stamps: the files below the folder that the index is read from, in a fixed order.
        build: returns the arrays (no objects) and whether they may be kept.
        how: what else they depend on.
    """
    signature = _signature(folder, stamps, how)
    text = f"{kind}\0{os.path.realpath(folder)}".encode(errors="surrogatepass")
    name = hashlib.blake2b(text, digest_size=8).hexdigest()
    kind = re.sub(r"[^\w-]", "_", kind)[:40]  # names of splits may be anything
    path = cache_directory() / f"{kind}-{name}.npz"
    arrays = _read(path, signature)
    if arrays is None:
        arrays, keep = build()
        if keep:
            _write(path, {**arrays, _SIGNATURE: np.array(signature)})
    return arrays


def cached_sizes(
    kind: str,
    folder: str,
    stamps: Sequence[FileStamp | None],
    read: Callable[[Sequence[str]], tuple[np.ndarray, dict[int, str]]] = read_image_sizes,
) -> tuple[np.ndarray, dict[str, str]]:
    """Heights and widths of images, and what is wrong with those that can't be read, by path.

    Args:
        kind, folder: as for :func:`cached_arrays`.
        stamps: of the images; None gives the size 0.
        read: reads the sizes of others than those in the cache.
    """
    found = [stamp for stamp in stamps if stamp is not None]
    there = np.array([stamp is not None for stamp in stamps], dtype=bool)

    def build() -> tuple[dict[str, np.ndarray], bool]:
        logger.info("Reading the sizes of %d images", len(found))
        return {"sizes": read([stamp.path for stamp in found])[0]}, True

    sizes = np.zeros((len(stamps), 2), dtype=np.int32)
    sizes[there] = cached_arrays(f"sizes-{kind}", folder, found, build)["sizes"]
    # The unreadable ones are in the cache too; each start says again what is wrong with them.
    faulty = [found[i].path for i in np.flatnonzero(sizes[there, 0] == 0).tolist()]
    return sizes, {faulty[i]: text for i, text in read(faulty)[1].items()}


def _signature(folder: str, stamps: Iterable[FileStamp], how: str) -> str:
    start = f"{FORMAT_VERSION}\0{os.path.realpath(folder)}\0{how}"
    n = len(folder)  # the rest of a path is the same, however the folder is called
    files = [f"{path[n:]}\0{size}\0{mtime}\0{ctime}" for path, size, mtime, ctime in stamps]
    text = "\0".join([start, *files]).encode(errors="surrogatepass")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def _read(path: Path, signature: str) -> dict[str, np.ndarray] | None:
    if not os.path.exists(path):
        return None
    try:
        arrays = read_arrays(path)
    except TextError as error:
        logger.warning("The index can't be used (%s) and is built again.", error)
        return None
    if str(arrays.pop(_SIGNATURE, "")) == signature:
        return arrays
    logger.info("%s is of other files, or from before a change: these are read anew.", path)
    return None


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    try:
        with new_file(path) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # none is called allow_pickle
    except OSError as error:
        logger.warning(
            "The index can't be kept in %s (%s): every start reads all files again. "
            "Set LOCOUNT_CACHE to a folder that can be written.",
            path.parent,
            error,
        )
