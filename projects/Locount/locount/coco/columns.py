"""Lists of JSON objects to columns (numpy arrays).

Three ways lead there. Long lists of numbers are read by compiled loops, in threads. A typed
decoder, piece by piece, takes a third of the time and a fraction of the memory that dictionaries
take. Both give up at the first surprise. Then the patient way takes over: it decides what is legal,
and reports every problem.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from numbers import Integral, Real
from operator import attrgetter
from types import GenericAlias
from typing import Any

import msgspec
import numpy as np

from ..files import collector_paused
from ..texts import JSON_ERRORS, parse_json
from .faults import Faults

# Objects of one piece of a list stay in the processor's cache until their columns are made.
PIECE_SIZE = 1 << 16


@dataclass(frozen=True)
class Kind:
    """What a key may hold.

    Attributes:
        wanted: in words.
        type: for the typed decoder.
        dtype: of the column, where there is one for all values.
    """

    wanted: str
    type: Any
    dtype: type | None = None

    def fits(self, value: Any) -> bool:
        if self is BOX:
            is_list = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
            return is_list and len(value) == 4 and all(map(NUMBER.fits, value))
        if self is TEXT or (self is ID and isinstance(value, str)):
            return isinstance(value, str)
        if self is FLAG:
            return isinstance(value, Real) and value in (0, 1)
        # Beyond these ranges no float64 and no int64 holds an integer.
        is_number = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
        if self is NUMBER:
            return is_number and not (isinstance(value, Integral) and abs(int(value)) >= 2**1023)
        return is_number and abs(value) < 2**63 and value == int(value)

    def column(self, values: Iterable, size: int) -> np.ndarray:
        """``size`` values of the kind as an array; raises what numpy raises for others."""
        if self is BOX:
            flat = np.fromiter(chain.from_iterable(values), np.float64, 4 * size)
            return flat.reshape(-1, 4)
        if self is TEXT:
            return np.array(list(values), np.str_)
        if self is ID:
            values = list(values)
            types = set(map(type, values))
            if str not in types:
                return INTEGER.column(values, size)
            if len(types) > 1:  # numpy would make integers of texts, or texts of integers
                raise TypeError("texts and integers")
            return TEXT.column(values, size)
        return np.fromiter(values, self.dtype, size)


INTEGER = Kind("an integer of at most 18 digits", int, np.int64)  # 3.0 is one, 2.5 isn't
NUMBER = Kind("a number", float, np.float64)
FLAG = Kind("0 or 1", int | bool, np.int8)
TEXT = Kind("a text", str)
ID = Kind("an integer or a text", int | str)  # all entries alike
BOX = Kind(
    "a list of 4 numbers: x, y, width, height", tuple[float, float, float, float], np.float64
)


@dataclass(frozen=True)
class Field:
    """One key of the objects.

    Attributes:
        default: in place of a missing key that is not ``required``.
        optional: all of the objects have the key, or none and there is no column.
    """

    kind: Kind
    default: Any = None
    optional: bool = False
    required: bool = True


@dataclass(frozen=True)
class Table:
    """The N sound objects of a list as arrays.

    Attributes:
        name: of the list, for messages.
        places: of the objects in the list, (N,).
        columns: by key, (N,), or (N, 4) for boxes.
        others: the entries that are not sound objects.
    """

    name: str
    places: np.ndarray
    columns: dict[str, np.ndarray]
    others: list

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, key: str) -> np.ndarray:
        return self.columns[key]


def read_table(entries: Any, name: str, fields: dict[str, Field], faults: Faults) -> Table:
    """The fields of a list of objects as arrays.

    Objects with a missing key or a wrong type are reported to ``faults``.

    Args:
        entries: the list, or its JSON as :class:`msgspec.Raw`.
    """
    columns = typed_columns(entries, fields)
    if columns is not None:
        return Table(name, np.arange(len(next(iter(columns.values())))), columns, [])
    if isinstance(entries, msgspec.Raw):
        entries = decode_json(entries, faults)
    if not isinstance(entries, list | tuple):
        faults.add(name, None, f"is not a list but {_show(entries)}; is this another kind of file?")
        entries = []
    num_with = {
        key: sum(isinstance(e, dict) and key in e for e in entries)
        for key, field in fields.items()
        if field.optional
    }
    fields = {key: field for key, field in fields.items() if num_with.get(key, 1)}
    good = []
    for i, entry in enumerate(entries):
        texts = list(_complaints(entry, fields, num_with))
        good.append(not texts)
        for text in texts:
            faults.add(name, i, text)
    places = np.flatnonzero(good)
    columns = {}
    for key, field in fields.items():
        values = [entries[i].get(key, field.default) for i in places]
        if field.kind is ID and len({isinstance(v, str) for v in values}) > 1:
            faults.stop(
                name, f'"{key}" is a text here and an integer there: write all the same way'
            )
        columns[key] = field.kind.column(values, len(values))
    return Table(name, places, columns, [e for e, ok in zip(entries, good, strict=True) if not ok])


def decode_json(raw: msgspec.Raw, faults: Faults) -> Any:
    """Any JSON, with NaN and Infinity, which JSON has not: the entries that hold them can be named.

    Raises:
        DatasetError: for what is not JSON.
    """
    try:
        return parse_json(bytes(raw))
    except ValueError as error:
        cure = "correct it, or write it again if it was cut off"
        faults.stop(None, f"is not valid JSON ({error}): {cure}")


def _complaints(entry: Any, fields: dict[str, Field], num_with: dict[str, int]) -> Iterator[str]:
    """What is wrong with the keys and types of an entry."""
    if not isinstance(entry, dict):
        yield f"is not an object but {_show(entry)}"
        return
    for key, field in fields.items():
        if key not in entry:
            if field.optional:
                others = f"{num_with[key]} other entries have it: add it here, or remove it there"
                yield f'has no "{key}": {others}'
            elif field.required:
                yield f'has no "{key}": add {field.kind.wanted}'
        elif not field.kind.fits(entry[key]):
            yield f'"{key}" is {_show(entry[key])}; it must be {field.kind.wanted}'


def _show(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of over 4300 digits
        text = "a very large number"
    return text if len(text) <= 60 else text[:57] + "..."


def typed_columns(
    entries: Any, fields: dict[str, Field], piece_size: int = PIECE_SIZE
) -> dict[str, np.ndarray] | None:
    """The columns without a look at single objects; None if anything is unexpected.

    Args:
        piece_size: bytes of JSON that are decoded at a time, at least.
    """
    members: list[tuple] = []
    for key, field in fields.items():
        if field.optional or not field.required:
            members.append((key, field.kind.type | msgspec.UnsetType, msgspec.UNSET))
        else:
            members.append((key, field.kind.type))
    entry = msgspec.defstruct("Entry", members, kw_only=True, gc=False)
    entry_list = GenericAlias(list, entry)
    try:
        with collector_paused():
            if not isinstance(entries, msgspec.Raw):
                return _columns(msgspec.convert(entries, type=entry_list), fields, Counter())
            decoder, text = msgspec.json.Decoder(entry_list), bytes(entries)
            num_with: Counter[str] = Counter()
            try:
                pieces = map(decoder.decode, _pieces(text.strip(), piece_size))
                columns = _joined([_columns(objects, fields, num_with) for objects in pieces])
            except JSON_ERRORS:
                # "}," also occurs within entries that hold objects: then not piece by piece
                num_with.clear()
                columns = _columns(decoder.decode(entries), fields, num_with)
            # Of a key that an object has twice the decoder takes the last.
            repeats = any(text.count(f'"{key}"'.encode()) > n for key, n in num_with.items())
            return None if repeats else columns
    except (*JSON_ERRORS, TypeError, OverflowError):
        return None


def _pieces(text: bytes, size: int) -> Iterator[bytes]:
    """The JSON of a list of objects as lists of a little over ``size`` bytes each.

    A cut in the wrong place, within a string or a nested object, leaves a piece that is not JSON.
    """
    start = 0
    while (end := text.find(b"},", start + size)) >= 0:
        yield (b"[" if start else b"") + text[start : end + 1] + b"]"
        start = end + 2
    yield (b"[" if start else b"") + text[start:]


def _columns(
    objects: list, fields: dict[str, Field], num_with: Counter[str]
) -> dict[str, np.ndarray] | None:
    """The columns of typed objects; None if some have an optional key and others don't.

    Args:
        num_with: gets how many objects have each key that any has.
    """
    columns = {}
    for key, field in fields.items():
        values: Iterable = map(attrgetter(key), objects)
        num_unset = 0
        if field.optional or not field.required:
            values = list(values)
            num_unset = values.count(msgspec.UNSET)
        if num_unset < len(objects):
            num_with[key] += len(objects) - num_unset
        if field.optional and num_unset == len(objects):
            continue
        if field.optional and num_unset:
            return None
        if num_unset:
            values = (field.default if value is msgspec.UNSET else value for value in values)
        columns[key] = field.kind.column(values, len(objects))
        if field.kind is FLAG and not np.isin(columns[key], (0, 1)).all():
            return None
    return columns


def _joined(pieces: list[dict[str, np.ndarray] | None]) -> dict[str, np.ndarray] | None:
    """The columns of consecutive pieces; None if the pieces are not alike in keys and types."""
    read = [piece for piece in pieces if piece is not None]
    kinds = {tuple((key, column.dtype.kind) for key, column in piece.items()) for piece in read}
    if len(read) < len(pieces) or len(kinds) > 1:
        return None
    return {key: np.concatenate([piece[key] for piece in read]) for key in read[0]}
