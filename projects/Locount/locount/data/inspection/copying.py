"""Writing a corrected copy of a dataset, file by file."""

from __future__ import annotations

import os
import shutil
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from PIL.ExifTags import Base
from tqdm import tqdm

from ..images import IMAGE_SUFFIXES, UPRIGHT
from ..mending import Changes

UNREADABLE = "the image can't be read"
_OF_DATASETS = (*IMAGE_SUFFIXES, ".txt")
_APP1, _START_OF_SCAN = 0xE1, 0xDA
_FORMATS = {3: "H", 4: "I"}  # TIFF's types SHORT and LONG


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


def upright(data: bytes) -> bytes | None:
    """A file with EXIF orientation 1, the rest as it was; None if it is no JPEG or has none."""
    tiff = _exif_position(data)
    if tiff is None:
        return None
    order = "<" if data[tiff : tiff + 2] == b"II" else ">"
    try:
        directory = tiff + struct.unpack_from(f"{order}I", data, tiff + 4)[0]
        (num_entries,) = struct.unpack_from(f"{order}H", data, directory)
        for entry in range(directory + 2, directory + 2 + 12 * num_entries, 12):
            tag, kind = struct.unpack_from(f"{order}HH", data, entry)
            if tag == Base.Orientation and kind in _FORMATS:
                changed = bytearray(data)
                struct.pack_into(order + _FORMATS[kind], changed, entry + 8, UPRIGHT)
                return bytes(changed)
    except struct.error:  # an offset that leads out of the file
        return None
    return None


def _exif_position(data: bytes) -> int | None:
    """Where the TIFF header of the EXIF segment begins."""
    if data[:2] != b"\xff\xd8":
        return None
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == _START_OF_SCAN:
            return None
        if marker == _APP1 and data[position + 4 : position + 10] == b"Exif\0\0":
            return position + 10
        position += 2 + struct.unpack_from(">H", data, position + 2)[0]
    return None
