"""Flat lists of JSON objects to columns, compiled and in threads.

What detectors write is such a list: numbers, and boxes of four. Anything else (texts, nested
values, missing keys, escapes, what is not JSON) is left to the readers of :mod:`.columns`, which
decide what is legal. Where this one reads a list it gives what those give, to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from math import isinf

import msgspec
import numpy as np

from ..compiled import loop
from ..files import usable_cpus
from . import columns
from .doubles import to_double

INTEGER, NUMBER, BOX, FLAG = range(4)

_MAX_KEYS = 64  # of an object
_MAX_ODD = 4096  # numbers of one part that are left to Python
_WINDOW = 1 << 16  # bytes in which the end of an object is looked for
_FAILED = -1


# What scans numbers and white space ends only at the comma or bracket after every part.


@loop
def at(array, i):
    """An element, of an index that is not below 0: half the time of what Python's rule takes."""
    return array[np.uint64(i)]


@loop
def _skip_space(data, i):
    while at(data, i) <= 32 and (
        at(data, i) == 32 or at(data, i) == 10 or at(data, i) == 13 or at(data, i) == 9
    ):
        i += 1
    return i


@loop
def _scan_digits(data, i, number):
    """The place after a run of digits, and the number that they go on."""
    while True:
        digit = at(data, i) - np.uint8(48)
        if digit > 9:
            break
        number = number * np.uint64(10) + np.uint64(digit)
        i += 1
    return i, number


@loop
def _scan_number(data, i):
    """A JSON number from place ``i`` on.

    Returns:
        The place after it, ``_FAILED`` if there is none; its digits as an integer; how many of
        these count; the power of ten; whether it is negative, and whether it is written as an
        integer.
    """
    none = (_FAILED, np.uint64(0), 0, 0, False, False)
    negative = at(data, i) == 45
    i += negative
    first = i
    i, digits = _scan_digits(data, i, np.uint64(0))
    num = i - first
    if num == 0 or (num > 1 and at(data, first) == 48):
        return none
    power, integer = 0, True
    if at(data, i) == 46:
        start, integer = i + 1, False
        i, digits = _scan_digits(data, start, digits)
        power = start - i
        num -= power
        if power == 0:
            return none
    if at(data, i) == 101 or at(data, i) == 69:
        i, integer = i + 1, False
        minus = at(data, i) == 45
        i += at(data, i) == 45 or at(data, i) == 43
        start = i
        i, exponent = _scan_digits(data, i, np.uint64(0))
        if i == start or i - start > 4:
            return none
        power += -np.int64(exponent) if minus else np.int64(exponent)
    if num > 19:
        j = first
        while j < i and (at(data, j) == 48 or at(data, j) == 46):
            num -= at(data, j) == 48
            j += 1
    return i, digits, num, power, negative, integer


@loop
def _skip_text(data, i, stop):
    """The place after a text whose first quote is at ``i``; ``_FAILED`` for escapes."""
    i += 1
    while i < stop and at(data, i) != 34:
        if at(data, i) == 92 or at(data, i) < 32:
            return _FAILED
        i += 1
    return i + 1 if i < stop else _FAILED


@loop
def _is_word(data, i, stop, words, first, last):
    length = last - first
    if i + length > stop:
        return False
    j = 0
    while j < length and at(data, i + j) == at(words, first + j):
        j += 1
    return j == length


_WORDS = np.frombuffer(b"truefalsenull", np.uint8)
_WORD_START = (0, 4, 9, 13)


@loop
def _skip_value(data, i, stop):
    """The place after a plain value; ``_FAILED`` for others."""
    if i >= stop:
        return _FAILED
    if at(data, i) == 34:
        return _skip_text(data, i, stop)
    for k in range(3):
        if _is_word(data, i, stop, _WORDS, _WORD_START[k], _WORD_START[k + 1]):
            return i + _WORD_START[k + 1] - _WORD_START[k]
    return _scan_number(data, i)[0]


@loop
def count_objects(data, start, stop):
    num = 0
    for i in range(start, stop):
        num += at(data, i) == 123
    return num


