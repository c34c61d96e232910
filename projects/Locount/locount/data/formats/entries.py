"""From what readers of XML, JSON and YOLO's texts find to a table: small parts that they share."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...errors import Problem
from ..counts import MAX_COUNT
from .dataset import Corners
from .table import NO_COUNT, Table

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)
_MAX_COORDINATE = 1e9  # pixels


class Place(NamedTuple):
    """Where something stands: a line of a file, or an element of it."""

    path: str
    line: int | None = None
    element: str = ""

    def problem(self, text: str) -> Problem:
        """What is wrong here, and how to mend it."""
        return Problem(self.path, self.line, f"{self.element}: {text}" if self.element else text)


class Box(NamedTuple):
    """A box as it is written, its numbers finite.

    Attributes:
        count: None where none is written.
        numbers: the names of its other attributes that are numbers.
    """

    line: int
    corners: Corners
    category: str
    count: int | None
    numbers: tuple[str, ...] = ()


class Entries:
    """Collects images with their boxes, and problems.

    Attributes:
        names: the list of categories; where there is none, those of the boxes as they come.
        complete: nothing was passed over that must be told at every start.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = [*names]
        self.images: list[tuple[str, int, tuple[float, float] | None]] = []
        self.boxes: list[tuple] = []
        self.numbers: list[str] = []
        self._category_of = {name: i for i, name in reversed([*enumerate(names)])}
        self.problems: list[Problem] = []
        self.complete = True

    def add(self, name: str, line: int, size: tuple[float, float] | None, boxes: list[Box]) -> None:
        """An image with its width and height as they are written, if they are."""
        for box in boxes:
            category = self._category_of.setdefault(box.category, len(self.names))
            self.names += [box.category] if category == len(self.names) else []
            count = NO_COUNT if box.count is None else box.count
            self.boxes.append((len(self.images), box.line, *box.corners, category, count))
            self.numbers += box.numbers
        self.images.append((name, line, size))

    def result(self) -> tuple[Table, list[Problem], bool]:
        """The table, the problems, and whether the table may be kept for the next start."""
        return self.table(), self.problems, self.complete

    def table(self) -> Table:
        return Table.of(self.images, np.array(self.boxes), self.names, self.numbers)


def number(value: float) -> str:
    """The shortest decimal that is this number, without ``.0``."""
    return str(int(value)) if value == int(value) else repr(float(value))


def parse_number(text: object) -> float | None:
    """A finite decimal number, white space around it allowed; None for anything else."""
    if not isinstance(text, str) or not _NUMBER.fullmatch(text.strip()):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def parse_whole(text: object) -> int | None:
    """A whole number that a count can be, written as a decimal as well: 3, 3.0 and 3.000000."""
    value = parse_number(text)
    return (
        int(value)
        if value is not None and value == int(value) and abs(value) <= MAX_COUNT
        else None
    )


def numbers_or_problem(
    place: Place, fields: dict[str, object], problems: list[Problem]
) -> list[float] | None:
    """The fields as numbers; None after a problem that names those that are none."""
    values = {key: parse_number(text) for key, text in fields.items()}
    wrong = [key for key, v in values.items() if v is None or abs(v) > _MAX_COORDINATE]
    if wrong:
        texts = ", ".join(f"{key} is {fields[key]!r}" for key in wrong)
        problems.append(place.problem(f"{texts}: write a number"))
        return None
    return list(values.values())


def count_or_problem(
    place: Place, text: str | None, problems: list[Problem]
) -> tuple[int | None, bool]:
    """The count, None where none is written; and whether what is written is a whole number."""
    if text is None:
        return None, True
    count = parse_whole(text)
    if count is None:
        problems.append(place.problem(f"the count is {text!r}: write a whole number from 1 on"))
    return count, count is not None
