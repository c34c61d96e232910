"""Dataset names in parts: ``PREFIX:PLACE?OPTION=VALUE&OPTION=VALUE``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..errors import DatasetError

_QUERY = re.compile(r"\?([a-z_]+(?:[=&][^?]*)?)$")


class Option(NamedTuple):
    """An option of a dataset name.

    Attributes:
        form: as it is written, for messages.
        read: its value from its text, "" where there is none; a ValueError says what is wrong.
    """

    form: str
    read: Callable[[str], object]


class DatasetName:
    """A name in parts. Values of options are taken as they are written, without ``&`` and ``?``."""

    def __init__(self, text: str) -> None:
        self.text = text
        match = _QUERY.search(text)
        self.place = text[: match.start()] if match else text  # the prefix included
        self._options = match[1].split("&") if match else []

    @property
    def prefix(self) -> str:
        """What is before the first colon; "" for a name without one."""
        prefix, colon, _ = self.place.partition(":")
        return prefix if colon else ""

    def moved(self, place: str) -> DatasetName:
        """The same options of another name, which may have some itself."""
        for option in self._options:
            place = with_option(place, option)
        return DatasetName(place)

    def two_parts(self, form: str) -> tuple[str, str]:
        """What is between the prefix and the last colon, and after it: paths may hold colons.

        Raises:
            DatasetError: with the form, if one is missing.
        """
        first, _, second = self.place.partition(":")[2].rpartition(":")
        if not first or not second:
            raise DatasetError(f"The dataset name {self.text!r} is incomplete: write {form}")
        return os.path.expanduser(first), os.path.expanduser(second)

    def options(self, known: Mapping[str, Option]) -> dict[str, object]:
        """The values of the options.

        Raises:
            DatasetError: for an option that is not known, is given twice or has a wrong value.
        """
        values: dict[str, object] = {}
        for option in self._options:
            key, _, text = option.partition("=")
            reason = "given twice" if key in values else ""
            if key not in known:
                reason = f"not an option; there are {', '.join(o.form for o in known.values())}"
            if not reason:
                try:
                    values[key] = known[key].read(text)
                    continue
                except ValueError as error:
                    reason = f"{error}: write {known[key].form}"
            raise DatasetError(f"The dataset {self.text!r} can't be read: {option!r} is {reason}")
        return values


def with_option(name: str, option: str) -> str:
    """A dataset name with one option more."""
    return f"{name}{'&' if _QUERY.search(name) else '?'}{option}"


def flag(text: str) -> bool:
    if text:
        raise ValueError("an option without a value")
    return True


def whole_number(text: str, least: int = 0) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= least):
        raise ValueError(f"not a whole number from {least} on")
    return int(text)


def positive(text: str) -> int:
    return whole_number(text, 1)


def share(text: str) -> float:
    if not re.fullmatch(r"0(\.[0-9]+)?|1(\.0+)?", text):
        raise ValueError("not a number from 0 to 1")
    return float(text)


def one_of(*choices: str) -> Callable[[str], str]:
    """Reads one of the texts."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"not one of {', '.join(choices)}")
        return text

    return read
