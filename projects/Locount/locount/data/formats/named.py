"""From dataset names to their data: ``PREFIX:PLACE:PART?OPTIONS``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from ...shelf.render import STYLES
from ...shelf.rules import RULES
from ..names import DatasetName, Option, one_of, positive, share
from ..selection import OPTIONS, select
from .base import Source
from .predictions import Predictions
from .registry import FORMATS
from .rendered import RenderedShelves

# What is before the first colon of a name: where its data comes from, and its own options.
PREFIXES: dict[str, tuple[Callable[..., Source], Mapping[str, Option]]] = {
    **{key: (format.source, format.options) for key, format in FORMATS.items()},
    "predictions": (Predictions.of, {"score": Option("score=0.5", share)}),
    "shelf": (
        RenderedShelves.of,
        {
            "style": Option(f"style={'|'.join(STYLES)}", one_of(*STYLES)),
            "rule": Option(f"rule={'|'.join(RULES)}", one_of(*RULES)),
            "extent": Option("extent=N", positive),
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
    """Where the data of a name comes from; None for a name that is not ours.

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
