"""Parsing SKU-110K annotation files, rows ``image,x1,y1,x2,y2,class,width,height``.

The train file has 1.2 million rows. So columns are converted many rows at a time, and row by row
only where something among them is wrong. Letters: N rows, F images, K classes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..texts import TextError, read_csv
from .errors import Problem

COLUMNS = ("image", "x1", "y1", "x2", "y2", "class", "width", "height")
_NUMBERS = (1, 2, 3, 4, 6, 7)
_INTEGER = re.compile(r"\s*-?\d{1,9}\s*", re.ASCII)  # nine digits fit into int32
_CHUNK = 50_000  # rows; all of the file as Python objects would take a gigabyte


class RowTable(NamedTuple):
    """The well-formed rows of a file, in its order.

    Attributes:
        image_id: (N,) int32 position in ``images``.
        line: (N,) int32 line in the file, from 1.
        box: (N, 4) int32 x1, y1, x2, y2 as they are written, unchecked.
        size: (N, 2) int32 height, width of the image as they are written, unchecked.
        class_id: (N,) int32 position in ``classes``.
        images: (F,) str, the images in the order of their first rows.
        classes: (K,) str, the classes in the order of their first rows.
    """

    image_id: np.ndarray
    line: np.ndarray
    box: np.ndarray
    size: np.ndarray
    class_id: np.ndarray
    images: np.ndarray
    classes: np.ndarray


def parse_csv(path: str) -> tuple[RowTable, list[Problem]]:
    """Read a file: as locount.texts does, fields quoted or not; empty lines say nothing.

    Returns:
        The table of all well-formed rows, and a problem for every other row. A file that can't be
        read to its end is a problem, too.
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
    numbers = np.hstack(columns)
    return RowTable(
        image_id=numbers[0],
        class_id=numbers[1],
        line=numbers[2],
        box=np.ascontiguousarray(numbers[3:7].T),
        size=np.ascontiguousarray(numbers[[8, 7]].T),
        images=np.array(list(images), dtype=str),
        classes=np.array(list(classes), dtype=str),
    ), problems


def explain_row(row: Sequence[str]) -> str:
    """What is wrong with a row and how to mend it; empty if nothing is."""
    columns = ",".join(COLUMNS)
    if len(row) != len(COLUMNS):
        number = "1 column" if len(row) == 1 else f"{len(row)} columns"
        return f"{number} instead of {len(COLUMNS)} in {','.join(row)[:80]!r}: write {columns}"
    if {field.strip().lower() for field in row} >= {"x1", "y1", "x2", "y2"}:
        return f"is a header line: delete it, and see that the columns are {columns}"
    wrong = [
        f"{COLUMNS[i]} is {row[i].strip()!r}: write a whole number of at most 9 digits"
        for i in _NUMBERS
        if not _INTEGER.fullmatch(row[i])
    ]
    wrong += [
        f"{COLUMNS[i]} is {row[i]!r}: write a name of visible characters"
        for i in (0, 5)
        if not _is_name(row[i].strip())
    ]
    return f"{'; '.join(wrong)} (the columns are {columns})" if wrong else ""


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
    return all(_is_name(name.strip()) for name in {*columns[0], *columns[5]})


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


def _is_name(text: str) -> bool:
    return bool(text) and text.isprintable()
