"""How bad input is reported: every problem with its place and cure, in one error."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sized

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
        except UnicodeEncodeError:  # a surrogate that stands for no byte
            return f"\\u{ord(match[0]):04x}"

    return _UNPRINTABLE.sub(escape, text)


def listing(items: Iterable[object], max_items: int = MAX_LISTED) -> str:
    """The first ``max_items`` items, one to a line, and how many more there are."""
    lines = [f"  {printable(str(item), keep=chr(10))}" for item in items]
    if len(lines) > max_items:
        lines[max_items:] = [f"  ... and {len(lines) - max_items} more"]
    return "\n".join(lines)


def number_of(problems: Sized) -> str:
    """``one problem``, or ``2 problems``."""
    return "one problem" if len(problems) == 1 else f"{len(problems)} problems"
