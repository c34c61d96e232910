"""Photos to predict on: files, folders, patterns, frames of videos, lists."""

from __future__ import annotations

import functools
import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from ..data.images import PICTURE_SUFFIXES, RAW_SUFFIXES, is_picture
from ..errors import InputError, listing, printable

# In the folder of a run: what it has done, and the pictures that it drew.
JOURNAL, PICTURES = "predictions.jsonl", "pictures"
# What the name of a picture keeps of its photo's name.
STEM_LETTERS = 50
VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")
# Suffixes of pictures that can't be opened.
_OTHER_PICTURES = (
    *RAW_SUFFIXES,
    *(".cr3", ".eps", ".heic", ".heif", ".j2k", ".jp2", ".jxl", ".orf", ".pdf", ".psd", ".raf"),
    *(".raw", ".rw2", ".tga"),
)
_ARCHIVES = (".7z", ".gz", ".rar", ".tar", ".tgz", ".zip")
# Of the frames that a video says it has, how many may be missing: some formats only estimate.
_MISSING_FRAMES = 0.05


@dataclass(frozen=True, eq=False)
class NamedImage:
    """An image in memory.

    Attributes:
        pixels: H x W x 3, uint8, BGR.
    """

    name: str
    pixels: np.ndarray


@dataclass(frozen=True, eq=False)
class StoredImage:
    """A photo that lies where paths don't lead.

    Attributes:
        read: gives the content of its file; raises :class:`InputError` where it can't be had.
    """

    name: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Failure:
    """An input that gave nothing, or not all it should.

    Attributes:
        cause: what was raised, if anything was.
    """

    name: str
    problem: str
    cause: Exception | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, name: str, error: Exception) -> Self:
        """What was raised where it was to be read or predicted."""
        if isinstance(error, InputError):
            return cls(name, str(error).removeprefix(name).lstrip(": "), error)
        return cls(name, f"the model can't take it ({type(error).__name__}: {error})", error)

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}"


@dataclass(frozen=True)
class Inputs:
    """The files that the inputs of a command name.

    Attributes:
        paths: photos and videos, each once, in the order of the inputs.
        passed_over: other files of the folders that were searched.
    """

    paths: list[str]
    passed_over: list[str]


def expand_inputs(inputs: Iterable[str]) -> Inputs:
    """The photos and videos that inputs name.

    Args:
        inputs: files, folders (with their subfolders, linked ones too; sorted), and patterns as a
            shell knows them. Of folders, files are taken by their suffixes; hidden ones and
            pictures of `locount predict` are not.

    Raises:
        InputError: listing the inputs that lead to no file, and folders that can't be read.
    """
    paths: dict[tuple[str, str], str] = {}
    passed_over: dict[str, None] = {}
    problems: list[str] = []
    real = functools.cache(os.path.realpath)
    for name in inputs:
        if os.path.isdir(name):
            found, others = _files_below(name, problems)
            problem = f"contains no photo ({', '.join(PICTURE_SUFFIXES)}) and no video"
            if others:
                problem += f", but {summarize(others)}"
        elif os.path.lexists(name):
            is_archive = name.lower().endswith(_ARCHIVES)
            found, others = [] if is_archive else [name], []
            problem = "is an archive: unpack it and name the folder"
        else:
            matches = sorted(filter(os.path.isfile, glob.glob(name, recursive=True)))
            others = list(filter(is_result, matches))
            found = [path for path in matches if path not in set(others)]
            problem = "matches no file" if glob.has_magic(name) else "no such file or folder"
            if "://" in name:
                problem = "is an address: download what is there, or add --cluster to `predict`"
        if not found:
            problems.append(f"{name}: {problem}")
        for path in found:  # once, however its folder is spelled
            folder, base = os.path.split(path)
            paths.setdefault((real(folder), base), path)
        passed_over |= dict.fromkeys(others)
    if problems:
        raise InputError(
            f"Some inputs lead to no photo; correct or remove them:\n{listing(problems)}"
        )
    used = set(paths.values())
    return Inputs(list(paths.values()), [path for path in passed_over if path not in used])


