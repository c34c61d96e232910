"""The dataset name ``shelf:IMAGES:SEED``: rendered once, kept in the cache."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path
from typing import Any

from iopath.common.file_io import file_lock

from ...errors import InputError
from ...shelf.render import RENDERER_VERSION
from ...shelf.write import DEFAULT_SIZE, Series, make_shelf, parse_size
from ..names import DatasetName
from .base import Reading, Source, Survey
from .index_cache import cache_directory
from .locount.source import LocountFolder

_SPLIT = "shelf"


class RenderedShelves(Source):
    """A series of rendered pictures as a dataset."""

    def __init__(self, series: Series) -> None:
        """
        Raises:
            InputError: if the series can't be rendered.
        """
        self.series, self.split = series.check(), _SPLIT
        self.title = f"Rendered shelves in {self.folder}"

    @classmethod
    def of(cls, name: DatasetName, **options: Any) -> RenderedShelves:
        """The series of ``shelf:IMAGES:SEED`` or ``shelf:IMAGES:SEED:WIDTHxHEIGHT``.

        ``options`` are the style, the rule and the extent.

        Raises:
            InputError: if the name has another form, or there is no such series.
        """
        parts = name.place.split(":")[1:]
        if len(parts) not in (2, 3) or not all(p.isascii() and p.isdigit() for p in parts[:2]):
            raise InputError(
                f"The dataset name {name.text!r} is incomplete or wrong: write shelf:IMAGES:SEED, "
                "such as shelf:500:1, or shelf:IMAGES:SEED:WIDTHxHEIGHT"
            )
        size = parse_size(parts[2]) if len(parts) == 3 else DEFAULT_SIZE
        return cls(Series(int(parts[0]), int(parts[1]), *size, **options))

    @property
    def folder(self) -> Path:
        """Where the pictures are kept. Its name says all that they depend on."""
        images, seed, width, height, *_ = self.series
        name = f"shelf-v{RENDERER_VERSION}-{width}x{height}-seed{seed}-{images}"
        described = self.series.described()
        unusual = [str(described[key]) for key in ("style", "rule") if key in described]
        if "extent" in described:
            unusual.append(f"extent{self.series.extent}")
        return cache_directory() / "-".join([name, *unusual])

    def metadata(self) -> dict[str, Any]:
        goods = self.series.goods
        return {
            "thing_classes": [kind.name for kind in goods],
            "thing_groups": [kind.group for kind in goods],
        }

    @property
    def image_root(self) -> str:
        return self._pictures.image_root

    def survey(self) -> Survey:
        """Renders the pictures if they are not there; other processes wait meanwhile.

        Raises:
            InputError: if the cache can't be written.
        """
        return self._pictures.survey()

    @functools.cached_property
    def _pictures(self) -> Source:
        folder = self.folder
        if not folder.exists():
            try:
                folder.parent.mkdir(parents=True, exist_ok=True)
                with file_lock(str(folder)):
                    self._render(folder)
            except (OSError, InputError) as error:
                raise InputError(
                    f"The shelves can't be kept in {folder.parent}: {error}.\n"
                    "Set LOCOUNT_CACHE to a folder that can be written and has room."
                ) from error
        return LocountFolder(str(folder), Reading()).source(_SPLIT)

    def _render(self, folder: Path) -> None:
        """Nothing to do if another process had the lock before. The folder appears complete."""
        if folder.exists():
            return
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-") as temporary:
            finished = Path(temporary) / folder.name
            make_shelf(finished, _SPLIT, self.series)
            os.replace(finished, folder)
