"""Checks of a config against its datasets, for the start of a run."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from itertools import zip_longest

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, MetadataCatalog

from ..config.checks import get
from ..errors import MAX_LISTED, DatasetError, Problem
from .catalog import register_datasets
from .formats.records import Records
from .names import with_option

logger = logging.getLogger(__name__)


def check_datasets(cfg: CfgNode, names: Sequence[str]) -> None:
    """Read datasets and check that the model of a config can learn from them and be tested on them.

    The names are registered if they are not yet. All of the data is read, so that a fault in the
    test data shows at the start and not at the first evaluation.

    Args:
        cfg: with the nodes of ``add_locount_config``.
        names: datasets of ``DATASETS.TRAIN`` and ``DATASETS.TEST``; counts are checked in those of
            the first.

    Raises:
        DatasetError: for data that can't be used, for datasets of different categories, for a model
            with another number of classes, and for counts to be learnt above
            ``MODEL.COUNT_HEAD.MAX_COUNT``.
    """
    register_datasets(names)
    check_classes(cfg, names)
    head = cfg.MODEL.COUNT_HEAD
    for name in names:
        records = DatasetCatalog.get(name)
        if name in cfg.DATASETS.TEST and len({r["image_id"] for r in records}) < len(records):
            raise DatasetError(
                f"{name!r} of DATASETS.TEST contains photos more than once: leave out repeat=N, "
                "which is for training"
            )
        if head.STRATEGY == "classification" and name in cfg.DATASETS.TRAIN:
            check_counts(name, records, head.MAX_COUNT)
        warn_of_crowds(cfg, name, records)


def fill_num_classes(cfg: CfgNode, names: Sequence[str], named: Collection[str]) -> None:
    """Give the model the number of classes of its data, unless somebody named a number.

    Args:
        cfg: not frozen; is changed.
        names: datasets, of which the first decides; they are registered if they are not yet.
        named: the keys that a file or options gave a value, as ``locount.config.named_keys`` says.
    """
    option = num_classes_option(cfg)
    if option is None or option in named or not names:
        return
    register_datasets(names[:1])
    classes = MetadataCatalog.get(names[0]).get("thing_classes")
    if classes is not None:
        cfg.merge_from_list([option, len(classes)])


def check_classes(cfg: CfgNode, names: Sequence[str]) -> None:
    """Check that all datasets have the same categories, and the model the same number of classes.

    Raises:
        DatasetError: naming the datasets, or the option and its right value.
    """
    if not names:
        return
    classes = {name: list(MetadataCatalog.get(name).thing_classes) for name in names}
    first = names[0]
    for name in names[1:]:
        if classes[name] != classes[first]:
            raise DatasetError(
                f"The datasets {first!r} and {name!r} have different categories, so that one model "
                f"can't serve both: {difference(classes[first], classes[name])}. Give both the "
                "same categories in the same order (Locount layout: categories.txt), or one map: "
                f"?map=FILE.csv with lines from,to, or {with_option(first, 'as=product')!r} and "
                f"{with_option(name, 'as=product')!r} for one category."
            )
    option = num_classes_option(cfg)
    if option is None:
        return
    num_classes = get(cfg, option)
    if num_classes != len(classes[first]):
        raise DatasetError(
            f"{option} is {num_classes}, but {first!r} has {len(classes[first])} categories: "
            f"set {option} {len(classes[first])}; for a model that is already trained give the "
            "data its categories, with ?map=FILE.csv or ?as=CATEGORY after the name"
        )


def num_classes_option(cfg: CfgNode) -> str | None:
    """The config key of the model's number of classes; None for a model that has no classes.

    The key is in the node named after the meta architecture, minus a "Counting" prefix and a
    "Detector" suffix (``MODEL.FCOS`` for "CountingFCOS"), or else in ``MODEL.ROI_HEADS``.
    """
    architecture = cfg.MODEL.META_ARCHITECTURE
    node = architecture.removeprefix("Counting").removesuffix("Detector").upper()
    if "NUM_CLASSES" in cfg.MODEL.get(node, {}):
        return f"MODEL.{node}.NUM_CLASSES"
    return None if architecture == "ProposalNetwork" else "MODEL.ROI_HEADS.NUM_CLASSES"


def check_counts(name: str, records: Iterable[dict], max_count: int) -> None:
    """Check that no count is above ``max_count``.

    Args:
        name: of the dataset, for the message.
        records: its dataset dicts; an annotation without ``count`` is one item.

    Raises:
        DatasetError: listing each count that is too large, with file and line where they are known.
    """
    if isinstance(records, Records) and records.boxes["count"].max(initial=0) <= max_count:
        return
    problems, largest = [], 0
    for record in records:
        path = record.get("annotation_file", record["file_name"])
        for annotation in record["annotations"]:
            count = annotation.get("count", 1)
            if count > max_count:
                number = f" (annotation id {annotation['id']})" if "id" in annotation else ""
                text = f"the count is {count}{number}"
                problems.append(Problem(path, annotation.get("line"), text))
                largest = max(largest, count)
    if problems:
        raise DatasetError(
            f"{name!r} has {len(problems)} count(s) above MODEL.COUNT_HEAD.MAX_COUNT, which is "
            f"{max_count}: set it to {largest} or more, or correct the counts:",
            problems,
        )


def warn_of_crowds(cfg: CfgNode, name: str, records: Sequence[dict]) -> None:
    """Say so if an image has more boxes than the model gives detections."""
    if isinstance(records, Records):
        sizes = records.num_objects().tolist()
    else:
        sizes = [sum(not a.get("iscrowd", 0) for a in r["annotations"]) for r in records]
    if not sizes:
        return
    place = int(np.argmax(sizes))
    photo, number = records[place]["file_name"], sizes[place]
    limit = {
        "GeneralizedRCNN": "MODEL.RPN.POST_NMS_TOPK_TEST",
        "CountingDETR": "MODEL.DETR.NUM_QUERIES",
    }.get(cfg.MODEL.META_ARCHITECTURE)
    keys = ["TEST.DETECTIONS_PER_IMAGE", *([limit] if limit else [])]
    low = [f"{key} is {get(cfg, key)}" for key in keys if 0 <= get(cfg, key) < number]
    if low:
        logger.warning(
            f"{name!r}: {photo} has {number} boxes, which can't all be found, for "
            f"{' and '.join(low)} (docs/tiles.md#more-than-300-boxes)"
        )


def difference(ours: Sequence[object], theirs: Sequence[object]) -> str:
    """What two lists of names or ids, which are not equal, have not in common."""
    only = [
        f"only the {which} has {', '.join(map(repr, names[:MAX_LISTED]))}"
        + (f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else "")
        for which, names in (
            ("first", [name for name in ours if name not in theirs]),
            ("second", [name for name in theirs if name not in ours]),
        )
        if names
    ]
    if only:
        return "; ".join(only)
    pairs = enumerate(zip_longest(ours, theirs))
    i, (a, b) = next((i, pair) for i, pair in pairs if pair[0] != pair[1])
    return f"number {i} is {a!r} in one and {b!r} in the other"
