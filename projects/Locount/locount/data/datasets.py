"""Dataset names: built-in ones, and those that say where the data lies: ``locount:ROOT:SPLIT``."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from detectron2.data import DatasetCatalog, MetadataCatalog

from .coco_json import CocoJson
from .errors import DatasetError
from .locount_folder import LocountFolder
from .shelf.source import RenderedShelves
from .sku110k import Sku110k


class Source(Protocol):
    """Where a dataset comes from. Both methods raise :class:`DatasetError` for unusable data."""

    def metadata(self) -> dict[str, object]:
        """Detectron2's metadata, ``thing_classes`` at least."""

    def load(self) -> list[dict]:
        """Detectron2's dataset dicts, ``count`` in every annotation."""


def _two_parts(name: str, form: str) -> tuple[str, str]:
    """What stands between the prefix and the last colon, and behind it: paths may hold colons."""
    first, _, second = name.partition(":")[2].rpartition(":")
    if not first or not second:
        raise DatasetError(f"The dataset name {name!r} is incomplete: write {form}")
    return os.path.expanduser(first), os.path.expanduser(second)


def _locount(name: str) -> Source:
    return LocountFolder(
        *_two_parts(name, "locount:ROOT:SPLIT, such as locount:datasets/locount:train")
    )


def _coco(name: str) -> Source:
    return CocoJson(*_two_parts(name, "coco:ANNOTATIONS.json:IMAGE_ROOT"))


def _sku110k(name: str) -> Source:
    return Sku110k.from_name(
        *_two_parts(name, "sku110k:ROOT:SPLIT, such as sku110k:datasets/sku110k:train")
    )


# By what stands before the first colon of a name.
PREFIXES: dict[str, Callable[[str], Source]] = {
    "coco": _coco,
    "locount": _locount,
    "shelf": RenderedShelves.from_name,
    "sku110k": _sku110k,
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


def source_of(name: str) -> Source | None:
    """Where the data of a name comes from; None for a name that is none of ours."""
    if name in BUILTIN:
        name = BUILTIN[name].format(root=os.environ.get("DETECTRON2_DATASETS", "datasets"))
    prefix, colon, _ = name.partition(":")
    return PREFIXES[prefix](name) if colon and prefix in PREFIXES else None


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
