"""Result files, written whole or not at all."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from .result import EvaluationResult


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file through a temporary one beside it, so that no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        # mkstemp makes files private; a result is as readable as the user's other files
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def to_json(data: Any) -> bytes:
    """Plain data as indented JSON; NaN becomes null."""
    return msgspec.json.format(msgspec.json.encode(data), indent=2)


def write_json(path: Path, data: Any) -> None:
    """Write plain data as compact JSON; NaN becomes null."""
    write_bytes(path, msgspec.json.encode(data))


def per_category_csv(result: EvaluationResult) -> bytes:
    """One row for each category; a figure that is undefined is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, result.per_category[0] if result.per_category else ["id", "name"])
    writer.writeheader()
    for row in result.per_category:
        writer.writerow(
            {k: "" if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()}
        )
    return text.getvalue().encode()
