"""The boxes of one photo, whoever found them, and what follows for the shelf."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ..errors import InputError, printable
from .facings import Gap, count_facings, find_gaps, occupied_lengths
from .rows import Rows, checked, find_rows

if TYPE_CHECKING:
    from ..calibration import Interval, Totals
    from ..inference.prediction import Prediction

# Of a box or a place. Facings are aligned one by one.
MAX_COUNT = 1000


@dataclass(frozen=True, eq=False)
class ShelfPhoto:
    """What is on a photo of a shelf.

    Attributes:
        name: of the photo, its path as a rule, as it can be printed.
        width, height: in pixels.
        boxes: N x 4, absolute XYXY.
        categories: N names.
        counts: (N,) int.
        known: names of all categories that could have been found.
        piled: the items in a box are stacked or queued, so that one is seen from the front; else
            they are side by side.
        intervals: of the totals, by category; None where the model has none, and of annotations.
    """

    name: str
    width: int
    height: int
    boxes: np.ndarray
    categories: tuple[str, ...]
    counts: np.ndarray
    known: frozenset[str]
    piled: bool = False
    intervals: Totals[str] | None = None

    @classmethod
    def of(cls, found: Prediction, level: float | None = None, piled: bool = False) -> Self:
        """What a model found.

        Args:
            level: of the intervals, which are of :meth:`Prediction.calibrated`, if there is a
                calibration; None for none.
        """
        intervals, classes = None, found.classes
        if level is not None and found.calibration is not None:
            by_id = dict(zip(classes.ids, classes.names, strict=True))
            intervals = found.intervals(level).named(by_id)
        size, boxes = (found.width, found.height), found.boxes.astype(float)
        names, known = tuple(found.names), frozenset(classes.names)
        name = printable(found.name)
        return cls(name, *size, boxes, names, found.counts, known, piled, intervals)

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
        return int(self.counts[self._are(category)].sum())

    def _are(self, category: str) -> np.ndarray:
        """Which boxes are of a category."""
        return np.array([c == category for c in self.categories], bool)

    def interval(self, category: str) -> Interval | None:
        """Of the number of items of a category; None where there is none, as of one that a model
        of several categories did not find."""
        if self.intervals is None:
            return None
        if self.known == {category}:
            return self.intervals.photo.interval
        total = self.intervals.categories.get(category)
        return None if total is None else total.interval

    def facts(self) -> dict[str, Any]:
        """What is on the photo in a line: FACTS."""
        numbers = (len(self.rows), len(self.boxes), int(self.counts.sum()))
        intervals = self.intervals
        bounds = (*intervals.photo.interval, intervals.level) if intervals else (None, None, None)
        rest = (int(self.facings.sum()), len(self.gaps), self.rows.note)
        return dict(zip(FACTS, (self.name, *numbers, *bounds, *rest), strict=True))

    def rows_table(self) -> list[dict[str, Any]]:
        """A row for each row from the top: ROW_COLUMNS."""
        row = self.rows.row
        gaps = [gap.row for gap in self.gaps]
        return [
            {
                "photo": self.name,
                "row": i + 1,
                "boxes": int((row == i).sum()),
                "items": int(self.counts[row == i].sum()),
                "facings": int(self.facings[row == i].sum()),
                "gaps": gaps.count(i),
            }
            for i in range(len(self.rows))
        ]

    def place(self, box: int) -> dict[str, int]:
        """Where a box stands, counted from 1, and its facings."""
        places = {key: int(getattr(self.rows, key)[box]) + 1 for key in _PLACE}
        return places | {"facings": int(self.facings[box])}

    def boxes_table(self) -> list[dict[str, Any]]:
        """A row for each box, from the top left: BOX_COLUMNS, places counted from 1."""
        rows = self.rows
        order = [i for row in range(len(rows)) for i in rows.members(row).tolist()]
        return [
            {
                "photo": self.name,
                "category": self.categories[i],
                "count": int(self.counts[i]),
                **self.place(i),
                **_corners(self.boxes[i]),
            }
            for i in order
        ]

    def shares_table(self) -> list[dict[str, Any]]:
        """A row for each category that is there, by its share of the length: SHARE_COLUMNS."""
        lengths = occupied_lengths(self.boxes, self.rows)
        table = []
        for category in sorted(set(self.categories)):
            own = self._are(category)
            low, high = self.interval(category) or (None, None)
            table.append(
                {
                    "photo": self.name,
                    "category": category,
                    "items": int(self.counts[own].sum()),
                    "items_low": low,
                    "items_high": high,
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
                **_corners(gap.box),
            }
            for gap in self.gaps
        ]


FACTS = (
    *("photo", "rows", "boxes", "items", "items_low", "items_high", "level", "facings", "gaps"),
    "note",
)
_PLACE = ("row", "position", "level")
_CORNERS = ("x1", "y1", "x2", "y2")
BOX_COLUMNS = ("photo", *_PLACE, "category", "count", "facings", *_CORNERS)
ROW_COLUMNS = ("photo", "row", "boxes", "items", "facings", "gaps")
SHARE_COLUMNS = (
    *("photo", "category", "items", "items_low", "items_high", "facings", "linear_share"),
)
GAP_COLUMNS = ("photo", "row", "after", "items", *_CORNERS)


def _corners(box: Iterable[float]) -> dict[str, float]:
    return {key: round(float(value), 1) for key, value in zip(_CORNERS, box, strict=True)}
