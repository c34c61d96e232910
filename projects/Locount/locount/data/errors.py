"""How bad input is reported: every problem with its place, in one error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

MAX_ERRORS = 20


class Problem(NamedTuple):
    """One thing wrong with a dataset.

    Attributes:
        path: the file or folder that must be mended.
        line: line in it, from 1; None where the problem is not one line.
        text: what is wrong and how to mend it.
    """

    path: str
    line: int | None
    text: str

    def __str__(self) -> str:
        return f"{place(self.path, self.line)}: {self.text}"


def place(path: str, line: int | None = None) -> str:
    """``path:line``, which terminals and editors open at the line."""
    return path if line is None else f"{path}:{line}"


def listing(items: Iterable[object], max_items: int) -> str:
    """The first ``max_items`` items, one to a line, and how many more there are."""
    lines = [f"  {item}" for item in items]
    if len(lines) > max_items:
        lines[max_items:] = [f"  ... and {len(lines) - max_items} more"]
    return "\n".join(lines)


class DatasetError(ValueError):
    """Data that can't be used as it is.

    The message lists the first ``max_errors`` problems; ``problems`` holds them all.
    """

    def __init__(
        self, title: str, problems: Iterable[Problem] = (), max_errors: int = MAX_ERRORS
    ) -> None:
        self.title, self.problems, self.max_errors = title, tuple(problems), max_errors
        # The arguments as they came: exceptions are pickled by them on the way from one process to
        # another.
        super().__init__(title, self.problems, max_errors)

    def __str__(self) -> str:
        if not self.problems:
            return self.title
        return f"{self.title}\n{listing(self.problems, self.max_errors)}"
