"""Parsing Locount annotation files, lines ``x1,y1,x2,y2,category,count``, into one table.

The columns of a table are arrays, one element per line of the files, because a split of Locount has
570,000 lines and an index is read at every start. Letters: F files, N lines, K category names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..texts import TextError, read_lines
from .errors import Problem
from .mending import Changes, mended_box

COLUMNS = ("x1", "y1", "x2", "y2", "category", "count")

# ASCII, so that \d is 0 to 9; nine digits fit into int32.
_INTEGER = re.compile(r"\s*-?\d{1,9}\s*", re.ASCII)
_LINE = re.compile(
    rf"({_INTEGER.pattern}),({_INTEGER.pattern}),({_INTEGER.pattern}),({_INTEGER.pattern}),"
    rf"([^,]+),({_INTEGER.pattern})",
    re.ASCII,
)


_MEND = "let it be mended (?mend in the dataset's name, convert --mend)"


class AnnotationTable(NamedTuple):
    """The annotations of a list of files, in the order of files and lines.

    Attributes:
        file_id: (N,) int32 position of the file in the list.
        line: (N,) int32 line in the file, from 1.
        box: (N, 4) int32 x1, y1, x2, y2 as they are written, unchecked.
        name_id: (N,) int32 position in ``names``.
        count: (N,) int32, unchecked.
        repeated: (N,) bool, whether an earlier line of the same file says the same.
        names: (K,) str, the category names found, sorted, without white space around them.
    """

    file_id: np.ndarray
    line: np.ndarray
    box: np.ndarray
    name_id: np.ndarray
    count: np.ndarray
    repeated: np.ndarray
    names: np.ndarray


def is_category_name(name: str) -> bool:
    """Whether a stripped text can be a category: not empty, no comma, nothing invisible."""
    return bool(name) and name.isprintable() and "," not in name


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
                wrong.append(f"{field!r} is no category: write a name of visible characters")
        elif not _INTEGER.fullmatch(field):
            wrong.append(f"{column} is {field.strip()!r}: write a whole number of at most 9 digits")
    return "; ".join(wrong)


def parse_files(paths: Sequence[str]) -> tuple[AnnotationTable, list[Problem]]:
    """Read annotation files: UTF-8 with or without BOM, any line ends; empty lines say nothing.

    Returns:
        The table of all well-formed lines, and a problem for every other line and every file that
        is no text.
    """
    rows: list[tuple[int, int, tuple]] = []
    repeated: list[bool] = []
    problems: list[Problem] = []
    for file, path in enumerate(paths):
        seen = set()
        for line, text in _lines(path, problems):
            row = parse_line(text)
            if row is None:
                problems.append(Problem(path, line, explain_line(text)))
                continue
            rows.append((file, line, row))
            repeated.append(row in seen)
            seen.add(row)
    return _table(rows, repeated), problems


def _lines(path: str, problems: list[Problem]) -> Iterable[tuple[int, str]]:
    try:
        lines = read_lines(path)
    except TextError as error:
        problems.append(Problem(path, None, error.reason))
        return []
    return [(i, line) for i, line in enumerate(lines, 1) if line.strip()]


def _table(rows: list[tuple[int, int, tuple]], repeated: list[bool]) -> AnnotationTable:
    names = sorted({row[4] for _, _, row in rows})
    position = {name: i for i, name in enumerate(names)}
    numbers = np.array(
        [(file, line, *row[:4], position[row[4]], row[5]) for file, line, row in rows],
        dtype=np.int32,
    ).reshape(-1, 8)
    file, line, *_, name, count = np.ascontiguousarray(numbers.T)
    return AnnotationTable(
        file_id=file,
        line=line,
        box=np.ascontiguousarray(numbers[:, 2:6]),
        name_id=name,
        count=count,
        repeated=np.array(repeated, dtype=bool),
        names=np.array(names, dtype=str),
    )


def mended_table(
    table: AnnotationTable, paths: Sequence[str], sizes: np.ndarray, changes: Changes
) -> AnnotationTable:
    """The table with reversed corners swapped and boxes cut to their images; arguments as below.

    Boxes of which nothing would be left stay as they are.
    """
    x1, y1, x2, y2 = table.box.T
    height, width = sizes.reshape(-1, 2)[table.file_id].T
    box = table.box.copy()
    wrong = (x1 > x2) | (y1 > y2) | _is_outside(table, height, width)
    for i in np.flatnonzero(wrong).tolist():
        before = tuple(box[i].tolist())
        after, why = mended_box(before, (int(height[i]), int(width[i])))
        if after is not None:
            box[i] = after
            texts = (",".join(map(str, before)), ",".join(map(str, after)))
            changes.add(paths[table.file_id[i]], int(table.line[i]), *texts, why)
    return table._replace(box=box)


def _is_outside(table: AnnotationTable, height: np.ndarray, width: np.ndarray) -> np.ndarray:
    x1, y1, x2, y2 = table.box.T
    over = (np.maximum(x1, x2) > width) | (np.maximum(y1, y2) > height)
    return ((table.box < 0).any(axis=1) | over) & (width > 0)


def box_problems(table: AnnotationTable, paths: Sequence[str], sizes: np.ndarray) -> list[Problem]:
    """Impossible boxes and counts: one problem for each, in the order of files and lines.

    Args:
        paths: the F files.
        sizes: (F, 2) height and width of each file's image, 0 where unknown.
    """
    x1, y1, x2, y2 = table.box.T
    height, width = sizes.reshape(-1, 2)[table.file_id].T
    outside = _is_outside(table, height, width)
    found = {
        "the left edge x1={0} is right of x2={2}: swap them, or {mend}": x1 > x2,
        "the top edge y1={1} is below y2={3}: swap them, or {mend}": y1 > y2,
        "the box has no area (x1={0}, y1={1}, x2={2}, y2={3}): correct or delete the line": (
            (x1 == x2) | (y1 == y2)
        ),
        "the box {0},{1},{2},{3} reaches outside its image of {5}x{6} pixels: "
        "cut the box to the image, look whether the file belongs to another image, or {mend}": (
            outside
        ),
        "the count {4} is below 1: write the number of items in the box, or delete the line": (
            table.count < 1
        ),
    }
    entries = []
    for text, mask in found.items():
        for i in np.flatnonzero(mask).tolist():
            values = (*table.box[i].tolist(), int(table.count[i]), int(width[i]), int(height[i]))
            problem = Problem(
                paths[table.file_id[i]], int(table.line[i]), text.format(*values, mend=_MEND)
            )
            entries.append((i, problem))
    return [problem for _, problem in sorted(entries, key=lambda entry: entry[0])]
