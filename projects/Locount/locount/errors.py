"""How bad input is reported: every problem with its place and cure, in one error."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable, Sequence, Sized
from typing import NamedTuple

MAX_LISTED = 20
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


class InputError(ValueError):
    """Input that can't be used as it is; the message says where, what is wrong and how to mend it.

    The command line prints it without a traceback and ends with status 2.
    """


def printable(text: str, keep: str = "") -> str:
    """A text with escapes for what would command the terminal or is not Unicode.

    File names can hold both; bytes of a name that are not UTF-8 are written as in ``caf\\xe9.jpg``.

    Args:
        keep: characters that stay as they are.
    """

    def escape(match: re.Match) -> str:
        if match[0] in keep:
            return match[0]
        try:
            return "".join(f"\\x{byte:02x}" for byte in os.fsencode(match[0]))
        except UnicodeEncodeError:  # a surrogate that encodes no byte
            return f"\\u{ord(match[0]):04x}"

    return _UNPRINTABLE.sub(escape, text)


def listing(items: Iterable[object], max_items: int = MAX_LISTED) -> str:
    """The first ``max_items`` items, one to a line, and how many more there are."""
    items = tuple(items)
    lines = [f"  {printable(str(item), keep=chr(10))}" for item in items[:max_items]]
    if len(items) > max_items:
        lines.append(f"  ... and {len(items) - max_items} more")
    return "\n".join(lines)


def some(values: Sequence[object], most: int = 10) -> str:
    """The first values in one line."""
    return ", ".join(map(str, values[:most])) + (", …" if len(values) > most else "")


def require(extra: str, *modules: str) -> None:
    """Import modules that are not needed by everyone.

    Args:
        extra: the extra of this package that brings them.

    Raises:
        InputError: if one is not installed.
    """
    try:
        for module in modules:
            importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"{error.name} is not installed: pip install 'locount[{extra}]', or -e '.[{extra}]' in "
            "a checkout"
        ) from error


def number_of(problems: Sized) -> str:
    """``one problem``, or ``2 problems``."""
    return "one problem" if len(problems) == 1 else f"{len(problems)} problems"


def counted(number: int, one: str, more: str) -> str:
    """``1 box``, or ``2 boxes``."""
    return f"{number} {one if number == 1 else more}"


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
        # Terminals and editors open path:line at the line.
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.text}"


class Misfit(Problem):
    """A box or a written size that does not fit its image."""


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
