"""The boxes of one photo, whoever found them, and what follows for the shelf."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from .facings import Gap, count_facings, find_gaps, occupied_lengths
from .rows import Rows, checked, find_rows

# Of a box or a place. Facings are aligned one by one.
MAX_COUNT = 1000


@dataclass(frozen=True, eq=False)
class ShelfPhoto:
    """What is on a photo of a shelf.

    Attributes:
        name: of the photo, its path as a rule.
        width, height: in pixels.
        boxes: N x 4, absolute XYXY.
        categories: N names.
        counts: (N,) int.
        known: names of all categories that could have been found.
        piled: the items in a box are stacked or queued, so that one is seen from the front; else
            they are side by side.
    """

    name: str
    width: int
    height: int
    boxes: np.ndarray
    categories: tuple[str, ...]
    counts: np.ndarray
    known: frozenset[str]
    piled: bool = False

    def __post_init__(self) -> None:
        try:
            checked(self.boxes)
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from error
        for count in self.counts:
            if not 1 <= count <= MAX_COUNT:
                raise InputError(f"{self.name}: a count is {count}; it must be 1 to {MAX_COUNT}")

    @functools.cached_property
    def rows(self) -> Rows:
        return find_rows(self.boxes)

    @functools.cached_property
    def facings(self) -> np.ndarray:
        """(N,) int."""
        stacked = self.counts if self.piled else None
        return count_facings(self.rows, self.counts, self.categories, stacked)

    @functools.cached_property
    def gaps(self) -> list[Gap]:
        return find_gaps(self.boxes, self.rows, self.facings)

    def total(self, category: str) -> int:
        """The number of items of a category."""
        return int(
            sum(n for n, c in zip(self.counts, self.categories, strict=True) if c == category)
        )

    def boxes_table(self) -> list[dict[str, Any]]:
        """A row for each box, from the top left: BOX_COLUMNS, places counted from 1."""
        rows = self.rows
        order = [i for row in range(len(rows)) for i in rows.members(row).tolist()]
        return [
            {
                "photo": self.name,
                "row": int(rows.row[i]) + 1,
                "position": int(rows.position[i]) + 1,
                "level": int(rows.level[i]) + 1,
                "category": self.categories[i],
                "count": int(self.counts[i]),
                "facings": int(self.facings[i]),
                **dict(zip(("x1", "y1", "x2", "y2"), _rounded(self.boxes[i]), strict=True)),
            }
            for i in order
        ]

    def shares_table(self) -> list[dict[str, Any]]:
        """A row for each category that is there, by its share of the length: SHARE_COLUMNS."""
        lengths = occupied_lengths(self.boxes, self.rows)
        table = []
        for category in sorted(set(self.categories)):
            own = np.array([c == category for c in self.categories])
            table.append(
                {
                    "photo": self.name,
                    "category": category,
                    "items": int(self.counts[own].sum()),
                    "facings": int(self.facings[own].sum()),
                    "linear_share": round(float(lengths[own].sum() / lengths.sum()), 4),
                }
            )
        return sorted(table, key=lambda row: -row["linear_share"])

    def gaps_table(self) -> list[dict[str, Any]]:
        """A row for each gap: GAP_COLUMNS; ``after`` is the position on its left, 0 for none."""
        return [
            {
                "photo": self.name,
                "row": gap.row + 1,
                "after": gap.after + 1,
                "items": round(gap.items, 1),
                **dict(zip(("x1", "y1", "x2", "y2"), _rounded(gap.box), strict=True)),
            }
            for gap in self.gaps
        ]


_CORNERS = ("x1", "y1", "x2", "y2")
BOX_COLUMNS = ("photo", "row", "position", "level", "category", "count", "facings", *_CORNERS)
SHARE_COLUMNS = ("photo", "category", "items", "facings", "linear_share")
GAP_COLUMNS = ("photo", "row", "after", "items", *_CORNERS)


def _rounded(box: Any) -> list[float]:
    return [round(float(value), 1) for value in box]
