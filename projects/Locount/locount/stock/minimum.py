"""What there is too little of."""

from __future__ import annotations

import os
import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .reading import known_category, raise_problems, read_table, whole_number
from .shelf_photo import ShelfPhoto

COLUMNS = (
    *("category", "minimum", "median", "low", "high", "least", "most", "short_in", "maybe_in"),
    *("photos", "short"),
)
# Whether something is short.
SHORT, MAYBE, ENOUGH = "yes", "maybe", "no"


def read_minimums(path: str | os.PathLike, known: Collection[str]) -> dict[str, int]:
    """The least number of items of each category: a CSV file with the header category,minimum.

    Args:
        known: the categories that can be found.

    Raises:
        InputError: with all problems and their lines.
    """
    entries, problems = read_table(path, ("category", "minimum"))
    minimums: dict[str, int] = {}
    first: dict[str, int] = {}
    for number, entry in entries:
        wrong: list[str] = []
        category = known_category(entry, known, wrong)
        minimum = whole_number(entry, "minimum", 0, None, wrong)
        if category and first.setdefault(category, number) != number:
            wrong.append(f"category {category!r} has a minimum in line {first[category]} already")
        if category is not None and minimum is not None:
            minimums[category] = minimum
        problems += [f"line {number}: {text}" for text in wrong]
    raise_problems(path, problems)
    return minimums


def shortages(
    minimums: Mapping[str, int], photos: Sequence[ShelfPhoto], confirm: int
) -> list[dict[str, Any]]:
    """COLUMNS of each category that has a minimum; what is short comes first, then what may be.

    A photo shows too little of a category if its whole interval is below the minimum, and may do so
    if the lower end is. Without an interval the number is both ends.

    Args:
        photos: all of the same shelf.
        confirm: a category is, or may be, short if at least as many of the photos show too little
            of it, or may do so.
    """
    table = []
    for category, minimum in minimums.items():
        totals = [photo.total(category) for photo in photos]
        intervals = [photo.interval(category) for photo in photos]
        ends = [i or (total, total) for i, total in zip(intervals, totals, strict=True)]
        lows, highs = zip(*ends, strict=True)
        short_in = sum(high < minimum for high in highs)
        maybe_in = sum(low < minimum for low in lows)
        table.append(
            {
                "category": category,
                "minimum": minimum,
                "median": _median(totals),
                "low": _median(lows) if any(intervals) else None,
                "high": _median(highs) if any(intervals) else None,
                "least": min(totals),
                "most": max(totals),
                "short_in": short_in,
                "maybe_in": maybe_in,
                "photos": len(photos),
                "short": SHORT if short_in >= confirm else MAYBE if maybe_in >= confirm else ENOUGH,
            }
        )
    return sorted(table, key=lambda row: (SHORT, MAYBE, ENOUGH).index(row["short"]))


def _median(numbers: Sequence[int]) -> int | float:
    """A whole one without ".0"; of an even number of them it can lie halfway between two."""
    median = statistics.median(numbers)
    return int(median) if median == int(median) else median
