"""From what readers of XML, JSON and texts find to a table: small parts that they share."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from ...counting import MAX_COUNT
from ...errors import Problem
from .dataset import Corners
from .table import NO_COUNT, Table

T = TypeVar("T")

# Of rows of whole numbers. ASCII, so that \d is 0 to 9; nine digits fit into int32.
INTEGER = re.compile(r"\s*-?\d{1,9}\s*", re.ASCII)
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?", re.ASCII)
_MAX_COORDINATE = 1e9  # pixels
# Numbers that labeling tools add to boxes by themselves.
_OF_TOOLS = frozenset({"rotation", "track_id", "z_order", "confidence", "score", "id"})


class Box(NamedTuple):
    """A box as it is written, its numbers finite.

    Attributes:
        count: None where none is written.
        numbers: the names of its other attributes that are numbers.
    """

    line: int
    corners: Corners
    category: str
    count: int | None  # type: ignore[assignment]  # hides tuple's method
    numbers: tuple[str, ...] = ()


class Entries:
    """Collects images with their boxes, and problems.

    Attributes:
        names: the list of categories; where there is none, those of the boxes as they come.
        complete: nothing was passed over that must be said at every start.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = [*names]
        self.images: list[tuple[str, int, tuple[float, float] | None]] = []
        self.boxes: list[tuple] = []
        self.numbers: list[str] = []
        self._category_of = {name: i for i, name in reversed([*enumerate(names)])}
        self.problems: list[Problem] = []
        self.complete = True

    def attempt(
        self, path: str, line: int | None, read: Callable[..., T], *args, element: str = ""
    ) -> T | None:
        """What ``read`` returns of the arguments; None after a ValueError, which is a problem.

        Args:
            path, line, element: where it is read: of a file a line, or an element of JSON.
        """
        try:
            return read(*args)
        except ValueError as error:
            text = f"{element}: {error}" if element else str(error)
            self.problems.append(Problem(path, line, text))
            return None

    def add(
        self,
        name: str,
        line: int,
        size: tuple[float, float] | None,
        boxes: Iterable[Box | None],
    ) -> None:
        """An image with its width and height as they are written, if they are."""
        for box in filter(None, boxes):
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
    if value is None or value != int(value) or abs(value) > MAX_COUNT:
        return None
    return int(value)


def numbers_of(fields: dict[str, object]) -> tuple[float, ...]:
    """Fields of an entry as numbers.

    Raises:
        ValueError: naming those that are not numbers.
    """
    values = {key: parse_number(text) for key, text in fields.items()}
    wrong = [key for key, v in values.items() if v is None or abs(v) > _MAX_COORDINATE]
    if wrong:
        raise ValueError(f"{', '.join(f'{k} is {fields[k]!r}' for k in wrong)}: write a number")
    return tuple(value for value in values.values() if value is not None)


def count_of(texts: Sequence[str]) -> int | None:
    """The count; None where none is written.

    Raises:
        ValueError: for what is not a whole number, and for several counts.
    """
    if len(texts) > 1:
        raise ValueError(f"the count is there more than once ({', '.join(texts)}): keep one")
    count = parse_whole(texts[0]) if texts else None
    if texts and count is None:
        raise ValueError(f"the count is {texts[0]!r}: write a whole number from 1 to {MAX_COUNT}")
    return count


def explain_fields(
    fields: Sequence[str], columns: Sequence[str], is_name: Mapping[str, Callable[[str], bool]]
) -> str:
    """What is wrong with the fields of a row, and how to mend it; "" if nothing is.

    Args:
        is_name: by column, whether a stripped text is right; all others hold whole numbers.
    """
    if len(fields) != len(columns):
        number = "1 column" if len(fields) == 1 else f"{len(fields)} columns"
        text = f"{number} instead of {len(columns)} in {','.join(fields)[:80]!r}"
        return f"{text}: write {','.join(columns)}, no comma inside a name"
    wrong = []
    for column, field in zip(columns, fields, strict=True):
        if column in is_name:
            if not is_name[column](field.strip()):
                wrong.append(f"{column} is {field!r}: write a name of visible characters")
        elif not INTEGER.fullmatch(field):
            wrong.append(f"{column} is {field.strip()!r}: write a whole number of at most 9 digits")
    return "; ".join(wrong)


def is_number_attribute(name: str, value: object) -> bool:
    """Whether an attribute of a box is a number that a person may have written."""
    if name in _OF_TOOLS or isinstance(value, bool):
        return False
    return isinstance(value, int | float) or parse_number(value) is not None


def uncounted(names: Iterable[str]) -> str:
    """What to say about number attributes of boxes if none is a count; "" without any."""
    found = Counter(names)
    if not found:
        return ""
    texts = ", ".join(f"{name!r} ({number} boxes)" for name, number in found.most_common(5))
    name = found.most_common(1)[0][0]
    return (
        f"no box has a count, so each is one item; but there are numbers called {texts}: if one is "
        f"the number of items, say so (convert --count-attribute {name}; ?count={name} in the name "
        "of a dataset), or that none is (an empty name)"
    )
