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

from ..shelf.render import STYLES
from ..shelf.rules import RULES
from .coco_json import CocoJson
from .formats.rendered import RenderedShelves
from .locount_folder import LocountFolder
from .mending import Changes
from .names import DatasetName, Option, flag, one_of, whole_number
from .selection import OPTIONS, select
from .sku110k import Sku110k


class Source(Protocol):
    """Where a dataset comes from. Both methods raise an :class:`InputError` for unusable data."""

    def metadata(self) -> dict[str, object]:
        """Detectron2's metadata, ``thing_classes`` at least."""

    def load(self) -> list[dict]:
        """Detectron2's dataset dicts, ``count`` in every annotation."""


def _opened(kind: Callable[..., Source], form: str) -> Callable[..., Source]:
    def open_source(name: DatasetName, mend: bool = False, **options) -> Source:
        place, part = name.two_parts(form)
        return kind(place, part, mend=Changes(place) if mend else None, **options)

    return open_source


_locount = _opened(LocountFolder, "locount:ROOT:SPLIT, such as locount:datasets/locount:train")
_coco = _opened(CocoJson, "coco:ANNOTATIONS.json:IMAGE_ROOT")
_sku110k = _opened(Sku110k, "sku110k:ROOT:SPLIT, such as sku110k:datasets/sku110k:train")
_MEND = {"mend": Option("mend", flag)}


class Prefix(NamedTuple):
    """A kind of dataset: its source from its name and options, and which options it has."""

    open: Callable[..., Source]
    options: Mapping[str, Option] = MappingProxyType({})


# By what stands before the first colon of a name.
PREFIXES: dict[str, Prefix] = {
    "coco": Prefix(_coco, {**_MEND, "count": Option("count=NAME", str)}),
    "locount": Prefix(_locount, _MEND),
    "shelf": Prefix(
        RenderedShelves.of,
        {
            "style": Option(f"style={'|'.join(STYLES)}", one_of(*STYLES)),
            "rule": Option(f"rule={'|'.join(RULES)}", one_of(*RULES)),
        },
    ),
    "sku110k": Prefix(
        _sku110k,
        {
            **_MEND,
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
