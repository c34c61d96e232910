"""What should stand where: plans, read and written as CSV and JSON."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import MAX_LISTED, InputError
from ..files import to_csv, to_json
from ..texts import read_json
from .reading import known_category, raise_problems, read_table, whole_number
from .shelf_photo import MAX_COUNT, ShelfPhoto

# The least and the largest value of each number of a place.
_RANGES = {
    "row": (1, None),
    "position": (1, None),
    "facings": (1, MAX_COUNT),
    "tolerance": (0, None),
}


class Place(NamedTuple):
    """Facings of one category side by side.

    Attributes:
        row: from 1 at the top.
        position: from 1 at the left.
        facings: from 1.
        tolerance: facings that there may be less or more.
    """

    row: int
    position: int
    category: str
    facings: int
    tolerance: int = 0


def runs_of(photo: ShelfPhoto) -> list[tuple[Place, list[int]]]:
    """What a photo shows, as a plan, and the boxes of each place.

    Neighbors of one category on the board are one place; what stands on them and is of another
    category is a place after theirs.
    """
    rows, runs = photo.rows, []
    for row in range(len(rows)):
        members = rows.members(row).tolist()
        position = 0
        base = [i for i in members if rows.level[i] == 0]
        for category, run in groupby(base, key=lambda i: photo.categories[i]):
            by_category = {category: list(run)}
            below = {int(rows.position[i]) for i in by_category[category]}
            for i in members:
                if rows.level[i] and rows.position[i] in below:
                    by_category.setdefault(photo.categories[i], []).append(i)
            for name, boxes in by_category.items():
                position += 1
                place = Place(row + 1, position, name, int(photo.facings[boxes].sum()))
                runs.append((place, boxes))
    return runs


def plan_bytes(plan: Sequence[Place], path: Path) -> bytes:
    """The content of a plan file, by the path's ending.

    Raises:
        InputError: for an ending that is neither .csv nor .json.
    """
    rows = [place._asdict() for place in plan]
    return to_csv(rows, Place._fields) if _is_csv(path) else to_json(rows)


def read_plan(path: str | os.PathLike, known: Collection[str]) -> list[Place]:
    """A plan, by row and position.

    A CSV file has a header with row, position, category, facings and, where it is wanted,
    tolerance, in any order. A JSON file has a list of objects of these keys.

    Args:
        known: the categories that can be found.

    Raises:
        InputError: with all problems and their lines (of JSON: entries).
    """
    word = "line"
    entries: list[tuple[int, Any]] = []
    problems: list[str] = []
    if _is_csv(path):
        entries[:], problems = read_table(path, Place._fields[:4], Place._fields[4:])
    else:
        word, content = "entry", read_json(path)
        if isinstance(content, list) and content:
            entries = list(enumerate(content, 1))
        else:
            problems = ['it is not a list of places: write [{"row": 1, "position": 1, ...}, ...]']
    plan: dict[tuple[int, int], Place] = {}
    first: dict[tuple[int, int], int] = {}
    for number, entry in entries:
        place, wrong = _place(entry, known)
        if place is not None:
            if first.setdefault(place[:2], number) != number:
                wrong.append(
                    f"row {place.row}, position {place.position} is that of {word} "
                    f"{first[place[:2]]} already: give each place once"
                )
            plan[place[:2]] = place
        problems += [f"{word} {number}: {text}" for text in wrong]
    rows = {row for row, _ in plan}
    some = range(1, min(max(rows, default=0), len(plan) + MAX_LISTED) + 1)
    problems += [
        f"row {row} is missing: number rows from 1 at the top without leaving one out"
        for row in some
        if row not in rows
    ]
    raise_problems(path, problems)
    return [plan[key] for key in sorted(plan)]


def _is_csv(path: str | os.PathLike) -> bool:
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (".csv", ".json"):
        raise InputError(f"{path} ends in neither .csv nor .json: plans are one of the two")
    return suffix == ".csv"


def _place(entry: Any, known: Collection[str]) -> tuple[Place | None, list[str]]:
    """The place that an entry is about, if it can be told, and what is wrong with it."""
    if not isinstance(entry, Mapping):
        return None, [f"it is {entry!r}: write an object with {', '.join(Place._fields)}"]
    problems = [
        f"the key {key!r} is unknown: there are {', '.join(Place._fields)}"
        for key in entry
        if key not in Place._fields
    ]
    if entry.get("tolerance", "") == "":
        entry = {**entry, "tolerance": 0}
    numbers = {key: whole_number(entry, key, *ends, problems) for key, ends in _RANGES.items()}
    category = known_category(entry, known, problems)
    if numbers["row"] is None or numbers["position"] is None:
        return None, problems
    # What is wrong is None; the plan is refused then.
    fields = {**numbers, "category": category}
    return Place._make(fields[name] for name in Place._fields), problems