@loop
def _read_double(data, i, target, place, odd, num_odd):
    """Read a number into ``target[place]``, or note in ``odd`` what Python has to do.

    Returns:
        The place after it or ``_FAILED``, and how many numbers are noted.
    """
    start = i
    i, digits, num, power, negative, _ = _scan_number(data, i)
    if i == _FAILED:
        return i, num_odd
    value, known = to_double(digits, power)
    if num > 19 or not known:
        if num_odd == len(odd):
            return _FAILED, num_odd
        odd[num_odd, 0], odd[num_odd, 1], odd[num_odd, 2] = place, start, i
        return i, num_odd + 1
    target[place] = -value if negative else value
    return i, num_odd


@loop
def _read_box(data, i, target, place, odd, num_odd):
    """As :func:`_read_double` for a list of four numbers."""
    for k in range(4):
        # "[" before the first number, "," before the others
        if at(data, i) != (44 if k else 91):
            return _FAILED, num_odd
        i = _skip_space(data, i + 1)
        i, num_odd = _read_double(data, i, target, place + k, odd, num_odd)
        if i == _FAILED:
            return _FAILED, num_odd
        i = _skip_space(data, i)
    if at(data, i) != 93:
        return _FAILED, num_odd
    return i + 1, num_odd


@loop
def _behind_name(data, i, stop, keys, key_start, field):
    """The place after the quote that ends the name of a field; ``_FAILED`` for another name."""
    if field < 0:
        return _FAILED
    first, last = key_start[field], key_start[field + 1]
    behind = i + last - first
    if behind < stop and at(data, behind) == 34 and _is_word(data, i, stop, keys, first, last):
        return behind + 1
    return _FAILED


@loop
def read_objects(
    data,
    start,
    stop,
    n,
    end,
    keys,
    key_start,
    kinds,
    base,
    required,
    num_seen,
    ints,
    floats,
    odd,
    likely,
):
    """Read objects, parted by commas, as the rows [n, end).

    Args:
        data: (bytes,) uint8, of which [start, stop) are read.
        keys, key_start: names of the F fields one after the other, and F + 1 offsets.
        kinds: (F,) of each field.
        base: (F,) where its column begins, in ``ints`` or ``floats``; four numbers to a box.
        required: bit set of the fields that each object has.
        num_seen: (F,) zeros; counts the objects that have each field.
        odd: (``_MAX_ODD``, 3) written: numbers for Python, each with its place in ``floats`` and
            where its text begins and ends.
        likely: (``_MAX_KEYS``,) for the fields of an object's keys, which the next one's are likely
            to be too.

    Returns:
        How many numbers are odd; ``_FAILED`` if there is anything unexpected.
    """
    num_odd = 0
    likely[:] = -1
    i = start
    while True:
        i = _skip_space(data, i)
        if at(data, i) != 123 or n == end:
            return _FAILED
        i = _skip_space(data, i + 1)
        seen, num_keys = 0, 0
        while True:
            if at(data, i) != 34 or num_keys == len(likely):
                return _FAILED
            field = likely[num_keys]
            behind = _behind_name(data, i + 1, stop, keys, key_start, field)
            if behind == _FAILED:
                field = -1
                for f in range(len(kinds)):
                    behind = _behind_name(data, i + 1, stop, keys, key_start, f)
                    if behind != _FAILED:
                        field = f
                        break
                else:
                    behind = _skip_text(data, i, stop)
                    if behind == _FAILED:
                        return _FAILED
                likely[num_keys] = field
            num_keys += 1
            i = _skip_space(data, behind)
            if at(data, i) != 58:
                return _FAILED
            i = _skip_space(data, i + 1)
            if field < 0:
                i = _skip_value(data, i, stop)
            else:
                if (seen >> field) & 1:
                    return _FAILED
                seen |= 1 << field
                num_seen[field] += 1
                if kinds[field] == NUMBER:
                    place = base[field] + n
                    i, num_odd = _read_double(data, i, floats, place, odd, num_odd)
                elif kinds[field] == BOX:
                    place = base[field] + 4 * n
                    i, num_odd = _read_box(data, i, floats, place, odd, num_odd)
                else:
                    i, digits, num, _, negative, integer = _scan_number(data, i)
                    if i == _FAILED or not integer or num > 18:
                        return _FAILED
                    value = -np.int64(digits) if negative else np.int64(digits)
                    if kinds[field] == FLAG and value != 0 and value != 1:
                        return _FAILED
                    ints[base[field] + n] = value
            if i == _FAILED or i >= stop:
                return _FAILED
            i = _skip_space(data, i)
            if at(data, i) == 44:
                i = _skip_space(data, i + 1)
            elif at(data, i) == 125:
                break
            else:
                return _FAILED
        if seen & required != required:
            return _FAILED
        n += 1
        i = _skip_space(data, i + 1)
        if i >= stop:
            return num_odd if i == stop and n == end else _FAILED
        if at(data, i) != 44:
            return _FAILED
        i += 1


