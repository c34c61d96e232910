"""What can be corrected in a dataset without guessing, and the list of what was."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field

from ..errors import listing

logger = logging.getLogger(__name__)

Box = tuple[float, float, float, float]
CHANGES_FILE = "changes.csv"
COLUMNS = ("file", "line", "before", "after", "why")


@dataclass
class Changes:
    """What a corrected copy does differently: rows with the keys of ``COLUMNS``.

    Files are relative to ``root``. An empty "after" says that something was left out.
    """

    root: str
    rows: list[dict[str, object]] = field(default_factory=list)
    num_logged: int = 0

    def add(self, path: str, line: object, before: str, after: str, why: str) -> None:
        values = (os.path.relpath(path, self.root), line, before, after, why)
        self.rows.append(dict(zip(COLUMNS, values, strict=True)))

    def log(self) -> None:
        """A warning that lists those since the last one."""
        rows, self.num_logged = self.rows[self.num_logged :], len(self.rows)
        if rows:
            texts = ("{file}:{line}: {before} became {after} ({why})".format(**r) for r in rows)
            logger.warning("%d boxes were mended:\n%s", len(rows), listing(texts))


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
