"""Reading photos as they are stored: pixels and sizes before any EXIF orientation is applied.

The boxes of annotation files speak of stored pixels. Cameras and editors leave stale orientation
tags, and to obey one would turn the picture away from its boxes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from detectron2.data.detection_utils import convert_PIL_to_numpy
from detectron2.utils.file_io import PathManager
from PIL import Image
from tqdm import tqdm

from .errors import DatasetError

# Lower case. TIFF is not among them: Pillow turns it by its orientation tag while decoding.
IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")

# What Pillow raises for files that are missing, truncated, no images, or too large to be safe.
_READ_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def read_image(path: str | os.PathLike, format: str = "BGR") -> np.ndarray:
    """The stored pixels, H x W x C, in a format of Detectron2's ``INPUT.FORMAT``.

    Detectron2's function of the same name differs in one thing: it turns the picture by the EXIF
    orientation tag.

    Raises:
        DatasetError: if the file is missing, truncated or no image.
    """
    path = os.fspath(path)
    try:
        with PathManager.open(path, "rb") as file:
            return convert_PIL_to_numpy(Image.open(file), format)
    except _READ_ERRORS as error:
        raise DatasetError(f"{path} {_unreadable(error)}") from error


def read_image_sizes(paths: Sequence[str]) -> tuple[np.ndarray, dict[int, str]]:
    """Sizes from the files' headers, without decoding the pixels.

    Returns:
        (N, 2) int32 heights and widths, and what is wrong with each unreadable image by its
        position; its size is 0.
    """
    sizes, errors = np.zeros((len(paths), 2), dtype=np.int32), {}
    # Threads, not processes: on network disks the time goes into waiting, and forking a training
    # process is risky.
    with ThreadPoolExecutor() as pool:
        results = pool.map(_read_size, paths, chunksize=256)
        for i, result in enumerate(tqdm(results, "image sizes", len(paths), disable=None)):
            if isinstance(result, str):
                errors[i] = result
            else:
                sizes[i] = result
    return sizes, errors


def _read_size(path: str) -> tuple[int, int] | str:
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except _READ_ERRORS as error:
        return _unreadable(error)


def _unreadable(error: Exception) -> str:
    return f"can't be read as an image ({error}): replace it, or remove it and its annotations"
