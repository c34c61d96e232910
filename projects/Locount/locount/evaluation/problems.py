"""Errors of the input, collected so that the user sees all of them at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from locount.errors import MAX_LISTED, InputError


class EvaluationInputError(InputError):
    """Input that can't be evaluated; the message lists the problems and their cures."""


class Problems:
    """The problems of one file, each with the place of the entry it is about."""

    def __init__(self, source: str):
        self.source = source
        self._texts: list[str] = []
        self._num = 0

    def add(self, place: str, text: str) -> None:
        self._num += 1
        if len(self._texts) < MAX_LISTED:
            self._texts.append(f"  {place}: {text}")

    def add_where(
        self, bad: np.ndarray, name: str, places: np.ndarray, text: Callable[[int], str]
    ) -> None:
        """A problem for each i with ``bad[i]``, about entry ``places[i]`` of the list ``name``."""
        bad = np.flatnonzero(bad)
        for i in bad[:MAX_LISTED].tolist():
            self.add(f"{name}[{places[i]}]", text(i))
        self._num += max(0, len(bad) - MAX_LISTED)

    def raise_if_any(self) -> None:
        """
        Raises:
            EvaluationInputError: listing the first of the problems and how many there are.
        """
        if not self._num:
            return
        lines = [f"{self.source}: {self._num} problem{'s' if self._num > 1 else ''}", *self._texts]
        if self._num > len(self._texts):
            lines.append(f"  ... and {self._num - len(self._texts)} more")
        raise EvaluationInputError("\n".join(lines))
