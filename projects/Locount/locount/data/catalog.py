"""Dataset names in Detectron2's catalogs."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import cast

from detectron2.data import DatasetCatalog, MetadataCatalog

from ..files import collector_paused
from .formats.base import Source
from .formats.records import Records
from .formats.registry import BUILTIN, source_of


def _load(name: str) -> Records:
    source = cast(Source, source_of(name))  # only such names are registered
    with collector_paused():
        records = source.load()
        metadata = source.metadata()
    MetadataCatalog.get(name).set(**metadata)
    return records


def register_datasets(names: Iterable[str]) -> None:
    """Make names usable in ``DATASETS.TRAIN`` and ``DATASETS.TEST``, their metadata set.

    Names that are not ours are passed over, and so are names that are registered already.

    Raises:
        DatasetError: for a name that is incomplete or leads to no dataset, or if its categories
            can't be known.
    """
    for name in names:
        if name in DatasetCatalog and name not in BUILTIN:
            continue
        source = source_of(name)
        if source is None:
            continue
        with collector_paused():
            metadata = source.metadata()
        if name not in DatasetCatalog:
            _register(name)
        MetadataCatalog.get(name).set(**metadata)


def _register(name: str) -> None:
    DatasetCatalog.register(name, functools.partial(_load, name))
    MetadataCatalog.get(name).set(evaluator_type="locount")


def is_ours(name: str) -> bool:
    """Whether a name is registered here, so that its data is loaded as :class:`Records`."""
    return getattr(DatasetCatalog.data.get(name), "func", None) is _load


def register_builtin_datasets() -> None:
    """Register the built-in names; their folders are looked at when the data is asked for."""
    for name in BUILTIN:
        if name not in DatasetCatalog:
            _register(name)