def _files_below(folder: str, problems: list[str]) -> tuple[list[str], list[str]]:
    """The photos and videos of a folder, and its other files; sorted."""
    found: list[Path] = []
    others: list[Path] = []
    seen = set()

    def fail(error: OSError) -> None:
        problems.append(f"{error.filename}: {error.strerror}")

    # Links last, so that photos are called by the folder that they are in.
    starts = [folder]
    for start in starts:
        for root, folders, names in os.walk(start, onerror=fail):
            # A link may lead to a folder that was searched, or to one that it is in.
            if (real := os.path.realpath(root)) in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not _is_hidden(name))
            inner = (os.path.join(root, name) for name in folders)
            starts += filter(os.path.islink, inner)
            for path in (Path(root, name) for name in names if not _is_hidden(name)):
                wanted = _is_photo_or_video(path) and not is_result(path)
                (found if wanted else others).append(path)
    return [str(path) for path in sorted(found)], [str(path) for path in sorted(others)]


def _is_photo_or_video(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in (".heic", ".heif"):  # what phones send often is a JPEG of that name
        return is_picture(path)
    return suffix in (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES)


def _is_hidden(name: str) -> bool:
    # As in datasets: ._000001.jpg and __MACOSX are what macOS leaves in archives.
    return name.startswith(".") or name == "__MACOSX"


def is_result(path: str | os.PathLike) -> bool:
    """Whether `locount predict` drew this picture."""
    folder = Path(path).parent
    return folder.name == PICTURES and (folder.parent / JOURNAL).is_file()


def picture_name(number: int, photo: str) -> str:
    """What the annotated picture of a photo is called."""
    return f"{number:06d}_{Path(printable(photo)).stem[:STEM_LETTERS]}.jpg"


def unreadable(paths: Iterable[str]) -> list[Failure]:
    """Of files that were passed over, the pictures: they were meant to be seen."""
    return [
        Failure(path, "is in a format that can't be read: save it as JPEG")
        for path in paths
        if path.lower().endswith(_OTHER_PICTURES)
    ]


def summarize(paths: Sequence[str]) -> str:
    """Files by their suffixes, each with an example."""
    of_suffix: dict[str, list[str]] = {}
    for path in paths:
        of_suffix.setdefault(Path(path).suffix.lower() or "without suffix", []).append(path)
    return ", ".join(
        printable(f"{len(group)} {suffix} (such as {group[0]})")
        for suffix, group in sorted(of_suffix.items())
    )


def is_video(path: str) -> bool:
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def images_of(
    path: str,
    every: int,
    on_failure: Callable[[Failure], None],
    skip: Callable[[str], bool] = lambda name: False,
) -> Iterator[str | NamedImage]:
    """What a predictor takes for a photo or video: the path, or the frames of
    :func:`video_frames`."""
    if is_result(path):
        problem = "is a picture that `locount predict` drew: name the photo itself"
        on_failure(Failure(path, problem))
    elif is_video(path):
        try:
            yield from video_frames(path, every, skip)
        except InputError as error:
            on_failure(Failure(path, str(error)))
    elif not skip(path):
        yield path


def video_frames(
    path: str, every: int = 1, skip: Callable[[str], bool] = lambda name: False
) -> Iterator[NamedImage]:
    """Frames 0, ``every``, 2 * ``every``, ... of a video, called ``path#number``.

    Args:
        skip: tells by their names the frames that are not wanted; they are not decoded.

    Raises:
        InputError: if it has no frame that can be read; after its frames, if it was cut short.
    """
    video = cv2.VideoCapture(path)
    try:
        number = 0
        while video.grab():
            name = f"{path}#{number:06d}"
            if number % every == 0 and not skip(name):
                decoded, pixels = video.retrieve()
                if not decoded:
                    raise InputError(f"frame {number} can't be decoded; convert the video to mp4")
                yield NamedImage(name, pixels)
            number += 1
        announced = video.get(cv2.CAP_PROP_FRAME_COUNT)
        if number == 0:
            raise InputError(
                "has no frame that can be read; check that it plays, or convert it to mp4"
            )
        if number < announced * (1 - _MISSING_FRAMES) - 1:
            raise InputError(
                f"ends after {number} of {announced:.0f} frames: it was cut short. The frames up "
                "to there were used; replace it"
            )
    finally:
        video.release()
