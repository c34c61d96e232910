"""The one place that opens pictures: which formats, how large, turned or as they are stored.

The boxes of annotation files speak of stored pixels. Cameras and editors leave stale orientation
tags, and to obey one would turn the picture away from its boxes. So datasets are read as they are
stored, and new photos as viewers show them.
"""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np
from detectron2.data.detection_utils import convert_PIL_to_numpy
from detectron2.utils.file_io import PathManager
from PIL import ExifTags, Image, TiffImagePlugin, UnidentifiedImageError
from tqdm import tqdm

from ..errors import DatasetError

# Lower case: what the folders of datasets are searched for.
IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".webp")

# Pillow's names of the formats that are opened, whatever a file is called. Of the others some start
# programs (Ghostscript for EPS), and hardly anyone has photos in them. Older versions lack AVIF.
Image.init()
FORMATS = tuple(
    name for name in ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP") if name in Image.OPEN
)
# How files in these formats are called, in lower case.
PICTURE_SUFFIXES = tuple(sorted(k for k, name in Image.EXTENSION.items() if name in FORMATS))
# Files of cameras that are TIFF files, with a small picture of the photo in place of the first one.
RAW_SUFFIXES = (".arw", ".cr2", ".dng", ".nef", ".nrw", ".pef", ".srw")
# Of a picture: a small file can unpack to gigabytes.
MAX_PIXELS = 110_000_000
warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # of half of it

UPRIGHT = 1  # EXIF orientation
# From stored pixels to those that viewers show, by the EXIF orientation.
_TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}

# Tags of TIFF files.
_SUBFILE_TYPE, _BITS, _COLORS, _DNG_VERSION = 254, 258, 262, 50706

_JPEG_END = b"\xff\xd9"
_GREY = 128  # what JPEG decoders fill missing parts with
_FILLING = bytes(range(255)) * 16  # bytes that no whole JPEG needs; without 0xFF, which marks


class TooManyPixelsError(ValueError):
    """A picture that would take too much memory."""


class NotAdmittedError(Exception):
    """No room for a picture now."""


class Picture(NamedTuple):
    """A decoded picture, as it is stored.

    Attributes:
        pixels: H x W x C (H x W in format "L"), uint8.
        orientation: what the file's EXIF block says, 1 to 8; 1 if it says nothing.
    """

    pixels: np.ndarray
    orientation: int


def open_picture(
    source: str | os.PathLike | bytes,
    format: str = "BGR",
    *,
    name: str | None = None,
    upright: bool = False,
    formats: tuple[str, ...] = FORMATS,
    max_pixels: int = MAX_PIXELS,
    admit: Callable[[int], bool] = lambda num_pixels: True,
) -> Picture:
    """Read a picture; gray, palette and CMYK are converted, and transparency is left out.

    Of 16 bits a channel the upper 8 are taken.

    Args:
        source: a path or URI, or the file's content.
        format: one of Detectron2's ``INPUT.FORMAT``.
        name: what errors call it; by default its path.
        upright: turned as its EXIF orientation says; else as it is stored.
        formats: of ``FORMATS``, those that are allowed.
        admit: whether so many pixels may be decoded now.

    Raises:
        DatasetError: if it is missing, truncated, too large, of over 16 bits a channel, a camera's
            RAW file, or no picture in one of the formats. Its cause is what the decoder said.
        NotAdmittedError: if ``admit`` says so.
    """
    open_file: Callable[[], BinaryIO]
    if isinstance(source, bytes):
        open_file, name = lambda: io.BytesIO(source), name or "picture"
    else:
        path = os.fspath(source)
        open_file, name = lambda: _open_file(path), name or path
    with _named_faults(name), open_file() as file:
        image = _open(file, formats, max_pixels, upright)
        if not admit(image.width * image.height):
            raise NotAdmittedError
        orientation = _orientation(image)
        pixels = _decode(image, file, format)
        if upright and orientation != UPRIGHT and image.format != "TIFF":
            pixels = np.ascontiguousarray(_TURNS[orientation](pixels))
    return Picture(pixels, orientation)


def read_image(path: str | os.PathLike, format: str = "BGR") -> np.ndarray:
    """The stored pixels, H x W x C, in a format of Detectron2's ``INPUT.FORMAT``.

    Detectron2's function of the same name differs in two things: it turns the picture by the EXIF
    orientation tag, and it cuts 16-bit grays at 255.

    Raises:
        DatasetError: as :func:`open_picture`.
    """
    return open_picture(path, format).pixels


