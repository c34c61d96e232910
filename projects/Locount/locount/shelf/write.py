"""Rendered series as folders in Locount layout."""

from __future__ import annotations

import functools
import multiprocessing
import os
import re
import shutil
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import NamedTuple

import cv2
import msgspec
from tqdm import tqdm

from ..errors import InputError
from ..files import (
    UNFINISHED,
    locked_folder,
    new_folder,
    require_new,
    to_json,
    usable_cpus,
    write_bytes,
    write_json,
)
from ..texts import read_json
from .categories import Goods
from .render import RENDERER_VERSION, STYLES, render
from .rules import RULES

DEFAULT_SIZE = (640, 360)
DEFAULT_STYLE = "plain"
_MANIFEST = "shelf.json"
_CATEGORIES = "categories.txt"  # of the Locount layout
# A worker imports for seconds before its first picture.
PICTURES_PER_WORKER = 200
_SIDES = (320, 4096)
_UNGUARDED = (
    "A script that renders shelves is also run by the processes that it starts for it: put what "
    'it does below `if __name__ == "__main__":`'
)
# Of the environment of workers: the process that started them.
_RENDERING = "LOCOUNT_RENDERING"


class _Manifest(msgspec.Struct, omit_defaults=True):
    """
    Attributes:
        splits: what describes each one that is complete.
        unfinished: the one at work, or that a killed run was at.
    """

    renderer: int
    splits: dict[str, dict[str, int | str]]
    unfinished: str | None = None


class Series(NamedTuple):
    """Which pictures: the first ``images`` of a seed, in one size, style, rule of boxes and extent.

    Attributes:
        extent: as for :func:`render`.
    """

    images: int
    seed: int
    width: int = DEFAULT_SIZE[0]
    height: int = DEFAULT_SIZE[1]
    style: str = DEFAULT_STYLE
    rule: str = RULES[0]
    extent: int = 1

    @property
    def goods(self) -> tuple[Goods, ...]:
        """The categories."""
        return STYLES[self.style].goods

    def described(self) -> dict[str, int | str]:
        """The fields; style, rule and extent only where they are not the usual ones."""
        usual = self._field_defaults
        return {
            key: value
            for key, value in self._asdict().items()
            if key not in ("style", "rule", "extent") or value != usual[key]
        }

    def check(self) -> Series:
        """The series itself.

        Raises:
            InputError: if it can't be rendered, with all reasons.
        """
        wrong = []
        if self.images < 1:
            wrong.append(f"{self.images} images: ask for 1 or more")
        if self.seed < 0:
            wrong.append(f"seed {self.seed}: give 0 or more")
        low, high = _SIDES
        if not (low <= self.height <= self.width <= high):
            wrong.append(
                f"size {self.width}x{self.height}: sides may have {low} to {high} pixels, "
                "and the width must not be less than the height"
            )
        if self.extent < 1 or self.height < low * self.extent > low:
            wrong.append(
                f"extent {self.extent}: give 1 or more, and {low} pixels of height for each"
            )
        for what, value, known in (("style", self.style, STYLES), ("rule", self.rule, RULES)):
            if value not in known:
                wrong.append(f"{what} {value!r}: there are {', '.join(known)}")
        if wrong:
            raise InputError(f"No shelves can be rendered with {'; '.join(wrong)}")
        return self


def parse_size(text: str) -> tuple[int, int]:
    """Width and height from ``640x360``.

    Raises:
        InputError: if the text has another form.
    """
    match = re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", text)
    if match is None:
        raise InputError(f"{text!r} is not a size: write WIDTHxHEIGHT, such as 640x360")
    return int(match[1]), int(match[2])


def make_shelf(out: Path, split: str, series: Series) -> bool:
    """Write a series as one split of the folder ``out``, which may hold other splits made so.

    The split appears when it is complete. Returns False if it was there already.

    Raises:
        InputError: if the series is impossible, or the folder holds anything else or can't be
            written.
    """
    series.check()
    if os.environ.get(_RENDERING) == str(os.getppid()):  # else both would wait for each other
        raise InputError(_UNGUARDED)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", split):
        raise InputError(
            f"The split {split!r} is not a name: write it in lower case, such as train"
        )
    if not out.is_dir() and os.path.lexists(out):
        raise InputError(f"{out} is a file: name a folder that is new or empty")
    with locked_folder(out):
        return _make(out, split, series)


