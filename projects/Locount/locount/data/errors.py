"""Problems of datasets, each with its file and line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..errors import MAX_LISTED, InputError, listing


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


class DatasetError(InputError):
    """Data that can't be used as it is.

    The message lists the first ``max_errors`` problems; ``problems`` holds them all.
    """

    def __init__(
        self, title: str, problems: Iterable[Problem] = (), max_errors: int = MAX_LISTED
    ) -> None:
        self.title, self.problems, self.max_errors = title, tuple(problems), max_errors
        # The arguments as they came: exceptions are pickled by them on the way from one process to
        # another.
        super().__init__(title, self.problems, max_errors)

    def __str__(self) -> str:
        if not self.problems:
            return self.title
        return f"{self.title}\n{listing(self.problems, self.max_errors)}"
