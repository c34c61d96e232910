"""Dataset names: built-in ones, and those that say where the data lies: ``locount:ROOT:SPLIT``."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from detectron2.data import DatasetCatalog, MetadataCatalog

from .coco_json import CocoJson
from .locount_folder import LocountFolder
from .names import DatasetName, Option, flag, whole_number
from .selection import OPTIONS, select
from .shelf.source import RenderedShelves
from .sku110k import Sku110k


class Source(Protocol):
    """Where a dataset comes from. Both methods raise :class:`DatasetError` for unusable data."""

    def metadata(self) -> dict[str, object]:
        """Detectron2's metadata, ``thing_classes`` at least."""

    def load(self) -> list[dict]:
        """Detectron2's dataset dicts, ``count`` in every annotation."""


def _locount(name: DatasetName) -> Source:
    return LocountFolder(
        *name.two_parts("locount:ROOT:SPLIT, such as locount:datasets/locount:train")
    )


def _coco(name: DatasetName) -> Source:
    return CocoJson(*name.two_parts("coco:ANNOTATIONS.json:IMAGE_ROOT"))


def _sku110k(name: DatasetName, **options) -> Source:
    parts = name.two_parts("sku110k:ROOT:SPLIT, such as sku110k:datasets/sku110k:train")
    return Sku110k(*parts, **options)


class Prefix(NamedTuple):
    """A kind of dataset: its source from its name and options, and which options it has."""

    open: Callable[..., Source]
    options: Mapping[str, Option] = MappingProxyType({})


# By what stands before the first colon of a name.
PREFIXES: dict[str, Prefix] = {
    "coco": Prefix(_coco),
    "locount": Prefix(_locount),
    "shelf": Prefix(RenderedShelves.of),
    "sku110k": Prefix(
        _sku110k,
        {
            "skip_invalid": Option("skip_invalid", flag),
            "subset": Option("subset=N", whole_number),
            "seed": Option("seed=N", whole_number),
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
    prefix = PREFIXES[name.prefix]
    options = name.options({**prefix.options, **OPTIONS})
    of_source = {key: value for key, value in options.items() if key in prefix.options}
    selection = {key: value for key, value in options.items() if key in OPTIONS}
    return select(prefix.open(name, **of_source), name, selection)


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Without the cyclic garbage collector, which would walk the growing data over and over.

    With it, half a million annotations take more than twice as long.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _load(name: str) -> list[dict]:
    source = source_of(name)
    with _collector_paused():
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
        with _collector_paused():
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
