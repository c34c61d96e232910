"""Copying the files of a dataset that is corrected."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

from tqdm import tqdm

from ..images import IMAGE_SUFFIXES
from ..mending import Changes
from .orientation import upright

_OF_DATASETS = (*IMAGE_SUFFIXES, ".txt")


def copy_image(source: str, target: str, turned: Collection[str], changes: Changes) -> None:
    """Copy an image; if it is one of ``turned``, with its orientation tag set to upright."""
    data = upright(Path(source).read_bytes()) if source in turned else None
    if data is None:
        shutil.copy2(source, target)
    else:
        Path(target).write_bytes(data)
        changes.add(source, "", "EXIF orientation", "EXIF orientation 1", "pixels stay as stored")


def copy_tree(source: str, target: Path, copy: Callable[[str, str], None]) -> None:
    """Call ``copy`` with the path of every file below ``source`` and its place below ``target``.

    What is reached by links that lead elsewhere is copied only if it is a photo or annotations:
    other files are not the dataset's, so their links stay links.
    """
    root = os.path.realpath(source)
    with tqdm(desc=f"copying {source}", unit=" files", disable=None) as bar:

        def copy_and_tell(path: str, to: str) -> None:
            real = os.path.realpath(path)
            if os.path.splitext(path)[1].lower() in _OF_DATASETS or real.startswith(
                f"{root}{os.sep}"
            ):
                copy(path, to)
            else:
                os.symlink(real, to)
            bar.update()

        shutil.copytree(source, target, copy_function=copy_and_tell)
