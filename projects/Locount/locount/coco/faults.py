"""What is wrong with a COCO file, collected so that the user sees all of it at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, NoReturn

import numpy as np

from ..errors import DatasetError, Misfit, Problem, number_of


class Fault(NamedTuple):
    """One thing wrong with a file.

    Attributes:
        entries: the list of the entry, such as ``annotations``; None for the file as a whole.
        index: position in that list; None for the list as a whole.
        text: what is wrong and how to mend it.
        misfit: the problem is a :class:`locount.errors.Misfit`.
    """

    entries: str | None
    index: int | None  # type: ignore[assignment]  # hides tuple's method
    text: str
    misfit: bool = False

    def __str__(self) -> str:
        if self.entries is None:
            return self.text
        number = "" if self.index is None else f"[{self.index}]"
        return f"{self.entries}{number}: {self.text}"


class Faults(list[Fault]):
    """The faults of one file, in the order in which they were found."""

    def __init__(self, path: str) -> None:
        """
        Args:
            path: of the file, or what else to call it in messages.
        """
        super().__init__()
        self.path = path

    def add(self, entries: str | None, index: int | None, text: str) -> None:
        self.append(Fault(entries, index, text))

    def add_where(
        self,
        bad: np.ndarray,
        entries: str,
        places: np.ndarray,
        text: Callable[[int], str],
        misfit: bool = False,
    ) -> None:
        """A fault for each i with ``bad[i]``, of the entry ``places[i]``."""
        bad = np.flatnonzero(bad)
        places = places[bad].tolist()
        numbers = zip(bad.tolist(), places, strict=True)
        self += (Fault(entries, k, text(i), misfit) for i, k in numbers)

    def problems(self) -> list[Problem]:
        return [(Misfit if f.misfit else Problem)(self.path, None, str(f)) for f in self]

    def stop(self, entries: str | None, text: str) -> NoReturn:
        """Add a fault after which nothing more can be read.

        Raises:
            DatasetError: with all that were found.
        """
        self.add(entries, None, text)
        self.raise_if_any()
        raise AssertionError

    def raise_if_any(self) -> None:
        """Raise what was collected, as one error.

        Raises:
            DatasetError: if there are any.
        """
        if self:
            raise DatasetError(f"{self.path}: {number_of(self)}", self.problems())