def read_image_sizes(paths: Sequence[str]) -> tuple[np.ndarray, dict[int, str]]:
    """Stored sizes from the files' headers, without decoding the pixels.

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


def is_picture(path: str | os.PathLike) -> bool:
    """Whether a file begins as a picture in one of ``FORMATS``, whatever it is called."""
    try:
        with _named_faults(""), _open_file(os.fspath(path)) as file:
            _open(file)
    except DatasetError:
        return False
    return True


def orientation_text(orientation: int) -> str:
    """What to say of a photo of a dataset that has a tag."""
    return (
        f"has the EXIF orientation {orientation}. Boxes are taken as boxes on the stored pixels, "
        "which viewers and many annotation tools turn. If the boxes fit the photo as viewers show "
        "it, turn its pixels (such as by `mogrify -auto-orient`); if they fit the stored pixels, "
        "remove the tag (`locount check-data --fix` does)"
    )


def read_orientations(paths: Sequence[str]) -> dict[int, int]:
    """EXIF orientations other than upright by position, from the headers; none of what can't be
    read."""
    with ThreadPoolExecutor() as pool:
        found = enumerate(pool.map(_read_orientation, paths, chunksize=256))
        return {i: orientation for i, orientation in found if orientation != UPRIGHT}


def _read_orientation(path: str) -> int:
    try:
        with _named_faults(""), _open_file(path) as file:
            return _orientation(_open(file, upright=True))
    except DatasetError:
        return UPRIGHT


def _read_size(path: str) -> tuple[int, int] | str:
    try:
        with _named_faults(""), _open_file(path) as file:
            image = _open(file)
            return image.height, image.width
    except DatasetError as error:
        return str(error).lstrip()


@contextlib.contextmanager
def _named_faults(name: str) -> Iterator[None]:
    try:
        yield
    except NotAdmittedError:
        raise
    except Exception as error:  # decoders raise whatever they come across
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if isinstance(error, UnidentifiedImageError):
            said = f"its content is not one of {', '.join(FORMATS)}: save it as JPEG"
        raise DatasetError(
            f"{name} can't be read as an image ({said or type(error).__name__}): replace it, or "
            "leave it out"
        ) from error


def _open_file(path: str) -> BinaryIO:
    # A pipe would be waited for, and a device may never end.
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError("it is not a regular file")
    return PathManager.open(path, "rb")


def _open(
    file: BinaryIO,
    formats: tuple[str, ...] = FORMATS,
    max_pixels: int = MAX_PIXELS,
    upright: bool = False,
) -> Image.Image:
    if not file.read(1):
        raise ValueError("the file is empty")
    file.seek(0)
    image = Image.open(file, formats=formats)
    if image.width * image.height > max_pixels:
        raise TooManyPixelsError(
            f"it has {image.width}x{image.height} pixels, over {max_pixels / 1e6:.0f} million"
        )
    if image.mode == "F" or (image.mode == "I" and image.format != "PNG"):
        raise ValueError("it has more than 16 bits a channel: save it with 8")
    if _is_raw(image, getattr(file, "name", "")):
        raise ValueError("it is a RAW file of a camera: export it as JPEG")
    if image.format == "TIFF" and not upright and _orientation(image) != UPRIGHT:
        # Pillow turns these while it decodes.
        raise ValueError("it is a TIFF file with an orientation tag: save it without")
    return image


def _is_raw(image: Image.Image, name: str) -> bool:
    """Whether Pillow sees only the preview in it."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    tags = image.tag_v2
    is_preview = tags.get(_SUBFILE_TYPE, 0) & 1
    return bool(is_preview or _DNG_VERSION in tags or name.lower().endswith(RAW_SUFFIXES))


def _orientation(image: Image.Image) -> int:
    """As viewers take it: from the EXIF block, or upright where that is damaged."""
    try:
        exif = Image.Exif()
        if image.format == "TIFF":
            exif = image.getexif()
        else:  # getexif() would also look into XMP, which viewers don't
            exif.load(image.info.get("exif", b""))
        orientation = exif.get(ExifTags.Base.Orientation, UPRIGHT)
    except Exception:  # as above
        return UPRIGHT
    return orientation if orientation in _TURNS else UPRIGHT


def _decode(image: Image.Image, file: BinaryIO, format: str) -> np.ndarray:
    if image.format != "JPEG":
        if image.mode.startswith("I"):
            image = _to_8_bits(image)
        if image.mode == "RGB" and format in ("BGR", "RGB"):  # without a copy of large pictures
            return np.asarray(image)[:, :, :: -1 if format == "BGR" else 1]
        return convert_PIL_to_numpy(image, format)
    file.seek(0)
    data = file.read()
    progressive, ends = image.info.get("progressive"), data.endswith(_JPEG_END)
    # Older versions of OpenCV fill up a photo that was cut short and say nothing; Pillow says so.
    if ends and not progressive and image.mode == "RGB" and format in ("BGR", "RGB"):
        pixels = _decode_by_opencv(data, format)
        if pixels is not None and not _is_grey(pixels[-1, -1]):
            return pixels
    pixels = _decode_by_pillow(data, format)
    # A photo that was cut and given an end mark is filled up without a word. Where it may be one,
    # bytes are put before the mark: only a decoder that lacks some takes them. OpenCV would
    # complain about them on standard error.
    if ends and (progressive or _is_grey(pixels[-1, -1])):
        filled = data[: -len(_JPEG_END)] + _FILLING + _JPEG_END
        if not np.array_equal(pixels, _decode_by_pillow(filled, format)):
            raise ValueError("it is truncated, though it has an end mark")
    return pixels


def _is_grey(pixel: np.ndarray) -> bool:
    """Whether it may be a missing one."""
    return bool((pixel == _GREY).all())


def _to_8_bits(image: Image.Image) -> Image.Image:
    """A gray picture of more; Pillow would cut its numbers at 255."""
    bits, white_is_0 = 16, False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        (bits,), white_is_0 = image.tag_v2[_BITS], image.tag_v2[_COLORS] == 0
    gray = (np.asarray(image) >> (bits - 8)).astype(np.uint8)
    return Image.fromarray(~gray if white_is_0 else gray)


def _decode_by_pillow(data: bytes, format: str) -> np.ndarray:
    return convert_PIL_to_numpy(Image.open(io.BytesIO(data), formats=["JPEG"]), format)


def _decode_by_opencv(data: bytes, format: str) -> np.ndarray | None:
    """In half of Pillow's time. None where Pillow has to say what is wrong."""
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is not None and format == "RGB":
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    return pixels
