"""Writing a corrected copy of a dataset, file by file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ..images import IMAGE_SUFFIXES
from ..mending import Changes
from .orientation import upright

UNREADABLE = "the image can't be read"
_OF_DATASETS = (*IMAGE_SUFFIXES, ".txt")


@dataclass
class Copy:
    """A corrected copy in the making.

    Attributes:
        folder: where it is written.
        changes: what is different in it.
        unreadable, turned: paths of images to leave out, and to set upright.
    """

    folder: Path
    changes: Changes
    unreadable: Collection[str]
    turned: Collection[str]

    def image(self, source: str, target: str) -> None:
        """Copy an image, unless it is unreadable, its orientation tag set to upright if asked."""
        if source in self.unreadable:
            self.changes.add(source, "", "image", "", UNREADABLE)
            return
        data = upright(Path(source).read_bytes()) if source in self.turned else None
        if data is None:
            shutil.copy2(source, target)
        else:
            Path(target).write_bytes(data)
            why = "pixels stay as stored"
            self.changes.add(source, "", "EXIF orientation", "EXIF orientation 1", why)

    def tree(self, source: str, copy: Callable[[str, str], None]) -> None:
        """Call ``copy`` with the path of every file below ``source`` and its place in the copy.

        What is reached by links that lead elsewhere is copied only if it is a photo or annotations:
        other files are not the dataset's, so their links stay links.
        """
        root = os.path.realpath(source)
        with tqdm(desc=f"copying {source}", unit=" files", disable=None) as bar:

            def copy_and_tell(path: str, to: str) -> None:
                real = os.path.realpath(path)
                inside = real.startswith(f"{root}{os.sep}")
                if inside or os.path.splitext(path)[1].lower() in _OF_DATASETS:
                    copy(path, to)
                else:
                    os.symlink(real, to)
                bar.update()

            target = self.folder / os.path.basename(source)
            shutil.copytree(source, target, copy_function=copy_and_tell)
