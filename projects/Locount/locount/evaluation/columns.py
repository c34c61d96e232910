"""JSON entries (a list of dicts) to columns (numpy arrays), every problem reported with its entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from .problems import Problems


@dataclass(frozen=True)
class Field:
    """What an entry's key must hold.

    ``kind``: "id" (integer or text), "text", "integer" (3.0 passes, 2.5 doesn't), "number", "flag" (0, 1 or a boolean) or "box" (4
    numbers). ``default``: stands in for a missing key; without one the key is required.
    """

    kind: str
    default: Any = None


_WANTED = {
    "id": "an integer or a text",
    "text": "a text",
    "integer": "an integer",
    "number": "a number",
    "flag": "0 or 1",
    "box": "a list of 4 numbers: x, y, width, height",
}
_DTYPES = {
    "integer": np.int64,
    "number": np.float64,
    "flag": np.bool_,
    "text": np.str_,
    "box": np.float64,
}


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def _fits(value: Any, kind: str) -> bool:
    if kind == "number":
        return _is_number(value)
    if kind == "integer":
        # beyond 63 bits there is no int64 for it
        return _is_number(value) and value == value // 1 and abs(value) < 2**63
    if kind == "text":
        return isinstance(value, str)
    if kind == "id":
        return isinstance(value, str) or (isinstance(value, Integral) and _fits(value, "integer"))
    if kind == "flag":
        return isinstance(value, bool | np.bool_) or (_is_number(value) and value in (0, 1))
    is_list = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
    return is_list and len(value) == 4 and all(map(_is_number, value))


def _fit_all(values: list, kind: str) -> bool:
    """Like :func:`_fits` of every value, but fast for the types that a JSON reader makes."""
    if kind == "box":
        if not all(type(v) is list and len(v) == 4 for v in values):
            return all(_fits(v, kind) for v in values)
        return all(_fit_all([v[i] for v in values], "number") for i in range(4))
    types = set(map(type, values))
    plain = {"number": {int, float}, "integer": {int}, "id": {int}, "flag": {bool}, "text": {str}}[
        kind
    ]
    if types <= plain and (
        kind not in ("id", "integer") or max(map(abs, values), default=0) < 2**63
    ):
        return True
    return all(_fits(v, kind) for v in values)


def _array(values: list, kind: str) -> np.ndarray:
    if kind == "id":
        return np.array(
            values, dtype=np.int64 if not values or isinstance(values[0], Integral) else np.str_
        )
    array = np.array(values, dtype=_DTYPES[kind])
    return array.reshape(-1, 4) if kind == "box" else array


def read_columns(
    entries: Any, name: str, fields: dict[str, Field], problems: Problems
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The fields of ``entries`` as arrays: (N,), or (N, 4) for boxes.

    Entries with a missing key or a wrong type are reported to ``problems`` as ``name[i]`` and left out.

    Returns:
        The places in ``entries`` of the N good ones, and the arrays by key.
    """
    if not isinstance(entries, list | tuple):
        problems.add(
            name, f"is {type(entries).__name__}, not a list; is this another kind of file?"
        )
        entries = []
    try:
        values = {
            key: [e.get(key, f.default) for e in entries]
            if f.default is not None
            else [e[key] for e in entries]
            for key, f in fields.items()
        }
        good = all(_fit_all(values[key], f.kind) for key, f in fields.items())
    except (KeyError, TypeError, AttributeError):
        good = False
    places = np.arange(len(entries))
    if not good:
        ok = [_check_entry(e, f"{name}[{i}]", fields, problems) for i, e in enumerate(entries)]
        places = np.flatnonzero(ok)
        values = {
            key: [entries[i].get(key, f.default) for i in places] for key, f in fields.items()
        }
    arrays = {}
    for key, f in fields.items():
        if f.kind == "id" and len({isinstance(v, str) for v in values[key]}) > 1:
            problems.add(
                name, f'"{key}" is a text in some entries and an integer in others: write all alike'
            )
            values[key] = [str(v) for v in values[key]]
        arrays[key] = _array(values[key], f.kind)
    return places, arrays


def _check_entry(entry: Any, place: str, fields: dict[str, Field], problems: Problems) -> bool:
    if not isinstance(entry, dict):
        problems.add(place, f"is {entry!r:.50}, not an object with keys {', '.join(fields)}")
        return False
    good = True
    for key, field in fields.items():
        if key not in entry:
            if field.default is None:
                problems.add(place, f'has no "{key}": add it, {_WANTED[field.kind]}')
                good = False
        elif not _fits(entry[key], field.kind):
            problems.add(place, f'"{key}" is {entry[key]!r:.50}; it must be {_WANTED[field.kind]}')
            good = False
    return good
