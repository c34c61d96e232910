"""What there is too little of."""

from __future__ import annotations

import os
import statistics
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..errors import InputError, listing
from ..texts import read_csv
from .plan import known_category, whole_number
from .shelf_photo import ShelfPhoto

COLUMNS = ("category", "minimum", "median", "least", "most", "short_in", "photos", "short")


def read_minimums(path: str | os.PathLike, known: Collection[str]) -> dict[str, int]:
    """The least number of items of each category: a CSV file with the header category,minimum.

    Args:
        known: the categories that can be found.

    Raises:
        InputError: with all problems and their lines.
    """
    lines = list(read_csv(path))
    header = [cell.strip() for cell in lines[0][1]] if lines else []
    if sorted(header) != ["category", "minimum"]:
        raise InputError(f"{path}, line 1: write the header category,minimum (it is {header})")
    minimums: dict[str, int] = {}
    seen: dict[str, int] = {}
    problems = []
    for number, cells in lines[1:]:
        if len(cells) != 2:
            problems.append(f"line {number}: it has {len(cells)} cells and not two")
            continue
        entry, wrong = dict(zip(header, (cell.strip() for cell in cells), strict=True)), []
        category = known_category(entry["category"], known, wrong)
        minimum = whole_number(entry["minimum"])
        if minimum is None or minimum < 0:
            wrong.append(f"minimum is {entry['minimum']!r}: it must be a whole number from 0 on")
        elif category and seen.setdefault(category, number) != number:
            wrong.append(f"category {category!r} has a minimum in line {seen[category]} already")
        else:
            minimums[category] = minimum
        problems += [f"line {number}: {text}" for text in wrong]
    if not lines[1:]:
        problems.append("there is no category in it: write at least one")
    if problems:
        number = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise InputError(f"The minimums {path} have {number}:\n{listing(problems)}")
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
