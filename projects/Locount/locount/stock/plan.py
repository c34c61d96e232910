"""What should stand where: plans, read and written as CSV and JSON."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import MAX_LISTED, InputError, listing
from ..files import to_csv, to_json
from ..texts import read_csv, read_json
from .shelf_photo import ShelfPhoto


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
    word, entries, problems = _entries(path)
    seen: dict[tuple[int, int], int] = {}
    plan = []
    for number, entry in entries:
        place, wrong = _place(entry, known)
        if place is not None:
            first = seen.setdefault(place[:2], number)
            if first != number:
                wrong.append(
                    f"row {place.row}, position {place.position} is that of {word} {first} "
                    "already: give each place once"
                )
            plan.append(place)
        problems += [f"{word} {number}: {text}" for text in wrong]
    rows = {place.row for place in plan}
    some = range(1, min(max(rows, default=0), len(plan) + MAX_LISTED) + 1)
    problems += [
        f"row {row} is missing: number rows from 1 at the top without leaving one out"
        for row in some
        if row not in rows
    ]
    if not entries and not problems:
        problems.append("there is no position in it: write at least one")
    if problems:
        number = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise InputError(f"The plan {path} has {number}:\n{listing(problems)}")
    return sorted(plan)


def _is_csv(path: str | os.PathLike) -> bool:
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (".csv", ".json"):
        raise InputError(f"{path} ends in neither .csv nor .json: plans are one of the two")
    return suffix == ".csv"


def _entries(
    path: str | os.PathLike,
) -> tuple[str, list[tuple[int, Mapping[str, Any]]], list[str]]:
    """What a number counts, the entries with theirs, and what is wrong with the whole."""
    needed, allowed = Place._fields[:4], Place._fields
    if not _is_csv(path):
        content = read_json(path)
        if not isinstance(content, list):
            return "entry", [], ['it is not a list: write [{"row": 1, "position": 1, ...}, ...]']
        return "entry", list(enumerate(content, 1)), []
    lines = list(read_csv(path))
    _, header = lines[0] if lines else (1, [])
    header = [cell.strip() for cell in header]
    problems = [f"line 1: the column {c!r} is missing" for c in needed if c not in header]
    problems += [
        f"line 1: the column {c!r} is there twice or unknown: there are {', '.join(allowed)}"
        for c in dict.fromkeys(header)
        if c not in allowed or header.count(c) > 1
    ]
    if problems:
        return "line", [], problems
    entries = []
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            problems.append(f"line {number}: it has {len(cells)} cells, the header {len(header)}")
        else:
            entries.append((number, dict(zip(header, (c.strip() for c in cells), strict=True))))
    return "line", entries, problems


def _place(entry: Any, known: Collection[str]) -> tuple[Place | None, list[str]]:
    """The place that an entry names, if it can be told, and what is wrong with it."""
    if not isinstance(entry, Mapping):
        return None, [f"it is {entry!r}: write an object with {', '.join(Place._fields)}"]
    problems = [
        f"the key {key!r} is unknown: there are {', '.join(Place._fields)}"
        for key in entry
        if key not in Place._fields
    ]
    numbers = []
    for key in ("row", "position", "facings", "tolerance"):
        least, given = 1, entry.get(key, "")
        if key == "tolerance":
            least, given = 0, 0 if given == "" else given
        number = whole_number(given)
        if number is None or number < least:
            problems.append(f"{key} is {given!r}: it must be a whole number from {least} on")
            number = 0
        numbers.append(number)
    row, position, facings, tolerance = numbers
    category = known_category(entry.get("category"), known, problems)
    place = Place(row, position, category, facings, tolerance) if row and position else None
    return place, problems


def whole_number(value: Any) -> int | None:
    """What a cell or JSON says; None for anything but a whole number."""
    if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def known_category(value: Any, known: Collection[str], problems: list[str]) -> str:
    """A category as it is called; what is wrong goes to ``problems``."""
    if isinstance(value, str) and value not in known:
        value = value.removeprefix("'")  # what to_csv puts before a text like a formula
    if isinstance(value, str) and value in known:
        return value
    some = ", ".join(sorted(known)[:10]) + (", ..." if len(known) > 10 else "")
    problems.append(f"category {value!r} is unknown: there are {some or 'none'}")
    return ""
