"""Tables that users write: every problem with its line, in one error."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..errors import InputError, listing, number_of
from ..texts import read_csv

# Python reads no integers of thousands of digits.
_WHOLE = re.compile(r"[+-]?\d{1,18}")


def read_table(
    path: str | os.PathLike, needed: Sequence[str], optional: Sequence[str] = ()
) -> tuple[list[tuple[int, Mapping[str, Any]]], list[str]]:
    """The lines of a CSV file with a header, each with its number, and what is wrong.

    Args:
        needed, optional: the columns, which come in any order.
    """
    lines = list(read_csv(path))
    header = [cell.strip() for cell in lines[0][1]] if lines else []
    allowed = (*needed, *optional)
    problems = [f"line 1: the column {c!r} is missing" for c in needed if c not in header]
    problems += [
        f"line 1: the column {c!r} is there twice or unknown: there are {', '.join(allowed)}"
        for c in dict.fromkeys(header)
        if c not in allowed or header.count(c) > 1
    ]
    if problems:
        return [], problems
    entries: list[tuple[int, Mapping[str, Any]]] = []
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            problems.append(f"line {number}: it has {len(cells)} cells, the header {len(header)}")
        else:
            entries.append((number, dict(zip(header, map(str.strip, cells), strict=True))))
    if not lines[1:]:
        problems.append("there is no line below the header: write at least one")
    return entries, problems


def raise_problems(path: str | os.PathLike, problems: Sequence[str]) -> None:
    """
    Raises:
        InputError: if there are problems, with all of them.
    """
    if problems:
        raise InputError(f"{path} has {number_of(problems)}:\n{listing(problems)}")


def whole_number(
    entry: Mapping[str, Any], key: str, least: int, most: int | None, problems: list[str]
) -> int | None:
    """The whole number under a key; what is wrong goes to ``problems``."""
    value = entry.get(key, "")
    number = value if isinstance(value, int) and not isinstance(value, bool) else None
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        number = int(value)
    if number is None or number < least or (most is not None and number > most):
        reach = f"from {least} on" if most is None else f"from {least} to {most}"
        problems.append(f"{key} is {value!r}: it must be a whole number {reach}")
        return None
    return number


def known_category(
    entry: Mapping[str, Any], known: Collection[str], problems: list[str]
) -> str | None:
    """The category of an entry; what is wrong goes to ``problems``."""
    value = entry.get("category", "")
    if isinstance(value, str):
        if value not in known:
            value = value.removeprefix("'")  # what to_csv puts before a text like a formula
        if value in known:
            return value
    some = ", ".join(sorted(known)[:10]) + (", ..." if len(known) > 10 else "")
    problems.append(f"category {value!r} is unknown: there are {some or 'none'}")
    return None
