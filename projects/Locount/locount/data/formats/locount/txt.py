"""Lines ``x1,y1,x2,y2,category,count``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ....errors import Problem
from ..entries import INTEGER, Box, Entries, explain_fields
from ..folders import lines_of
from .categories import is_category_name

COLUMNS = ("x1", "y1", "x2", "y2", "category", "count")

_INTEGER = f"({INTEGER.pattern})"
_LINE = re.compile(",".join([*[_INTEGER] * 4, "([^,]+)", _INTEGER]), re.ASCII)


def parse_line(line: str) -> tuple[int, int, int, int, str, int] | None:
    """The six values, the name stripped on both sides; None if the line doesn't have the form."""
    match = _LINE.fullmatch(line)
    if match is None:
        return None
    x1, y1, x2, y2, name, count = match.groups()
    name = name.strip()
    if not is_category_name(name):
        return None
    return int(x1), int(y1), int(x2), int(y2), name, int(count)


def explain_line(line: str) -> str:
    """What is wrong with a line that :func:`parse_line` refuses, and how to mend it."""
    return explain_fields(line.split(","), COLUMNS, {"category": is_category_name})


def parse_files(paths: Iterable[str]) -> Entries:
    """Read annotation files: UTF-8 with or without BOM, any line ends; empty lines are ignored.

    Returns:
        All well-formed lines, each file as an image without a name; and a problem for every other
        line and every file that is not text.
    """
    entries = Entries()
    for path in paths:
        boxes = []
        for number, line in enumerate(lines_of(path, entries.problems), 1):
            row = parse_line(line)
            if row is not None:
                boxes.append(Box(number, row[:4], *row[4:]))
            elif line.strip():
                entries.problems.append(Problem(path, number, explain_line(line)))
        entries.add("", 0, None, boxes)
    return entries