def _make(out: Path, split: str, series: Series) -> bool:
    manifest = _read_manifest(out)
    present = manifest.splits.get(split)
    if present == series.described():
        return False
    if present is not None:
        raise InputError(
            f"{out} holds another split {split!r} ({present}): "
            "remove the folder or name another one"
        )
    styles = {other.get("style", DEFAULT_STYLE) for other in manifest.splits.values()}
    if styles - {series.style}:
        raise InputError(
            f"{out} holds shelves of the style {styles.pop()!r}, which have other categories than "
            f"{series.style!r}: name another folder"
        )
    folders = [out / f"Locount_{kind}{split.title()}" for kind in ("Images", "GtTxts")]
    was_killed = manifest.unfinished == split
    for folder in folders:
        if not was_killed:
            require_new(folder)
    try:
        manifest.unfinished = split
        _write_manifest(out, manifest)
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        with new_folder(folders[0]) as images, new_folder(folders[1]) as texts:
            write_json(out / f"rows_{split}.json", _render_split(images, texts, series))
            names = "".join(f"{g.name}\n" for g in series.goods)
            write_bytes(out / _CATEGORIES, names.encode())
        manifest.splits[split], manifest.unfinished = series.described(), None
        _write_manifest(out, manifest)
    except OSError as error:
        raise InputError(f"{out} can't be written ({error}): name a folder that can") from error
    return True


def _write_manifest(out: Path, manifest: _Manifest) -> None:
    write_bytes(out / _MANIFEST, to_json(manifest))


def _read_manifest(out: Path) -> _Manifest:
    names = {e.name for e in out.iterdir() if UNFINISHED not in e.name}
    if not names:
        return _Manifest(RENDERER_VERSION, {})
    if _MANIFEST not in names:
        raise InputError(f"{out} is not empty: name a folder that is new or empty")
    try:
        manifest = msgspec.convert(read_json(out / _MANIFEST), _Manifest)
    except ValueError as error:
        raise InputError(f"{out / _MANIFEST} can't be read ({error}): remove {out}") from error
    if manifest.renderer != RENDERER_VERSION:
        raise InputError(
            f"{out} was made by version {manifest.renderer} of the renderer, this is "
            f"{RENDERER_VERSION}: remove it or name another folder"
        )
    return manifest


def _render_split(images: Path, texts: Path, series: Series) -> dict[str, dict[str, list[int]]]:
    """Render with all cores into the two folders of a split.

    Returns:
        By the names of the files, what :func:`_write_picture` returns.
    """
    draw = functools.partial(_write_picture, images, texts, series)
    bar = functools.partial(
        tqdm,
        total=series.images,
        desc=f"Shelves of seed {series.seed}",
        unit="image",
        leave=False,
        disable=None,
    )
    workers = min(usable_cpus(), -(-series.images // PICTURES_PER_WORKER))
    if workers == 1:
        return dict(bar(map(draw, range(series.images))))
    # Started afresh: a fork of a process with threads, as torch's, can wait forever.
    context = multiprocessing.get_context("spawn")
    os.environ[_RENDERING] = str(os.getpid())
    try:
        with ProcessPoolExecutor(workers, context, initializer=_one_thread) as pool:
            return dict(bar(pool.map(draw, range(series.images), chunksize=8)))
    except BrokenProcessPool as error:
        raise InputError(f"A process that renders shelves ended. {_UNGUARDED}") from error
    finally:
        del os.environ[_RENDERING]


def _one_thread() -> None:
    cv2.setNumThreads(1)


def _write_picture(
    images: Path, texts: Path, series: Series, index: int
) -> tuple[str, dict[str, list[int]]]:
    """Returns the file's name, and the row and the facings of each line of its text."""
    picture = render(series.seed, index, *series[2:])
    stem = f"{index + 1:06d}"
    jpeg = cv2.imencode(".jpg", picture.image, [cv2.IMWRITE_JPEG_QUALITY, picture.quality])[1]
    (images / f"{stem}.jpg").write_bytes(jpeg.tobytes())
    lines = [
        f"{x1},{y1},{x2},{y2},{series.goods[category].name},{count}\n"
        for (x1, y1, x2, y2), category, count in zip(
            picture.boxes.tolist(),
            picture.categories.tolist(),
            picture.counts.tolist(),
            strict=True,
        )
    ]
    (texts / f"{stem}.txt").write_text("".join(lines), encoding="utf-8")
    return f"{stem}.jpg", {"rows": picture.rows.tolist(), "facings": picture.facings.tolist()}
