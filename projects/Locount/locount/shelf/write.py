"""Rendered series as folders in Locount layout."""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import re
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
from tqdm import tqdm

from ..errors import InputError
from ..files import usable_cpus
from .categories import Goods
from .render import RENDERER_VERSION, STYLES, render
from .rules import RULES

DEFAULT_SIZE = (640, 360)
DEFAULT_STYLE = "plain"
_MANIFEST = "shelf.json"
_CATEGORIES = "categories.txt"  # of the Locount layout
# A worker imports for seconds before its first picture.
PICTURES_PER_WORKER = 200
_UNFINISHED = ".unfinished-"  # what a killed run leaves is not data
_SIDES = (320, 4096)


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

    def described(self) -> dict[str, object]:
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
    if not re.fullmatch(r"[a-z][a-z0-9_]*", split):
        raise InputError(
            f"The split {split!r} is not a name: write it in lower case, such as train"
        )
    manifest = _read_manifest(out)
    present = manifest["splits"].get(split)
    if present == series.described():
        return False
    if present is not None:
        raise InputError(
            f"{out} holds another split {split!r} ({present}): "
            "remove the folder or name another one"
        )
    styles = {other.get("style", DEFAULT_STYLE) for other in manifest["splits"].values()}
    if styles - {series.style}:
        raise InputError(
            f"{out} holds shelves of the style {styles.pop()!r}, which have other categories than "
            f"{series.style!r}: name another folder"
        )
    manifest["splits"][split] = series.described()
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=_UNFINISHED) as temporary:
            folder = Path(temporary)
            _render_split(folder, split, series)
            (folder / _CATEGORIES).write_text(
                "\n".join([*(g.name for g in series.goods), ""]), encoding="utf-8"
            )
            (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")
            # Images last but one: a folder has the split when it has its images.
            names = (f"Locount_GtTxts{split.title()}", _CATEGORIES, f"rows_{split}.json")
            for name in (*names, f"Locount_Images{split.title()}", _MANIFEST):
                os.replace(folder / name, out / name)
    except OSError as error:
        raise InputError(f"{out} can't be written ({error}): name a folder that can") from error
    return True


def _read_manifest(out: Path) -> dict:
    empty = {"renderer": RENDERER_VERSION, "splits": {}}
    if not out.exists():
        return empty
    if not out.is_dir():
        raise InputError(f"{out} is a file: name a folder that is new or empty")
    names = {e.name for e in out.iterdir() if not e.name.startswith(_UNFINISHED)}
    if not names:
        return empty
    if _MANIFEST not in names:
        raise InputError(f"{out} is not empty: name a folder that is new or empty")
    try:
        manifest = json.loads((out / _MANIFEST).read_text())
        version, splits = manifest["renderer"], dict(manifest["splits"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{out / _MANIFEST} can't be read ({error}): remove {out}") from error
    if version != RENDERER_VERSION:
        raise InputError(
            f"{out} was made by version {version} of the renderer, this is {RENDERER_VERSION}: "
            "remove it or name another folder"
        )
    return {"renderer": version, "splits": splits}


def _render_split(root: Path, split: str, series: Series) -> None:
    """Render with all cores into the two folders of a split."""
    images = root / f"Locount_Images{split.title()}"
    texts = root / f"Locount_GtTxts{split.title()}"
    images.mkdir()
    texts.mkdir()
    draw = functools.partial(_write_picture, images, texts, series)
    bar = functools.partial(
        tqdm, total=series.images, desc=f"Shelves of seed {series.seed}", unit="image", leave=False
    )
    workers = min(usable_cpus(), -(-series.images // PICTURES_PER_WORKER))
    if workers == 1:
        rows = dict(bar(map(draw, range(series.images))))
    else:
        # Started afresh: a fork of a process with threads, as torch's, can wait forever.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, initializer=_one_thread) as pool:
            rows = dict(bar(pool.map(draw, range(series.images), chunksize=8)))
    (root / f"rows_{split}.json").write_text(json.dumps(rows))


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
