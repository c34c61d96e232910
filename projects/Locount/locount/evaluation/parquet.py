"""Detections in Parquet, as `locount predict --cluster` writes them."""

from __future__ import annotations

import glob
import itertools
import logging
import os
from os import PathLike

import numpy as np

from ..coco import PREDICTIONS, Table
from ..errors import InputError, require
from .legend import Category, Legend, Photo

logger = logging.getLogger(__name__)

_PHOTO = ("file_name", "height", "width")
_COLUMNS = {
    "category_id": np.int64,
    "bbox": np.float64,
    "score": np.float64,
    "count": np.int64,
}


def are_parts(source: str | PathLike) -> bool:
    """Whether it is a folder, a Parquet file or a pattern of such files."""
    return os.path.isdir(source) or os.fspath(source).endswith(".parquet")


def read_parts(source: str | PathLike) -> tuple[Table, Legend]:
    """The detections of all parts, their photos numbered as they come, and what ids mean.

    Args:
        source: as for :func:`are_parts`.

    Raises:
        InputError: for damaged parts, parts of several models, and without pyarrow.
    """
    require("ray", "pyarrow")
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    pattern = os.path.join(source, "*.parquet") if os.path.isdir(source) else os.fspath(source)
    paths = sorted(glob.glob(pattern))
    if not paths:
        raise InputError(
            f"{source} contains no Parquet files and no {PREDICTIONS}: name a folder that `locount "
            "predict` wrote"
        )
    photos: list[Photo] = []
    categories: dict[int, str | None] = {}
    pieces: list[dict[str, np.ndarray]] = []
    numbers: list[np.ndarray] = []
    failed = 0
    for path in paths:
        try:
            part = pq.read_table(path, columns=[*_PHOTO, "detections", "error"])
            found = part["detections"].combine_chunks()
            of_photos = (part[key].to_pylist() for key in _PHOTO)
            photos += map(Photo, itertools.count(len(photos)), *of_photos)
            numbers.append(pc.fill_null(pc.list_value_length(found), 0).to_numpy())
            failed += len(part) - part["error"].null_count
            found = found.flatten()
            fields = {key: found.field(key) for key in _COLUMNS}
            names = found.field("category")
        except (pa.ArrowException, KeyError) as error:
            raise InputError(
                f"{path} is not a part of `locount predict --cluster`, or damaged ({error})"
            ) from error
        fields["bbox"] = fields["bbox"].flatten()
        pieces.append({key: field.to_numpy(False) for key, field in fields.items()})
        ids, first = np.unique(pieces[-1]["category_id"], return_index=True)
        for i, name in zip(ids.tolist(), names.take(first).to_pylist(), strict=True):
            if categories.setdefault(i, name) != name:
                raise InputError(
                    f"{path}: category {i} is called {name!r}, and {categories[i]!r} in another "
                    "part: name the parts of one model"
                )
    if failed:
        logger.warning("%d photos could not be read, and have no detections", failed)
    columns = {
        key: np.concatenate([piece[key] for piece in pieces]).astype(dtype, copy=False)
        for key, dtype in _COLUMNS.items()
    }
    columns["bbox"] = columns["bbox"].reshape(-1, 4)
    columns["image_id"] = np.repeat(np.arange(len(photos)), np.concatenate(numbers))
    table = Table("detections", np.arange(len(columns["score"])), columns, [])
    return table, Legend(photos, list(itertools.starmap(Category, categories.items())))
