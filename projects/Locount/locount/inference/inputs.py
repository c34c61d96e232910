"""Photos to predict on: files, folders, patterns, frames of videos, lists."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..data.images import IMAGE_SUFFIXES
from ..errors import InputError, listing

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")


@dataclass(frozen=True, eq=False)
class NamedImage:
    """An image that lies in memory.

    Attributes:
        pixels: H x W x 3, uint8, BGR.
    """

    name: str
    pixels: np.ndarray


@dataclass(frozen=True)
class Failure:
    """An input that gave nothing, or not all it should."""

    name: str
    problem: str

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}"


def expand_inputs(inputs: Iterable[str]) -> list[str]:
    """Paths of photos and videos, each once, in the order of the inputs.

    Args:
        inputs: files, folders (with their subfolders; sorted), and patterns as a shell knows them.

    Raises:
        InputError: listing the inputs that lead to no file.
    """
    paths: list[str] = []
    problems = []
    for name in inputs:
        if os.path.isdir(name):
            found = _files_below(name)
            problem = f"holds no photo ({', '.join(IMAGE_SUFFIXES)}) and no video"
        elif os.path.exists(name):
            found, problem = [name], ""
        else:
            found = sorted(filter(os.path.isfile, glob.glob(name, recursive=True)))
            problem = "matches no file" if glob.has_magic(name) else "no such file or folder"
        if not found:
            problems.append(f"{name}: {problem}")
        paths += found
    if problems:
        raise InputError(
            f"Some inputs lead to no photo; correct or remove them:\n{listing(problems)}"
        )
    return list(dict.fromkeys(paths))


def _files_below(folder: str) -> list[str]:
    suffixes = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES)
    return sorted(str(p) for p in Path(folder).rglob("*") if p.suffix.lower() in suffixes)


def is_video(path: str) -> bool:
    return Path(path).suffix.lower() in VIDEO_SUFFIXES


def video_frames(
    path: str, every: int = 1, skip: Callable[[str], bool] = lambda name: False
) -> Iterator[NamedImage]:
    """Frames 0, ``every``, 2 * ``every``, ... of a video, called ``path#number``.

    Args:
        skip: tells by their names the frames that are not wanted; they are not decoded.

    Raises:
        InputError: if it has no frame that can be read.
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
        if number == 0:
            raise InputError(
                "holds no frame that can be read; see that it plays, or convert it to mp4"
            )
    finally:
        video.release()
