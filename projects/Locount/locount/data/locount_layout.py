"""Where Locount keeps its files: ``Locount_Images<Split>/**`` and ``Locount_GtTxts<Split>/**``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import printable
from .errors import DatasetError, Problem
from .images import IMAGE_SUFFIXES
from .index_cache import FileStamp

_IMAGE_FOLDER = re.compile(r"Locount_Images(\w+)")

# They would be missed without a word otherwise.
_OTHER_PHOTOS = (".avif", ".dng", ".gif", ".heic", ".heif", ".jfif", ".tif", ".tiff")


class SplitFolders(NamedTuple):
    """The two folders of a split, absolute or relative as the root is."""

    images: str
    texts: str


def find_splits(root: str) -> dict[str, SplitFolders]:
    """The folders of each split by its name in lower case: ``Locount_ImagesTrain`` is of ``train``.

    Raises:
        DatasetError: if there is no such folder or no split in it.
    """
    if not os.path.isdir(root):
        raise DatasetError(f"{root} is no folder: give the one that holds Locount_ImagesTrain")
    entries = sorted(os.listdir(root))
    splits = {}
    for entry in entries:
        match = _IMAGE_FOLDER.fullmatch(entry)
        if match:
            texts = os.path.join(root, f"Locount_GtTxts{match[1]}")
            folders = SplitFolders(os.path.join(root, entry), texts)
            if splits.setdefault(match[1].lower(), folders) != folders:
                other = splits[match[1].lower()].images
                raise DatasetError(
                    f"{folders.images} and {other} are both the split {match[1].lower()!r}: rename "
                    "or join them"
                )
    if not splits:
        raise DatasetError(
            f"{root} is not in Locount layout: it needs Locount_ImagesTrain and "
            "Locount_GtTxtsTrain, or the same with Test, and holds "
            f"{', '.join(entries[:20]) or 'nothing'}"
        )
    return splits


def split_folders(root: str, split: str) -> SplitFolders:
    """The folders of one split.

    Raises:
        DatasetError: if the root has no such split, or only one of its folders.
    """
    splits = find_splits(root)
    if split not in splits:
        raise DatasetError(f"{root} has no split {split!r}: it has {', '.join(splits)}")
    folders = splits[split]
    if not os.path.isdir(folders.texts):
        raise DatasetError(
            f"The annotations of {folders.images} are missing: there is no folder {folders.texts}"
        )
    return folders


def scan(folder: str, suffixes: tuple[str, ...]) -> tuple[dict[str, FileStamp], list[Problem]]:
    """The files below ``folder`` that end in one of ``suffixes`` (lower case here, any case there).

    Returns:
        The files by key, sorted. The key is what an image and its annotation file share: the path
        in the folder without the suffix, and without the folder's own name that archives unpacked
        twice repeat. And a problem for every file whose key another one has or can't be written,
        and for every folder that can't be read or holds itself through a link.
    """
    files: dict[str, FileStamp] = {}
    problems = []
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


def pairing_problems(images: dict[str, FileStamp], texts: dict[str, FileStamp]) -> list[Problem]:
    """A problem for every annotation file without image, and image without annotation file."""
    kinds = ", ".join(IMAGE_SUFFIXES)
    problems = [
        Problem(texts[key].path, None, f"has no image {key} ({kinds}): add it, or remove the file")
        for key in texts.keys() - images.keys()
    ]
    problems += [
        Problem(
            images[key].path,
            None,
            f"has no annotation file {key}.txt: add it, empty if the image shows no product",
        )
        for key in images.keys() - texts.keys()
    ]
    return sorted(problems)


def _walk(
    folder: str, suffixes: tuple[str, ...], problems: list[Problem], parents: tuple[str, ...] = ()
) -> Iterator[FileStamp]:
    parents = (*parents, os.path.realpath(folder))
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        problems.append(Problem(folder, None, f"can't be read ({error.strerror}): mend that"))
        return
    for entry in entries:
        # What macOS leaves in archives and folders: ._000001.jpg is no image.
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
