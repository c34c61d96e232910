"""What can be corrected in a dataset without guessing, and the list of what was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from .orientation import upright

Box = tuple[float, float, float, float]
COLUMNS = ("file", "line", "before", "after", "why")


@dataclass
class Changes:
    """What a corrected copy does differently: rows with the keys of ``COLUMNS``.

    Files are relative to ``root``. An empty "after" says that something was left out.
    """

    root: str
    rows: list[dict[str, object]] = field(default_factory=list)

    def add(self, path: str, line: object, before: str, after: str, why: str) -> None:
        values = (os.path.relpath(path, self.root), line, before, after, why)
        self.rows.append(dict(zip(COLUMNS, values, strict=True)))


def copy_image(source: str, target: str, turned: Collection[str], changes: Changes) -> None:
    """Copy an image; if it is one of ``turned``, with its orientation tag set to upright."""
    data = upright(Path(source).read_bytes()) if source in turned else None
    if data is None:
        shutil.copy2(source, target)
    else:
        Path(target).write_bytes(data)
        changes.add(source, "", "EXIF orientation", "EXIF orientation 1", "pixels stay as stored")


def copy_tree(source: str, target: Path, copy: Callable[[str, str], None]) -> None:
    """Call ``copy`` with the path of every file below ``source`` and its place below ``target``."""
    with tqdm(desc=f"copying {source}", unit=" files", disable=None) as bar:

        def copy_and_tell(path: str, to: str) -> None:
            copy(path, to)
            bar.update()

        shutil.copytree(source, target, copy_function=copy_and_tell)


def mended_box(box: Box, size: tuple[int, int], tolerance: float = 0) -> tuple[Box | None, str]:
    """Swap reversed corners and cut a box to its image.

    Args:
        box: x1, y1, x2, y2.
        size: height and width of the image, 0 where unknown.
        tolerance: how far a box may reach outside without being cut, in pixels.

    Returns:
        The box, None if nothing is left of it, and why it was changed; "" if it wasn't.
    """
    x1, x2 = sorted(box[::2])
    y1, y2 = sorted(box[1::2])
    why = [] if (x1, y1, x2, y2) == tuple(box) else ["reversed corners"]
    height, width = size
    overhang = max(-x1, -y1, x2 - width, y2 - height)
    if width > 0 and overhang > tolerance:
        x1, x2 = (min(max(x, 0), width) for x in (x1, x2))
        y1, y2 = (min(max(y, 0), height) for y in (y1, y2))
        why.append("reached outside the image")
    if x1 == x2 or y1 == y2:
        return None, ", ".join([*why, "no area"])
    return (x1, y1, x2, y2), ", ".join(why)
