"""Detections in Parquet, as `locount predict --cluster` writes them."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterator, Mapping
from os import PathLike

import numpy as np

from ..coco import Table
from ..errors import InputError, listing, require
from .reading import read_photos

logger = logging.getLogger(__name__)

_COLUMNS = {
    "category_id": np.int64,
    "bbox": np.float64,
    "score": np.float64,
    "count": np.int64,
}


def are_parts(source: str | PathLike) -> bool:
    """Whether it is a folder, a Parquet file or a pattern of such files."""
    return os.path.isdir(source) or os.fspath(source).endswith(".parquet")


def read_parts(source: str | PathLike, gt: str | PathLike) -> Table:
    """The detections of all parts, with the ids that their photos have in the ground truth.

    A photo belongs to the image whose "file_name" is its name, or the end of it from a "/" on.

    Args:
        source: as for :func:`are_parts`.
        gt: a sound COCO file.

    Raises:
        InputError: for photos that the ground truth lacks or that are there twice, for damaged
            parts, and without pyarrow.
    """
    require("ray", "pyarrow")
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    pattern = os.path.join(source, "*.parquet") if os.path.isdir(source) else os.fspath(source)
    paths = sorted(glob.glob(pattern))
    if not paths:
        raise InputError(f"{source} contains no Parquet files: name the folder of the parts")
    ids = {photo.file_name: photo.id for photo in read_photos(gt)}
    if None in ids:
        raise InputError(
            f'{gt}: photos are found in it by the "file_name" of its images, and image '
            f"{ids[None]!r} has none"
        )
    names: list[str] = []
    pieces: list[dict[str, np.ndarray]] = []
    numbers: list[np.ndarray] = []
    failed = 0
    for path in paths:
        try:
            part = pq.read_table(path, columns=["file_name", "detections", "error"])
            found = part["detections"].combine_chunks()
            names += part["file_name"].to_pylist()
            numbers.append(pc.fill_null(pc.list_value_length(found), 0).to_numpy())
            failed += len(part) - part["error"].null_count
            fields = {key: found.flatten().field(key) for key in _COLUMNS}
        except (pa.ArrowException, KeyError) as error:
            raise InputError(
                f"{path} is not a part of `locount predict --cluster`, or damaged ({error})"
            ) from error
        fields["bbox"] = fields["bbox"].flatten()
        pieces.append({key: field.to_numpy(False) for key, field in fields.items()})
    if failed:
        logger.warning("%d photos could not be read, and have no detections", failed)
    columns = {
        key: np.concatenate([piece[key] for piece in pieces]).astype(dtype, copy=False)
        for key, dtype in _COLUMNS.items()
    }
    columns["bbox"] = columns["bbox"].reshape(-1, 4)
    columns["image_id"] = np.repeat(_matched(names, ids, source), np.concatenate(numbers))
    return Table("detections", np.arange(len(columns["score"])), columns, [])


def _matched(
    names: list[str], ids: Mapping[str | None, int | str], source: str | PathLike
) -> np.ndarray:
    """The ids of photos by their names."""
    used: dict[int | str, str] = {}
    problems = []
    result = []
    for name in names:
        image = next((ids[end] for end in _ends(name) if end in ids), None)
        if image is None:
            problems.append(f"{name} is not in the ground truth")
        elif image in used:
            problems.append(f"{name} is the same image as {used[image]}")
        else:
            used[image] = name
            result.append(image)
    if problems:
        raise InputError(f"{source} doesn't fit the ground truth:\n{listing(problems)}")
    return np.array(result)


def _ends(name: str) -> Iterator[str]:
    """``a/b.jpg`` and ``b.jpg``."""
    yield name
    while "/" in name:
        name = name.split("/", 1)[1]
        yield name
