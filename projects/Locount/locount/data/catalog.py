"""Dataset names: built-in ones, and those that say where the data lies: ``locount:ROOT:SPLIT``."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable

from detectron2.data import DatasetCatalog, MetadataCatalog

from ..files import collector_paused
from ..shelf.render import STYLES
from ..shelf.rules import RULES
from .formats.base import Source
from .formats.registry import FORMATS
from .formats.rendered import RenderedShelves
from .names import DatasetName, Option, one_of
from .selection import OPTIONS, select

# What stands before the first colon of a name: where its data comes from, and its own options.
PREFIXES = {
    **{key: (format.source, format.options) for key, format in FORMATS.items()},
    "shelf": (
        RenderedShelves.of,
        {
            "style": Option(f"style={'|'.join(STYLES)}", one_of(*STYLES)),
            "rule": Option(f"rule={'|'.join(RULES)}", one_of(*RULES)),
        },
    ),
}

# Names for folders below $DETECTRON2_DATASETS.
BUILTIN = {
    "locount_train": "locount:{root}/locount:train",
    "locount_test": "locount:{root}/locount:test",
    "sku110k_train": "sku110k:{root}/sku110k:train",
    "sku110k_train_3828": "sku110k:{root}/sku110k:train?subset=3828&seed=0",
    "sku110k_val": "sku110k:{root}/sku110k:val",
    "sku110k_test": "sku110k:{root}/sku110k:test",
}


def source_of(text: str) -> Source | None:
    """Where the data of a name comes from; None for a name that is none of ours.

    Raises:
        DatasetError: for a name or an option that can't be read.
    """
    name = DatasetName(text)
    if name.place in BUILTIN:
        root = os.environ.get("DETECTRON2_DATASETS", "datasets")
        name = name.moved(BUILTIN[name.place].format(root=root))
    if name.prefix not in PREFIXES:
        return None
    open_source, known = PREFIXES[name.prefix]
    options = name.options({**known, **OPTIONS})
    of_source = {key: value for key, value in options.items() if key in known}
    selection = {key: value for key, value in options.items() if key in OPTIONS}
    return select(open_source(name, **of_source), name, selection)


def _load(name: str) -> list[dict]:
    source = source_of(name)
    with collector_paused():
        records = source.load()
        metadata = source.metadata()
    MetadataCatalog.get(name).set(**metadata)
    return records


def register_datasets(names: Iterable[str]) -> None:
    """Make names usable in ``DATASETS.TRAIN`` and ``DATASETS.TEST``, their metadata set.

    Names that are none of ours are left alone, and so are names that are registered already.

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


def register_builtin_datasets() -> None:
    """Register the built-in names; their folders are looked at when the data is asked for."""
    for name in BUILTIN:
        if name not in DatasetCatalog:
            _register(name)
