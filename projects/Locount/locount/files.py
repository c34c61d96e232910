"""Files and folders that are written whole or not at all; what a process may use."""

from __future__ import annotations

import contextlib
import csv
import errno
import fcntl
import gc
import glob
import io
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from .errors import InputError, printable

# In the names of temporary files and folders: shows what a killed process left.
UNFINISHED = ".unfinished-"
# What spreadsheets take for a formula, numbers excepted.
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE)


@contextlib.contextmanager
def locked(handle: int, path: Path) -> Iterator[None]:
    """Hold the lock of an open file or folder, so that no other process does.

    The system ends it with the process, however that ends.

    Raises:
        InputError: if another process holds it.
    """
    if not _lock(handle):
        raise InputError(f"{path} is in use by another run: wait for its end, or name another")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)


@contextlib.contextmanager
def locked_folder(path: str | os.PathLike) -> Iterator[None]:
    """Hold the lock of a folder, which is made if there is none; processes forked here do not.

    Temporary files that killed processes left in it are removed.

    Raises:
        InputError: if another process holds it, or there can't be such a folder.
    """
    try:
        os.makedirs(path, exist_ok=True)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise InputError(
            f"can't write to {path} ({error.strerror}): name a folder that you may write to"
        ) from error
    _held.add(handle)
    try:
        with locked(handle, Path(path)):
            remove_unfinished_files(Path(path))
            yield
    finally:
        _held.discard(handle)
        os.close(handle)


_held: set[int] = set()


def _close_held() -> None:
    for handle in _held:
        os.close(handle)
    _held.clear()


# A worker that outlives its killed parent for a moment would keep the lock.
os.register_at_fork(after_in_child=_close_held)


def _lock(handle: int) -> bool:
    """False if another process holds the lock; True also where the disk has no locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def remove_unfinished_files(folder: Path, name: str = "") -> None:
    """Remove the temporary files and folders of killed processes; those at work hold a lock.

    Args:
        name: of what they were to become; "" for whatever it was.
    """
    for left in folder.glob(f".{glob.escape(name[:50]) or '*'}{UNFINISHED}*"):
        with contextlib.suppress(OSError):
            handle = os.open(left, os.O_RDONLY)
            try:
                if _lock(handle):
                    left.unlink() if left.is_file() else shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(handle)


@contextlib.contextmanager
def new_file(path: Path, mode: str = "wb", *, durable: bool = False) -> Iterator[IO]:
    """A temporary file beside ``path`` that replaces ``path`` at the end of the block.

    No reader sees half of it, and after an exception in the block what was there before still is.

    Args:
        mode: "wb" or "w".
        durable: the content is on the disk before it replaces anything, so that a machine that
            stops loses neither the old file nor the new one. What killed processes left of it is
            removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if durable:
        remove_unfinished_files(path.parent, path.name)
    handle, temporary = _locked_temporary(
        lambda: tempfile.mkstemp(dir=path.parent, prefix=_temporary_prefix(path))
    )
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


def _locked_temporary(make: Callable[[], tuple[int, str]]) -> tuple[int, str]:
    """A new temporary file or folder: its handle, whose lock this process holds, and its path.

    Until it is locked, another process can take it for what a killed one left, and remove it: then
    another one is made.
    """
    while True:
        handle, path = make()
        if _lock(handle) and os.path.lexists(path):
            return handle, path
        os.close(handle)


def _new_temporary_folder(path: Path) -> tuple[int, str]:
    while True:
        temporary = tempfile.mkdtemp(dir=path.parent, prefix=_temporary_prefix(path))
        with contextlib.suppress(FileNotFoundError):  # as for _locked_temporary
            return os.open(temporary, os.O_RDONLY), temporary


def _temporary_prefix(path: Path) -> str:
    # Cut, because a long name can't take more letters.
    return f".{path.name[:50]}{UNFINISHED}"


def write_bytes(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file as :func:`new_file` does; not durable where a folder gets very many."""
    with new_file(path, durable=durable) as file:
        file.write(data)


def to_json(data: Any) -> bytes:
    """Plain data as indented JSON; NaN becomes null."""
    return msgspec.json.format(_encode(data), indent=2)


def write_json(path: Path, data: Any) -> None:
    """Write plain data as compact JSON; NaN becomes null."""
    write_bytes(path, _encode(data))


def _encode(data: Any) -> bytes:
    """As JSON; texts that are not Unicode, such as some file names, are escaped."""
    try:
        return msgspec.json.encode(data)
    except UnicodeEncodeError:
        return msgspec.json.encode(_escaped(msgspec.to_builtins(data)))


def _escaped(data: Any) -> Any:
    if isinstance(data, dict):
        return {_escaped(key): _escaped(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_escaped(value) for value in data]
    return printable(data, keep="\t\r\n") if isinstance(data, str) else data


def to_csv(rows: Sequence[Mapping[str, Any]], columns: Collection[str]) -> bytes:
    """Rows of a table as CSV in UTF-8; NaN becomes empty.

    A text that spreadsheets would take for a formula gets an apostrophe in front.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row[column]) for column in columns])
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, float) and math.isnan(value):
        return ""
    if isinstance(value, str):
        value = printable(value, keep="\t\r\n")
        if _FORMULA.match(value) and not _NUMBER.fullmatch(value):
            return f"'{value}"
    return value


def require_new(path: Path) -> None:
    """Check that ``path`` is free for a new folder: nothing, or an empty folder.

    Raises:
        InputError: if there is anything at ``path`` but an empty folder.
    """
    if os.path.lexists(path) and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(f"{path} already exists and is not empty: name a new folder")


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path`` that becomes ``path`` at the end of the block.

    After an exception in the block nothing of it is left; what a killed process left is removed by
    the next one for the same ``path``.

    Raises:
        InputError: if there is anything at ``path`` but an empty folder, or there can't be one.
    """
    require_new(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished_files(path.parent, path.name)
        handle, name = _locked_temporary(lambda: _new_temporary_folder(path))
    except OSError as error:
        raise InputError(
            f"can't write to {path} ({error.strerror}): name a folder that you may write to"
        ) from error
    temporary = Path(name)
    try:
        with locked(handle, temporary):  # held already; unlocked even if a forked process lives
            yield temporary
            os.chmod(temporary, 0o777 & ~_umask())
            try:
                os.replace(temporary, path)
            except OSError:
                require_new(path)  # another process was first
                raise
    except BaseException:
        shutil.rmtree(temporary)
        raise
    finally:
        os.close(handle)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """Without the cyclic garbage collector, which would walk growing data over and over.

    With it, half a million annotations take more than twice as long.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def usable_cpus() -> int:
    """How many processors this process may use."""
    # Knows the limits of containers and job schedulers, but only Linux has it.
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
