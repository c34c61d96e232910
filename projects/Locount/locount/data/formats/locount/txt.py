"""Lines ``x1,y1,x2,y2,category,count``."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ....errors import Problem
from ..entries import Box, Entries
from ..folders import lines_of
from .categories import is_category_name

COLUMNS = ("x1", "y1", "x2", "y2", "category", "count")

# ASCII, so that \d is 0 to 9; nine digits fit into int32.
_INTEGER = re.compile(r"\s*-?\d{1,9}\s*", re.ASCII)
_LINE = re.compile(
    rf"({_INTEGER.pattern}),({_INTEGER.pattern}),({_INTEGER.pattern}),({_INTEGER.pattern}),"
    rf"([^,]+),({_INTEGER.pattern})",
    re.ASCII,
)


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
    fields = line.split(",")
    if len(fields) != len(COLUMNS):
        columns = "1 column" if len(fields) == 1 else f"{len(fields)} columns"
        return (
            f"{columns} instead of {len(COLUMNS)} in {line.strip()!r}: "
            f"write {','.join(COLUMNS)}, no comma inside a category name"
        )
    wrong = []
    for column, field in zip(COLUMNS, fields, strict=True):
        if column == "category":
            if not is_category_name(field.strip()):
                wrong.append(f"{field!r} is not a category: write a name of visible characters")
        elif not _INTEGER.fullmatch(field):
            wrong.append(f"{column} is {field.strip()!r}: write a whole number of at most 9 digits")
    return "; ".join(wrong)


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
