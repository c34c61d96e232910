"""Rows ``image,x1,y1,x2,y2,class,width,height``.

The train file has 1.2 million. So columns are converted many rows at a time, and row by row only
where something among them is wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ....errors import Problem
from ....texts import TextError, read_csv
from ..entries import explain_fields
from ..limits import is_plain_name
from ..table import Table

COLUMNS = ("image", "x1", "y1", "x2", "y2", "class", "width", "height")
_NUMBERS = (1, 2, 3, 4, 6, 7)
_CHUNK = 50_000  # rows; all of the file as Python objects would take a gigabyte


def parse_csv(path: str) -> tuple[Table, list[Problem]]:
    """Read a file: as locount.texts does, fields quoted or not; empty lines are ignored.

    Returns:
        The table of all well-formed rows, images and classes in the order of their first ones; and
        a problem for every other row. A file that can't be read to its end is a problem, too.
    """
    images: dict[str, int] = {}
    classes: dict[str, int] = {}
    columns = [np.empty((9, 0), dtype=np.int32)]
    problems: list[Problem] = []
    try:
        rows = read_csv(path)
        while chunk := list(itertools.islice(rows, _CHUNK)):
            if not _is_plain([row for _, row in chunk]):
                faults = [explain_row(row) for _, row in chunk]
                rows_and_faults = list(zip(chunk, faults, strict=True))
                problems += [Problem(path, line, f) for (line, _), f in rows_and_faults if f]
                chunk = [numbered for numbered, f in rows_and_faults if not f]
            columns.append(_columns(chunk, images, classes))
    except TextError as error:
        problems.append(Problem(path, None, error.reason))
    image, category, line, x1, y1, x2, y2, width, height = joined = np.hstack(columns)
    first = np.unique(image, return_index=True)[1]
    sizes = joined[7:].T
    differs = (sizes != sizes[first][image]).any(axis=1)
    for row in np.flatnonzero(differs).tolist():
        other = first[image[row]]
        text = (
            f"width and height are {width[row]},{height[row]}, but {width[other]},{height[other]} "
            f"in line {line[other]}, which names the same image: correct one of them"
        )
        problems.append(Problem(path, int(line[row]), text))
    boxes = np.stack([image, line, x1, y1, x2, y2, category, np.ones_like(line)], axis=1)
    listed = zip(images, line[first].tolist(), map(tuple, sizes[first].tolist()), strict=True)
    return Table.of(list(listed), boxes[~differs], list(classes)), problems


def explain_row(row: Sequence[str]) -> str:
    """What is wrong with a row and how to mend it; empty if nothing is."""
    if {field.strip().lower() for field in row} >= {"x1", "y1", "x2", "y2"}:
        columns = ",".join(COLUMNS)
        return f"is a header line: delete it, and check that the columns are {columns}"
    return explain_fields(row, COLUMNS, {"image": is_plain_name, "class": is_plain_name})


def _is_plain(rows: Sequence[Sequence[str]]) -> bool:
    """Whether all rows are well-formed, with neither a minus sign nor white space in a number.

    It says so of nearly all files at once; :func:`explain_row` looks at the rows of the others.
    """
    if any(len(row) != len(COLUMNS) for row in rows):
        return False
    columns = list(zip(*rows, strict=True))
    for i in _NUMBERS:
        digits, lengths = "".join(columns[i]), set(map(len, columns[i]))
        if not (digits.isascii() and digits.isdigit() and 0 < min(lengths) <= max(lengths) < 10):
            return False
    return all(is_plain_name(name.strip()) for name in {*columns[0], *columns[5]})


def _columns(
    chunk: Sequence[tuple[int, Sequence[str]]], images: dict[str, int], classes: dict[str, int]
) -> np.ndarray:
    """(9, N) int32 image, class, line and the numbers of well-formed rows; new names get ids."""
    if not chunk:
        return np.empty((9, 0), dtype=np.int32)
    lines, rows = zip(*chunk, strict=True)
    columns = list(zip(*rows, strict=True))
    names = ((columns[0], images), (columns[5], classes))
    ids = [[known.setdefault(name.strip(), len(known)) for name in n] for n, known in names]
    return np.array([*ids, lines, *(list(map(int, columns[i])) for i in _NUMBERS)], dtype=np.int32)
