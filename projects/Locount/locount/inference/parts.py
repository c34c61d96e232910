"""The folder of a cluster's run: the settings, and parts of Parquet with a row for each photo."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Mapping
from typing import Any

import msgspec

from ..errors import InputError
from ..files import UNFINISHED, locked_folder
from .journal import check_settings

SETTINGS = "settings.json"


def locked_parts(files: Any, folder: str) -> contextlib.AbstractContextManager[None]:
    """The lock of a folder, where the file system is that of this machine; others have none."""
    from fsspec.implementations.local import LocalFileSystem

    return locked_folder(folder) if isinstance(files, LocalFileSystem) else contextlib.nullcontext()


def _schema() -> Any:
    import pyarrow as pa

    detection = {
        **{"category_id": pa.int64(), "category": pa.string(), "bbox": pa.list_(pa.float64(), 4)},
        **{"score": pa.float64(), "count": pa.int64(), "count_score": pa.float64()},
    }
    photo = {
        **{"file_name": pa.string(), "height": pa.int32(), "width": pa.int32()},
        **{"orientation": pa.int8(), "detections": pa.list_(pa.struct(detection))},
        **{"error": pa.string(), "stamp": pa.string()},
    }
    return pa.schema(photo)


def write_part(files: Any, path: str, rows: Any) -> None:
    """Rows, or a table, as a file that is there in full or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(rows, _schema()) if isinstance(rows, list) else rows
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd")
    folder, name = path.rsplit("/", 1)
    unfinished = f"{folder}/.{name}{UNFINISHED}{os.getpid()}"
    files.pipe_file(unfinished, content.getvalue())
    files.mv(unfinished, path)


def settle(files: Any, folder: str, settings: dict[str, str], output: str) -> None:
    """Keep the settings of the first run, and refuse others."""
    path = f"{folder}/{SETTINGS}"
    if files.exists(path):
        before = msgspec.json.decode(files.cat_file(path), type=dict[str, str])
        check_settings(settings, before, output)
    files.pipe_file(path, msgspec.json.encode(settings))


def keep_current(files: Any, folder: str, wanted: Mapping[str, str]) -> dict[str, str | None]:
    """The photos that have rows, by their names, and what is wrong with them; None of sound ones.

    Rows of photos that have changed or could not be fetched are removed, and second ones, so that
    the parts hold no photo twice.

    Args:
        wanted: stamps of photos by their names.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    done: dict[str, str | None] = {}
    for path in sorted(files.glob(f"{folder}/*.parquet")):
        try:
            table = pq.read_table(io.BytesIO(files.cat_file(path)))
            columns = (table[key].to_pylist() for key in ("file_name", "stamp", "error"))
            rows = zip(*columns, strict=True)
        except (pa.ArrowInvalid, KeyError) as error:
            raise InputError(
                f"{path} is not a part of `locount predict`, or damaged ({error}): remove it, and "
                "its photos are predicted again"
            ) from error
        current = []
        for name, stamp, problem in rows:
            current.append(name not in done and wanted.get(name, stamp) == stamp)
            if current[-1]:
                done[name] = problem
        if not all(current):
            left = table.filter(pa.array(current))
            write_part(files, path, left) if len(left) else files.rm(path)
    return done
