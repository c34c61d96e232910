"""The one way to read what others wrote: texts, JSON, YAML, CSV and arrays.

Texts are UTF-8 with or without a byte order mark, or UTF-16 with one, as Windows writes them. Every
fault (encoding, size, depth, form) is one :class:`TextError`, which says what to write instead.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import json
import os
import re
import stat
from collections.abc import Collection, Hashable, Iterator
from typing import Any, BinaryIO

import numpy as np
import yaml

from .errors import InputError

MAX_BYTES = 2 << 30
MAX_YAML_BYTES = 1 << 20  # PyYAML takes a minute for ten times as much
_MAX_YAML_DEPTH = 50
_MAX_YAML_NODES = 1_000_000
_CURE = "write it as UTF-8 text"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# What json and msgspec raise for damaged and for too deeply nested JSON.
JSON_ERRORS = (ValueError, RecursionError)


class TextError(InputError):
    """A file that can't be read; ``reason`` is the message without its path."""

    def __init__(self, path: str | os.PathLike, reason: str) -> None:
        self.path, self.reason = os.fspath(path), reason
        super().__init__(self.path, reason)

    def __str__(self) -> str:
        return f"{self.path} {self.reason}"


def read_bytes(path: str | os.PathLike, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a file.

    Raises:
        TextError: if it is missing, unreadable, no regular file (a pipe would never end), or larger
            than ``max_bytes``.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise TextError(path, "can't be read (it is not a regular file): name a file")
        with open(path, "rb") as file:
            data = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        text = getattr(error, "strerror", None) or error
        raise TextError(path, f"can't be read ({text}): check the path and its rights") from error
    if len(data) > max_bytes:
        raise TextError(path, f"can't be read (it has over {max_bytes} bytes): cut it into parts")
    return data


def read_utf8(path: str | os.PathLike, max_bytes: int = MAX_BYTES) -> bytes:
    """A text as UTF-8 without a mark, whichever encoding the file has.

    Raises:
        TextError: as :func:`read_bytes`, and for other encodings and NUL characters.
    """
    data = read_bytes(path, max_bytes)
    try:
        return as_utf8(data)
    except ValueError as error:
        raise TextError(path, f"can't be read ({error}): {_CURE}") from error


def read_text(path: str | os.PathLike, max_bytes: int = MAX_BYTES) -> str:
    """A text; errors as of :func:`read_utf8`."""
    return read_utf8(path, max_bytes).decode()


def read_lines(path: str | os.PathLike) -> list[str]:
    r"""The lines of a text without their ends, which are \n, \r\n or \r as anywhere.

    ``str.splitlines`` would split at rarer characters, too. Errors as of :func:`read_utf8`.
    """
    return [line.rstrip("\n") for line in io.StringIO(read_text(path), newline=None)]


def as_utf8(data: bytes) -> bytes:
    """Encoded text as UTF-8 without a mark.

    Raises:
        ValueError: for other encodings than UTF-8 and, with a mark, UTF-16; and for NUL characters,
            which every text without its mark has that is neither.
    """
    if data.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise ValueError("it is UTF-32")
    if data.startswith(_UTF16):
        try:
            data = data.decode("utf-16").encode()
        except UnicodeDecodeError as error:
            raise ValueError("it has the mark of UTF-16 and is damaged") from error
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise ValueError(f"line {line} is not UTF-8: {error}") from error
    if b"\0" in data:
        raise ValueError("it holds NUL characters, as UTF-16 without a byte order mark does")
    return data


def listed_lines(stream: BinaryIO, name: str) -> Iterator[str]:
    r"""The lines of a list of paths as they come, without their ends and without empty ones.

    UTF-16 with a mark is read to its end first. Bytes that are not UTF-8 stay as they are, as in
    ``os.fsdecode``: names of files may have any.

    Raises:
        TextError: for NUL characters.
    """
    first = stream.readline()
    if first.startswith((*_UTF16, codecs.BOM_UTF32_BE)):
        try:
            lines: Iterator[bytes] = iter(as_utf8(first + stream.read()).splitlines())
        except ValueError as error:
            raise TextError(name, f"can't be read ({error}): {_CURE}") from error
    else:
        first = first.removeprefix(codecs.BOM_UTF8)
        lines = itertools.chain([first], stream) if first else iter(())
    for line in lines:
        if b"\0" in line:
            text = "can't be read (it holds NUL characters): write one path a line, as UTF-8 text"
            raise TextError(name, text)
        if path := os.fsdecode(line.rstrip(b"\r\n")):
            yield path


def read_json(path: str | os.PathLike) -> Any:
    """The content of a JSON file; NaN and Infinity, which JSON has not, are read.

    Raises:
        TextError: as :func:`read_utf8`, and for what :func:`parse_json` refuses.
    """
    data = read_utf8(path)
    try:
        return parse_json(data)
    except ValueError as error:
        text = f"can't be read as JSON ({error}): correct it, or write it again if it was cut off"
        raise TextError(path, text) from error


def parse_json(data: bytes) -> Any:
    r"""Decode JSON in UTF-8.

    Raises:
        ValueError: for what is not JSON, is nested too deeply, has a key twice in an object, or
            holds half a character (\ud800), which no text can be written with.
    """
    try:
        content = json.loads(data, object_pairs_hook=_object)
        if b"\\ud" in data.lower():
            json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(r"it holds half a character, such as \ud800") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    return content


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} is there twice in {str(found)[:80]}: keep one")
    return found


