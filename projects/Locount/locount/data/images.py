"""Reading photos as they are stored: pixels and sizes before any EXIF orientation is applied.

The boxes of annotation files speak of stored pixels. Cameras and editors leave stale orientation
tags, and to obey one would turn the picture away from its boxes.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

import cv2
import numpy as np
from detectron2.data.detection_utils import convert_PIL_to_numpy
from detectron2.utils.file_io import PathManager
from PIL import Image
from tqdm import tqdm

from .errors import DatasetError

# Lower case. TIFF is not among them: Pillow turns it by its orientation tag while decoding.
IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")

_JPEG_END = b"\xff\xd9"

# What Pillow raises for files that are missing, truncated, no images, or too large to be safe.
_READ_ERRORS = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)


def read_image(path: str | os.PathLike, format: str = "BGR") -> np.ndarray:
    """The stored pixels, H x W x C, in a format of Detectron2's ``INPUT.FORMAT``.

    Grey, palette and CMYK pictures are converted, and transparency is left out. Detectron2's
    function of the same name differs in two things: it turns the picture by the EXIF orientation
    tag, and it cuts 16-bit greys at 255.

    Raises:
        DatasetError: if the file is missing, truncated, no image, or of over 8 bits a channel.
    """
    path = os.fspath(path)
    return _read(lambda: PathManager.open(path, "rb"), path, format)


def decode_image(data: bytes, name: str, format: str = "BGR") -> np.ndarray:
    """:func:`read_image` of a file's content; errors call it ``name``."""
    return _read(lambda: io.BytesIO(data), name, format)


def _read(open_file: Callable[[], BinaryIO], name: str, format: str) -> np.ndarray:
    try:
        with open_file() as file:
            image = Image.open(file)
            _check_depth(image)
            pixels = None
            if image.format == "JPEG" and image.mode == "RGB" and format in ("BGR", "RGB"):
                pixels = _decode_jpeg(file, format)
            return convert_PIL_to_numpy(image, format) if pixels is None else pixels
    except _READ_ERRORS as error:
        raise DatasetError(f"{name} {_unreadable(error)}") from error


def _decode_jpeg(file: BinaryIO, format: str) -> np.ndarray | None:
    """By OpenCV, which takes half of Pillow's time. None where Pillow has to tell what is wrong."""
    file.seek(0)
    data = file.read()
    # Older versions of OpenCV fill up a photo that was cut short and say nothing.
    if not data.endswith(_JPEG_END):
        return None
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is not None and format == "RGB":
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return pixels


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
            _check_depth(image)
            return image.height, image.width
    except _READ_ERRORS as error:
        return _unreadable(error)


def _check_depth(image: Image.Image) -> None:
    # Pillow would cut such numbers at 255, which makes most of the picture white.
    if image.mode.startswith(("I", "F")):
        raise ValueError("it has more than 8 bits a channel: save it with 8")


def _unreadable(error: Exception) -> str:
    return f"can't be read as an image ({error}): replace it, or remove it and its annotations"
