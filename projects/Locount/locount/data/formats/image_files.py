"""The image files of a split: where they are, and whether they are what is written of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import Misfit, Problem
from ..images import read_image_sizes
from .index_cache import FileStamp, cached_sizes, file_stamp
from .records import Paths


class ImageFiles(NamedTuple):
    """Files of F images.

    Attributes:
        paths: "" where there can't be one.
        sizes: (F, 2) height and width, 0 where there is none.
        usable: (F,) bool, whether the file is there and has the size that is written.
        problems: of the others.
        unreadable: paths of files that can't be read; each is among the problems.
    """

    paths: list[str]
    sizes: np.ndarray
    usable: np.ndarray
    problems: list[Problem]
    unreadable: list[str]

    def columns(self, annotation_files: Any, image_ids: np.ndarray) -> dict[str, Any]:
        """Those of :class:`Records`."""
        return {
            "file_name": Paths(self.paths),
            "annotation_file": annotation_files,
            "image_id": image_ids,
            "height": self.sizes[:, 0],
            "width": self.sizes[:, 1],
        }


def image_path(root: str, name: str) -> str:
    r"""The path of an image, which is below ``root`` in any case.

    A name may have the backslashes of Windows, ``./`` and ``..``; different spellings of one place
    give one path.

    Raises:
        ValueError: with a cure, for a URL, and for a name that leads out of ``root``. A file from
            somebody else could have any picture of this machine read otherwise.
    """
    if "\\" in name and not os.path.exists(os.path.join(root, name)):
        name = name.replace("\\", "/")
    if "://" in name:
        raise ValueError("the image is on a server: download it, and write its path")
    if "\0" in name:
        raise ValueError(f"the image name {name!r} contains a NUL character: correct it")
    if os.path.isabs(name) or not {"", ".", ".."}.isdisjoint(name.split("/")):
        name = os.path.relpath(os.path.join(root, name), root or ".")
        if name.split(os.sep)[0] == os.pardir:
            raise ValueError(
                f"the image name leads out of the folder of images, {root or '.'}: write a name "
                "below it, or give a folder that contains all images"
            )
    return os.path.join(root, name)


def image_paths(root: str, names: Sequence[str]) -> list[str]:
    """The paths of those names that have one."""
    paths = []
    for name in names:
        with contextlib.suppress(ValueError):
            paths.append(image_path(root, name))
    return paths


def find_images(
    kind: str,
    root: str,
    names: Sequence[str],
    written: np.ndarray,
    problem: Callable[[int, str], Problem],
    *,
    stamps: Sequence[FileStamp | None] | None = None,
    read_sizes: Callable[[Sequence[str]], tuple[np.ndarray, dict[int, str]]] = read_image_sizes,
) -> ImageFiles:
    """Look for the images that annotations name.

    Args:
        kind: as for :func:`cached_sizes`.
        root: the folder that the names start from.
        written: (F, 2) heights and widths, NaN where none is written.
        problem: that of an image, by its position, with a text.
        stamps: the files, where they are known beyond their names.
        read_sizes: as :func:`read_image_sizes`.
    """
    problems: list[Problem] = []
    paths = [""] * len(names)
    found: list[FileStamp | None] = list(stamps or [None] * len(names))
    first: dict[str, int] = {}
    for i, name in enumerate(names):
        stamp = found[i]
        try:
            path = stamp.path if stamp else image_path(root, name)
        except ValueError as error:
            problems.append(problem(i, f"{name!r}: {error}"))
            continue
        if first.setdefault(path, i) != i:
            other = problem(first[path], names[first[path]])
            text = f"image {name!r} is there already ({other})"
            cure = "give all annotations to one of the two, and remove the other"
            problems.append(problem(i, f"{text}: {cure}"))
            found[i] = None
            continue
        paths[i], found[i] = path, stamp or file_stamp(path)
        if found[i] is None:
            cure = "correct its name or the folder, add it, or remove its annotations"
            problems.append(problem(i, f"there is no file {path}: {cure}"))
    sizes, faults = cached_sizes(kind, root, found, read_sizes)
    problems += [Problem(path, None, text) for path, text in faults.items()]
    usable = sizes[:, 0] > 0
    differs = usable & ~np.isnan(written).any(axis=1) & (written != sizes).any(axis=1)
    for i in np.flatnonzero(differs).tolist():
        text = _size_fault(paths[i], sizes[i], written[i])
        problems.append(Misfit(*problem(i, text)))
    return ImageFiles(paths, sizes, usable & ~differs, problems, list(faults))


def _size_fault(path: str, size: Sequence[int], written: Sequence[float]) -> str:
    return (
        f"{path} has {size[1]}x{size[0]} pixels, but {written[1]:g}x{written[0]:g} are written: "
        "correct the numbers, or put the right image there (programs that obey a photo's EXIF "
        "orientation swap them: its boxes are wrong)"
    )