# How the loops read what the kinds of columns are.
_CODES = {
    columns.INTEGER: INTEGER,
    columns.ID: INTEGER,
    columns.NUMBER: NUMBER,
    columns.BOX: BOX,
    columns.FLAG: FLAG,
}


def flat_columns(
    text: msgspec.Raw, fields: Mapping[str, columns.Field]
) -> dict[str, np.ndarray] | None:
    """The columns of the JSON of a list, as of :func:`.columns.typed_columns`.

    None for everything unexpected.
    """
    view = memoryview(text)
    parts = _parts(view, 2 * usable_cpus())
    if parts is None:
        return None
    data = np.frombuffer(view, np.uint8)
    kinds = np.array([_CODES[field.kind] for field in fields.values()])
    names = [name.encode() for name in fields]
    key_start = np.cumsum([0, *map(len, names)])
    keys = np.frombuffer(b"".join(names), np.uint8)
    required = sum(
        1 << f for f, field in enumerate(fields.values()) if field.required and not field.optional
    )
    width = np.where(kinds == BOX, 4, 1)
    with ThreadPoolExecutor(usable_cpus()) as pool:
        sizes = list(pool.map(lambda part: count_objects(data, *part), parts))
        ends = np.cumsum(sizes)
        num = int(ends[-1])
        base = num * (np.cumsum(width) - width)
        floats = np.empty(num * int(width.sum()))
        ints = floats.view(np.int64)
        found = {}
        for (name, field), start, w in zip(
            fields.items(), base.tolist(), width.tolist(), strict=True
        ):
            column = (floats if field.kind.dtype is np.float64 else ints)[start : start + w * num]
            if not field.required:
                column[:] = field.default
            found[name] = column.reshape(-1, 4) if w == 4 else column
        num_seen = np.zeros((len(parts), len(fields)), np.int64)
        odd = np.empty((len(parts), _MAX_ODD, 3), np.int64)

        def read(p: int) -> int:
            rows = int(ends[p]) - sizes[p], int(ends[p])
            return read_objects(
                data,
                *parts[p],
                *rows,
                keys,
                key_start,
                kinds,
                base,
                required,
                num_seen[p],
                ints,
                floats,
                odd[p],
                np.empty(_MAX_KEYS, np.int64),
            )

        num_odd = list(pool.map(read, range(len(parts))))
    if _FAILED in num_odd:
        return None
    for part, size in zip(odd, num_odd, strict=True):
        for place, start, stop in part[:size].tolist():
            floats[place] = number = float(bytes(view[start:stop]))
            if isinf(number):
                return None
    for (name, field), seen in zip(fields.items(), num_seen.sum(axis=0).tolist(), strict=True):
        if field.required and seen == 0:
            del found[name]
        elif field.required and seen != num:
            return None
    return {
        name: column.astype(fields[name].kind.dtype or np.int64, copy=False)
        for name, column in found.items()
    }


def _parts(view: memoryview, number: int) -> list[tuple[int, int]] | None:
    """About ``number`` parts of the text between the brackets, cut between two objects.

    A cut in the wrong place, within a text, leaves parts that are not objects.
    """
    start, stop = 0, len(view)
    while start < stop and view[start] in b" \n\r\t":
        start += 1
    while start < stop and view[stop - 1] in b" \n\r\t":
        stop -= 1
    if stop - start < 2 or view[start] != ord("[") or view[stop - 1] != ord("]"):
        return None
    start, stop = start + 1, stop - 1
    cuts = [start]
    for k in range(1, number):
        place = start + k * (stop - start) // number
        found = bytes(view[place : min(place + _WINDOW, stop)]).find(b"},")
        if found >= 0 and place + found + 2 > cuts[-1]:
            cuts.append(place + found + 2)
    return list(zip(cuts, [cut - 1 for cut in cuts[1:]] + [stop], strict=True))
