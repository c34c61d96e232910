"""How bad input is reported: every problem with its place and cure, in one error."""

from __future__ import annotations

from collections.abc import Iterable

MAX_LISTED = 20


class InputError(ValueError):
    """Input that can't be used as it is; the message says where, what is wrong and how to mend it.

    The command line prints it without a traceback and ends with status 2.
    """


def listing(items: Iterable[object], max_items: int = MAX_LISTED) -> str:
    """The first ``max_items`` items, one to a line, and how many more there are."""
    lines = [f"  {item}" for item in items]
    if len(lines) > max_items:
        lines[max_items:] = [f"  ... and {len(lines) - max_items} more"]
    return "\n".join(lines)
