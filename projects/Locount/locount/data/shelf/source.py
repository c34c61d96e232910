"""The dataset name ``shelf:IMAGES:SEED``: rendered once, kept in the cache."""

from __future__ import annotations

import functools
from pathlib import Path

from iopath.common.file_io import file_lock

from ..errors import DatasetError
from ..index_cache import cache_directory
from ..locount_folder import LocountFolder
from .categories import CLASSES, GROUPS
from .render import RENDERER_VERSION
from .write import DEFAULT_SIZE, Series, make_shelf, parse_size

_SPLIT = "shelf"


class RenderedShelves:
    """A series of rendered pictures as a dataset."""

    def __init__(self, series: Series) -> None:
        """
        Raises:
            DatasetError: if the series can't be rendered.
        """
        self.series = series.check()

    @classmethod
    def from_name(cls, name: str) -> RenderedShelves:
        """The series of ``shelf:IMAGES:SEED`` or ``shelf:IMAGES:SEED:WIDTHxHEIGHT``.

        Raises:
            DatasetError: if the name has another form, or there is no such series.
        """
        parts = name.split(":")[1:]
        if len(parts) not in (2, 3) or not all(p.isascii() and p.isdigit() for p in parts[:2]):
            raise DatasetError(
                f"The dataset name {name!r} is incomplete or wrong: write shelf:IMAGES:SEED, such "
                "as shelf:500:1, or shelf:IMAGES:SEED:WIDTHxHEIGHT"
            )
        size = parse_size(parts[2]) if len(parts) == 3 else DEFAULT_SIZE
        return cls(Series(int(parts[0]), int(parts[1]), *size))

    @property
    def folder(self) -> Path:
        """Where the pictures are kept. Its name says all that they depend on."""
        images, seed, width, height = self.series
        name = f"shelf-v{RENDERER_VERSION}-{width}x{height}-seed{seed}-{images}"
        return cache_directory() / name

    def metadata(self) -> dict[str, object]:
        return {"thing_classes": list(CLASSES), "thing_groups": list(GROUPS)}

    def load(self) -> list[dict]:
        """Renders the pictures if they are not there; other processes wait meanwhile.

        Raises:
            DatasetError: if the cache can't be written, or its pictures were damaged.
        """
        return self._pictures.load()

    @functools.cached_property
    def _pictures(self) -> LocountFolder:
        folder = self.folder
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            lock = file_lock(str(folder))
            with lock:
                make_shelf(folder, _SPLIT, self.series)
        except (OSError, DatasetError) as error:
            raise DatasetError(
                f"The shelves can't be kept in {folder}: {error}\nRemove what stands there, or set "
                "LOCOUNT_CACHE to a folder that can be written."
            ) from error
        return LocountFolder(str(folder), _SPLIT)
