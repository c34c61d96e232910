"""Which files a folder holds: images and texts by key, and one file for each split."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...errors import InputError, Problem, printable
from ...texts import TextError, read_lines
from ..images import IMAGE_SUFFIXES
from .base import Reading
from .index_cache import FileStamp

# They would be missed without a word otherwise.
_OTHER_PHOTOS = (".avif", ".dng", ".gif", ".heic", ".heif", ".jfif", ".tif", ".tiff")

Layout = tuple[str, Callable[[Path], tuple[str, Path]]]


def split_files(
    source: str, suffix: str, reading: Reading, layouts: Sequence[Layout] = ()
) -> dict[str, tuple[str, str]]:
    """The annotation file and the image folder of each split, for formats of one file a split.

    A folder holds ``SPLIT.suffix`` and the folder ``SPLIT`` for each split, or a folder ``images``
    for all. Of a single file the caller must say what is in it.

    Args:
        layouts: other places, tried where there is no such file: a pattern of files, and what makes
            of one the name of its split and the folder of its images.

    Raises:
        InputError: if the file or folder is not there, or the caller says too little or too much.
    """
    split, image_root = reading.split, reading.image_root
    if not os.path.exists(source):
        raise InputError(f"{source} does not exist: correct the path")
    if os.path.isfile(source):
        if split is None or image_root is None:
            raise InputError(
                f"{source} is a single file: give --split, such as train, and --image-root, the "
                "folder that its image names start from"
            )
        return {split: (source, image_root)}
    if image_root is not None:
        raise InputError(
            f"--image-root is for a single file, and {source} is not one: "
            f"in a folder the images of SPLIT{suffix} are those in the folder SPLIT"
        )
    entries = sorted(os.listdir(source)) if os.path.isdir(source) else []
    stems = [entry.removesuffix(suffix) for entry in entries if entry.endswith(suffix)]
    folder = Path(source)
    found = {stem: (folder / f"{stem}{suffix}", folder / stem) for stem in stems}
    for pattern, split_of in layouts:
        if not found:
            for path in sorted(folder.glob(pattern)):
                name, images = split_of(path)
                found[name] = (path, images)
    if not found:
        others = "".join(f" or {pattern}" for pattern, _ in layouts)
        raise InputError(f"{source} contains no file SPLIT{suffix}, such as train{suffix}{others}")
    return {
        name: (str(path), str(images if images.is_dir() else _common_images(folder, images)))
        for name, (path, images) in found.items()
    }


def _common_images(folder: Path, images: Path) -> Path:
    """``images/SPLIT`` or ``images``, where they are there."""
    places = (folder / "images" / images.name, folder / "images")
    return next((place for place in places if place.is_dir()), images)


def lines_of(path: str, problems: list[Problem]) -> list[str]:
    """The lines of a text; none, and a problem, if it can't be read."""
    try:
        return read_lines(path)
    except TextError as error:
        problems.append(Problem(path, None, error.reason))
        return []


def scan(folder: str, suffixes: tuple[str, ...]) -> tuple[dict[str, FileStamp], list[Problem]]:
    """The files below ``folder`` that end in one of ``suffixes`` (lower case here, any case there).

    Returns:
        The files by key, sorted. The key is what an image and its annotation file share: the path
        in the folder without the suffix, and without the folder's own name that archives unpacked
        twice repeat. And a problem for every file whose key another one has or can't be written,
        and for every folder that can't be read or holds itself through a link.
    """
    files: dict[str, FileStamp] = {}
    problems: list[Problem] = []
    own_name = os.path.basename(os.path.normpath(folder)) + os.sep
    start = len(os.path.join(folder, ""))
    for stamp in sorted(_walk(folder, suffixes, problems), key=lambda stamp: stamp.path):
        stem = stamp.path[start : stamp.path.rindex(".")]
        while stem.startswith(own_name):
            stem = stem[len(own_name) :]
        if printable(stem) != stem:
            text = f"has a name that is not Unicode or not printable ({printable(stem)}): rename it"
            problems.append(Problem(stamp.path, None, text))
        elif stem in files:
            text = f"has the same name as {files[stem].path}: remove or rename one of them"
            problems.append(Problem(stamp.path, None, text))
        else:
            files[stem] = stamp
    return dict(sorted(files.items())), problems


def _walk(
    folder: str, suffixes: tuple[str, ...], problems: list[Problem], parents: tuple[str, ...] = ()
) -> Iterator[FileStamp]:
    parents = (*parents, os.path.realpath(folder))
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        problems.append(Problem(folder, None, f"can't be read ({error.strerror}): fix that"))
        return
    for entry in entries:
        # What macOS leaves in archives and folders: ._000001.jpg is not an image.
        if entry.name.startswith(".") or entry.name == "__MACOSX":
            continue
        if os.path.isdir(entry.path):
            if entry.is_symlink() and os.path.realpath(entry.path) in parents:
                text = "is a link to a folder that it is in: remove it"
                problems.append(Problem(entry.path, None, text))
            else:
                yield from _walk(entry.path, suffixes, problems, parents)
        elif entry.name.lower().endswith(suffixes):
            # A link that leads nowhere is an unreadable file, which is reported with the
            # others.
            dangling = entry.is_symlink() and not os.path.exists(entry.path)
            status = entry.stat(follow_symlinks=not dangling)
            yield FileStamp(entry.path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        elif suffixes is IMAGE_SUFFIXES and entry.name.lower().endswith(_OTHER_PHOTOS):
            kinds = ", ".join(IMAGE_SUFFIXES)
            text = f"is a photo of a kind that is not read: make it one of {kinds}, or remove it"
            problems.append(Problem(entry.path, None, text))