class _YamlLoader(yaml.SafeLoader):
    """Plain data only; aliases (*name) as far as they don't blow it up; every key once."""

    depth = 0

    def get_single_node(self) -> Any:
        root = super().get_single_node()
        _check_size(root)
        return root

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.depth == _MAX_YAML_DEPTH:
            raise yaml.YAMLError("it is nested too deeply")
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_scalar(self, node: yaml.ScalarNode) -> Any:
        value = super().construct_scalar(node)
        try:
            str(value).encode()
        except UnicodeEncodeError as error:
            text = r"it holds half a character, such as \ud800"
            raise yaml.MarkedYAMLError(problem=text, problem_mark=node.start_mark) from error
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                text = f"the key {key!r} is there twice"
                raise yaml.MarkedYAMLError(problem=text, problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _check_size(root: yaml.Node | None) -> None:
    """Every alias counts as all that it stands for; one within itself has no end."""
    waiting, size = [root], 0
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.CollectionNode):
            mapping = isinstance(node, yaml.MappingNode)
            size += len(node.value)
            if size > _MAX_YAML_NODES:
                raise yaml.YAMLError("it holds too much, or its aliases (*name) repeat too much")
            waiting += [part for pair in node.value for part in pair] if mapping else node.value


def read_yaml(path: str | os.PathLike) -> Any:
    """The content of a YAML file as plain data.

    Raises:
        TextError: as :func:`read_utf8`, and for what :func:`parse_yaml` refuses.
    """
    text = read_text(path, MAX_YAML_BYTES)
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise TextError(path, f"can't be read as YAML ({error}): correct it") from error


def parse_yaml(text: str) -> Any:
    """
    Raises:
        ValueError: for no YAML, tags of objects, aliases that repeat too much, repeated keys, and
            half a character, as in JSON.
    """
    try:
        return yaml.load(text, _YamlLoader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def read_csv(path: str | os.PathLike) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that say something, each with the line in which it starts, from 1.

    Raises:
        TextError: as :func:`read_utf8`, and while iterating, for what is not CSV, and for another
            separator than the comma.
    """
    reader = csv.reader(io.StringIO(read_text(path), newline=""))
    line, first = 1, True
    try:
        for row in reader:
            if len(row) > 1 or (row and row[0].strip()):
                if first and len(row) == 1 and (other := re.search(r"[;\t|]", row[0])):
                    text = f"has {other[0]!r} between its columns: write it with commas"
                    raise TextError(path, text)
                first = False
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise TextError(path, f"can't be read as CSV ({error}, line {line}): correct it") from error


def read_arrays(
    path: str | os.PathLike, keys: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """The arrays of a ``*.npz`` file, or those that have one of these names; none holds objects.

    Raises:
        TextError: as :func:`read_bytes`, and for what numpy can't read or would unpack to more than
            ``MAX_BYTES``.
    """
    stream = io.BytesIO(read_bytes(path))
    try:
        with np.load(stream, allow_pickle=False) as file:
            if sum(entry.file_size for entry in file.zip.infolist()) > MAX_BYTES:
                raise ValueError(f"it unpacks to more than {MAX_BYTES} bytes")
            return {key: file[key] for key in file.files if keys is None or key in keys}
    except Exception as error:  # zipfile, zlib and numpy raise anything of damaged bytes
        text = f"can't be read as npz ({error}): write it with numpy.savez"
        raise TextError(path, text) from error
