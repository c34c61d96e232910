"""What there is too little of."""

from __future__ import annotations

import os
import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .reading import known_category, raise_problems, read_table, whole_number
from .shelf_photo import ShelfPhoto

COLUMNS = ("category", "minimum", "median", "least", "most", "short_in", "photos", "short")


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
    """COLUMNS of each category that has a minimum; what is short comes first.

    Args:
        photos: all of the same shelf.
        confirm: a category is short if at least as many of the photos show too little of it.
    """
    table = []
    for category, minimum in minimums.items():
        totals = [photo.total(category) for photo in photos]
        short_in = sum(total < minimum for total in totals)
        table.append(
            {
                "category": category,
                "minimum": minimum,
                "median": statistics.median(totals),
                "least": min(totals),
                "most": max(totals),
                "short_in": short_in,
                "photos": len(photos),
                "short": "yes" if short_in >= confirm else "no",
            }
        )
    return sorted(table, key=lambda row: row["short"] == "no")
