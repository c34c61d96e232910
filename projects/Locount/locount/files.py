"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import io
import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from .errors import InputError


@contextlib.contextmanager
def new_file(path: Path, mode: str = "wb", *, durable: bool = False) -> Iterator[IO]:
    """A temporary file beside ``path`` that replaces ``path`` at the end of the block.

    No reader sees half of it, and after an exception in the block what was there before still is.

    Args:
        mode: "wb" or "w".
        durable: the content is on the disk before it replaces anything, so that a machine that
            stops loses neither the old file nor the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, mode) as file:
            yield file
            if durable:
                file.flush()
                os.fsync(handle)
        # mkstemp makes files private; a result is as readable as the user's other files
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file through a temporary one beside it, so that no reader sees half of it."""
    with new_file(path) as file:
        file.write(data)


def to_json(data: Any) -> bytes:
    """Plain data as indented JSON; NaN becomes null."""
    return msgspec.json.format(msgspec.json.encode(data), indent=2)


def write_json(path: Path, data: Any) -> None:
    """Write plain data as compact JSON; NaN becomes null."""
    write_bytes(path, msgspec.json.encode(data))


def to_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """Rows of a table as CSV in UTF-8; NaN becomes empty."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        values = [row[column] for column in columns]
        writer.writerow(["" if isinstance(v, float) and math.isnan(v) else v for v in values])
    return text.getvalue().encode()


def require_new(path: Path) -> None:
    """
    Raises:
        InputError: if there is anything at ``path`` but an empty folder.
    """
    if os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(f"{path} is there already and not empty: name a new folder")


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path`` that becomes ``path`` at the end of the block.

    After an exception in the block nothing is left of it.

    Raises:
        InputError: if there is anything at ``path`` but an empty folder.
    """
    require_new(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield temporary
        os.chmod(temporary, 0o777 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary)
        raise


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
