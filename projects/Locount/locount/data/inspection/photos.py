"""What is wrong with the images of datasets, found by decoding every one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import cv2
import numpy as np
from tqdm import tqdm

from ...errors import DatasetError, Problem
from ..images import UPRIGHT, open_picture, orientation_text
from .findings import Dataset, Finding


class Photo(NamedTuple):
    """What an image file holds.

    Attributes:
        size: height and width as stored; None if the file can't be decoded.
        error: why it can't; empty if it can.
        orientation: EXIF orientation, 1 if the file has none.
        digest: of the decoded pixels and the size.
        gradient_hash: 64 bits of coarse structure; None for a picture without any.
    """

    size: tuple[int, int] | None
    error: str = ""
    orientation: int = UPRIGHT
    digest: bytes = b""
    gradient_hash: bytes | None = None


def inspect_photo(path: str) -> Photo:
    """Decode an image file."""
    try:
        pixels, orientation = open_picture(path, "RGB")
    except DatasetError as error:
        return Photo(None, str(error).removeprefix(f"{path} "))
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return Photo(pixels.shape[:2], "", orientation, digest.digest(), gradient_hash(pixels))


def gradient_hash(pixels: np.ndarray) -> bytes | None:
    """In which of 8 x 8 places a picture gets brighter to the right ("dHash"), as 64 bits.

    Copies in another size or JPEG quality mostly have the same hash.

    Args:
        pixels: H x W x 3, uint8, RGB.

    Returns:
        None if the picture gets brighter nowhere or everywhere: that says nothing.
    """
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    coarse = cv2.resize(gray, (9, 8), interpolation=cv2.INTER_AREA)
    brighter = coarse[:, 1:] > coarse[:, :-1]
    if brighter.all() or not brighter.any():
        return None
    return np.packbits(brighter).tobytes()


def image_findings(datasets: Sequence[Dataset]) -> Iterator[Finding]:
    """Decode all images and say what is wrong with each and among them."""
    paths = list({record["file_name"]: None for d in datasets for record in d.records})
    # Decoders and digests release the interpreter's lock, so threads use all cores.
    with ThreadPoolExecutor() as pool:
        photos = pool.map(inspect_photo, paths)
        photo_of = dict(zip(paths, tqdm(photos, "decoding", len(paths), disable=None), strict=True))
    for dataset in datasets:
        for record in dataset.records:
            for kind, problem in _own_problems(record, photo_of[record["file_name"]]):
                yield Finding(dataset.name, kind, problem)
    yield from _repetitions(datasets, photo_of)


def _own_problems(record: dict, photo: Photo) -> Iterator[tuple[str, Problem]]:
    path = record["file_name"]
    if photo.size is None:
        yield "unreadable image", Problem(path, None, photo.error)
        return
    height, width = photo.size
    if photo.orientation != UPRIGHT:
        yield "EXIF orientation", Problem(path, None, orientation_text(photo.orientation))
    if (record["height"], record["width"]) != photo.size:
        text = (
            f"has {width}x{height} pixels, but {record.get('annotation_file', 'the dataset')} says "
            f"{record['width']}x{record['height']}: correct it, and check whether the boxes fit"
        )
        yield "image size", Problem(path, None, text)


def _repetitions(datasets: Sequence[Dataset], photo_of: dict[str, Photo]) -> Iterator[Finding]:
    first_equal: dict[bytes, tuple[str, str]] = {}
    first_similar: dict[bytes, tuple[str, str]] = {}
    for dataset in datasets:
        for path in (record["file_name"] for record in dataset.records):
            photo = photo_of[path]
            if photo.size is None:
                continue
            here = (dataset.name, path)
            first = first_equal.setdefault(photo.digest, here)
            name, other = first
            if name != dataset.name:
                text = f"has the same pixels as {other} of {name}: keep it in one of the two"
                yield Finding(dataset.name, "image in two datasets", Problem(path, None, text))
            elif first is not here:
                text = f"has the same pixels as {other}: keep one of them"
                yield Finding(dataset.name, "repeated image", Problem(path, None, text))
            if photo.gradient_hash is None:
                continue
            name, other = first_similar.setdefault(photo.gradient_hash, here)
            if name != dataset.name and photo_of[other].digest != photo.digest:
                text = (
                    f"looks like {other} of {name} at 9x8 pixels: check whether it is a copy, and "
                    "keep it in one of the two"
                )
                kind = "similar image in two datasets"
                yield Finding(dataset.name, kind, Problem(path, None, text))
