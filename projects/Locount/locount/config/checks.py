"""Checks of a config: each key by its description, and the keys against each other."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import msgspec
from detectron2.config import CfgNode, get_cfg

from ..counting import CountPartition
from ..errors import InputError, listing
from . import detectron2_keys
from .architectures import READ_WITH, is_read, parts_of, readers_of, registries
from .nodes import NODES, YOLO

# Detectron2's box losses, and one of the project's heads.
BOX_LOSSES = ("smooth_l1", "giou", "diou", "ciou")
BALANCED_L1 = "balanced_l1"
BALANCED_L1_HEADS = ("CLCNetROIHeads", "FasterRCNNROIHeads")

# Of counts in one layer, for each of which it has weights.
MAX_BINS = 10_000

WORDS = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    tuple: "a list",
    type(None): "empty",
}

# What was called otherwise in earlier versions.
RENAMED = {"BoxLossRPN": "ChunkedRPN", "BoxLossROIHeads": "FasterRCNNROIHeads"}


def check_config(cfg: CfgNode, *, features: bool = True) -> None:
    """Check every key, and what they have to do with one another.

    Args:
        features: whether feature maps come from the backbone that the config names; a part that is
            built by hand has its own.

    Raises:
        InputError: listing every key that does not fit, its value, and what is allowed.
    """
    problems = [problem for node in NODES for problem in node_problems(cfg, node)]
    problems += _detectron2_problems(cfg)
    if not problems:
        problems = _name_problems(cfg)
    if not problems:
        problems = [*_unread_problems(cfg), *_problems_between_keys(cfg)]
    if features and not problems:
        problems = list(detectron2_keys.feature_problems(cfg, parts_of(cfg)))
    _raise(problems)


@contextlib.contextmanager
def building(what: str = "model") -> Iterator[None]:
    """In the block something is built of a config: what :func:`check_config` does not know of.

    Raises:
        InputError: for whatever goes wrong.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # Detectron2, timm and torch raise whatever they come across
        raise InputError(
            f"The config does not fit together: no {what} can be built of it "
            f"({type(error).__name__}: {error}). Check that the keys that you set fit together."
        ) from error


def check_switches(cfg: CfgNode, named: Collection[str], options: Collection[str]) -> None:
    """Check that keys are not set in vain, because of the value of another key.

    Turning something off makes what a config says about it meaningless, which is not a mistake. It
    is one to set such a key where it is off by default, or by an option.

    Args:
        named: keys that a file or options give a value.
        options: keys that options do.

    Raises:
        InputError: as :func:`check_config`.
    """
    _raise(
        [
            problem
            for key, (switch, values) in READ_WITH.items()
            if key in options or switch not in named
            for problem in _vain_problems(cfg, key, switch, values)
        ]
    )


def _vain_problems(cfg: CfgNode, key: str, switch: str, values: tuple) -> Iterator[str]:
    """What is wrong with a key that is set, though only some values of a switch have it read."""
    field, value, setting = project_keys()[key], get(cfg, key), get(cfg, switch)
    if setting not in values and msgspec.convert(value, field.type) != field.default:
        yield (
            f"{key} is {value!r}, but nothing reads it with {switch} {setting!r}: leave it at "
            f"{field.default!r}, or set {switch} to {' or '.join(map(repr, values))}."
        )


def _raise(problems: list[str]) -> None:
    if len(problems) == 1:
        raise InputError(problems[0])
    if problems:
        raise InputError(f"The config does not fit together:\n{listing(problems)}")


def project_keys() -> dict[str, msgspec.structs.FieldInfo]:
    """All keys of the project's nodes, with type and default."""
    return {
        f"{node}.{field.name}": field
        for node, struct in NODES.items()
        for field in msgspec.structs.fields(struct)
    }


def get(cfg: CfgNode, key: str) -> Any:
    """The value of a key such as "MODEL.FCOS.NORM"."""
    for part in key.split("."):
        cfg = cfg[part]
    return cfg


def node_problems(cfg: CfgNode, node: str) -> list[str]:
    """What is wrong with the values of one of the project's nodes, each by itself."""
    fields = msgspec.structs.fields(NODES[node])
    problems = (value_problem(cfg, f"{node}.{field.name}", field.type) for field in fields)
    return list(filter(None, problems))


def value_problem(cfg: CfgNode, key: str, kind: Any) -> str | None:
    """What is wrong with the value of a key that is to be of a type."""
    value = get(cfg, key)
    try:
        msgspec.convert(value, kind)
        fits = value != math.inf
    except msgspec.ValidationError:
        fits = False
    return None if fits else f"{key} is {value!r}; it must be {allowed(kind)}."


def _detectron2_problems(cfg: CfgNode) -> list[str]:
    """What is wrong with the values of Detectron2's keys, each by itself."""
    problems = []
    for key, default in flatten(get_cfg()):
        value = get(cfg, key)
        if isinstance(value, CfgNode) or value == default:
            continue
        if key in detectron2_keys.KEYS:
            problems.append(value_problem(cfg, key, detectron2_keys.KEYS[key]))
        elif not detectron2_keys.same_kind(value, default):
            problems.append(
                f"{key} is {value!r}; it must be {WORDS[type(default)]}{_like(default)}."
            )
    return list(filter(None, problems))


def _like(default: Any) -> str:
    return f" like {list(default)}" if isinstance(default, list | tuple) else ""


def flatten(node: Mapping, prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every key of nested nodes, such as "MODEL.FCOS.NORM", with its value."""
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def allowed(kind: Any) -> str:
    """What a value of a type can be, in words."""
    limits = getattr(kind, "__metadata__", ())
    if limits:
        kind = kind.__origin__
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(repr, get_args(kind)))}"
    if get_origin(kind) is tuple:
        of, *more = get_args(kind)
        number = "a list" if more == [...] else f"a list of {1 + len(more)}"
        return f"{number}, each {allowed(of)}"
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    bounds = [
        f"{words} {getattr(limit, sign)}"
        for limit in limits
        for sign, words in signs.items()
        if getattr(limit, sign) is not None
    ]
    return " ".join([WORDS[kind], *[" and ".join(bounds)][: len(bounds)]])


def _stages_key(cfg: CfgNode) -> str:
    """What says how many stages share the digits of a count, in a detector with several."""
    if cfg.MODEL.META_ARCHITECTURE == "CountingDETR":
        return "MODEL.DETR.COUNT_LAYERS"
    return "the length of MODEL.ROI_BOX_CASCADE_HEAD.IOUS"


def count_partition(cfg: CfgNode, num_stages: int) -> CountPartition:
    """The partition that MODEL.COUNT_HEAD describes for the stages of a cascade, or for one.

    Raises:
        InputError: naming the keys, where more stages are asked for than the counts have digits.
    """
    head = cfg.MODEL.COUNT_HEAD
    try:
        partition = CountPartition(head.MAX_COUNT, head.BASE, num_stages)
        if partition.num_bins[-1] > MAX_BINS:
            raise ValueError(
                f"The last stage would have {partition.num_bins[-1]} bins of counts, "
                f"over {MAX_BINS}."
            )
        return partition
    except ValueError as error:
        stages = f" or the number of stages, which is {_stages_key(cfg)} ({num_stages})"
        raise InputError(
            f"{error} Change MODEL.COUNT_HEAD.MAX_COUNT ({head.MAX_COUNT}) or "
            f"MODEL.COUNT_HEAD.BASE ({head.BASE}){stages if num_stages > 1 else ''}."
        ) from error


def _name_problems(cfg: CfgNode) -> list[str]:
    known = registries()
    return [
        f"{key} is {name!r}, which is now called {RENAMED[name]!r}."
        if name in RENAMED
        else f"{key} is {name!r}; it must be one of {', '.join(sorted(n for n, _ in known[key]))}."
        for key, name in parts_of(cfg).items()
        if name not in known[key]
    ]


def _unread_problems(cfg: CfgNode) -> list[str]:
    parts, known = parts_of(cfg), registries()
    modules = [known[key].get(name).__module__ for key, name in parts.items()]
    if any(module.partition(".")[0] not in ("detectron2", "locount") for module in modules):
        return []  # a part of somebody else's may read anything
    names = list(parts.values())
    # Of the data, not of the detector: a config may give it to every node.
    keys = {k: field for k, field in project_keys().items() if field.name != "NUM_CLASSES"}
    return [
        f"{key} is {get(cfg, key)!r}, but is not read by {', '.join(names)}: leave it at "
        f"{field.default!r}. It has a meaning for {', '.join(readers_of(key))}."
        for key, field in keys.items()
        if not is_read(key, names) and msgspec.convert(get(cfg, key), field.type) != field.default
    ]


def _problems_between_keys(cfg: CfgNode) -> Iterator[str]:
    names = list(parts_of(cfg).values())
    yield from _box_loss_problems(cfg, names)
    solver = cfg.SOLVER
    if solver.NESTEROV and (solver.OPTIMIZER != "SGD" or solver.MOMENTUM == 0):
        yield (
            "SOLVER.NESTEROV is True, which needs SOLVER.OPTIMIZER SGD and a SOLVER.MOMENTUM above "
            f"0, and they are {solver.OPTIMIZER} and {solver.MOMENTUM}."
        )
    if "CLCNetROIHeads" in names:
        yield from _cascade_problems(cfg.MODEL)
    if cfg.MODEL.COUNT_HEAD.STRATEGY != "none":
        yield from _counting_problems(cfg, names)
    if "RepPoints" in names:
        yield from _reppoints_problems(cfg.MODEL.REPPOINTS)
    if "YOLO" in names:
        yield from _yolo_problems(cfg.MODEL.YOLO)
    if "CountingDETR" in names:
        yield from _detr_problems(cfg)
    node = cfg.MODEL.TORCHVISION
    if node.PRETRAINED_BACKBONE and node.NAME.startswith("ssdlite"):
        yield (
            f"MODEL.TORCHVISION.PRETRAINED_BACKBONE is True, but torchvision gives {node.NAME} "
            "another network with ImageNet weights than without: set it False and train from "
            "scratch."
        )


def _box_loss_problems(cfg: CfgNode, names: list[str]) -> Iterator[str]:
    balanced = any(name in BALANCED_L1_HEADS for name in names)
    for node, reader, losses in (
        ("RPN", {"RPN", "ChunkedRPN"}, BOX_LOSSES),
        ("RETINANET", {"RetinaNet", "CountingRetinaNet"}, BOX_LOSSES),
        (
            "ROI_BOX_HEAD",
            {"StandardROIHeads", "CascadeROIHeads", *BALANCED_L1_HEADS},
            (*BOX_LOSSES, *[BALANCED_L1][:balanced]),
        ),
    ):
        loss = cfg.MODEL[node].BBOX_REG_LOSS_TYPE
        if reader & set(names) and loss not in losses:
            for_whom = (
                f' "{BALANCED_L1}" is for MODEL.ROI_BOX_HEAD of {" and ".join(BALANCED_L1_HEADS)}.'
            )
            yield (
                f"MODEL.{node}.BBOX_REG_LOSS_TYPE is {loss!r}; it must be one of "
                f"{', '.join(losses)}.{for_whom if loss == BALANCED_L1 else ''}"
            )


def _cascade_problems(model: CfgNode) -> Iterator[str]:
    cascade = model.ROI_BOX_CASCADE_HEAD
    if len(cascade.IOUS) != len(cascade.BBOX_REG_WEIGHTS):
        yield (
            f"MODEL.ROI_BOX_CASCADE_HEAD.IOUS has {len(cascade.IOUS)} entries and "
            f"MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS has {len(cascade.BBOX_REG_WEIGHTS)}; "
            "each stage needs one of both."
        )
    if len(cascade.IOUS) == 0 or list(model.ROI_HEADS.IOU_THRESHOLDS) != [cascade.IOUS[0]]:
        yield (
            f"MODEL.ROI_HEADS.IOU_THRESHOLDS is {list(model.ROI_HEADS.IOU_THRESHOLDS)} and "
            f"MODEL.ROI_BOX_CASCADE_HEAD.IOUS is {list(cascade.IOUS)}; the first stage's threshold "
            "is in both."
        )
    if not model.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG:
        yield (
            "MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG is False; set it True, since a cascade "
            "refines one box per proposal, not one per class."
        )


def _counting_problems(cfg: CfgNode, names: list[str]) -> Iterator[str]:
    head = cfg.MODEL.COUNT_HEAD
    num_stages = 1
    if "CLCNetROIHeads" in names:
        num_stages = len(cfg.MODEL.ROI_BOX_CASCADE_HEAD.IOUS)
    elif "CountingDETR" in names:
        num_stages = cfg.MODEL.DETR.COUNT_LAYERS
    if "CLCNetROIHeads" in names and num_stages == 1 and head.MATCHING != "iou":
        yield (
            f"MODEL.COUNT_HEAD.MATCHING is {head.MATCHING!r}, which is about the later stages of "
            "a cascade; with one stage in MODEL.ROI_BOX_CASCADE_HEAD.IOUS leave it at 'iou'."
        )
    if head.STRATEGY == "classification":
        try:
            count_partition(cfg, num_stages)
        except InputError as error:
            yield str(error)
        return
    for key in ("LOSS", "BALANCE", "DECODE", "RANKING"):
        key = f"MODEL.COUNT_HEAD.{key}"
        yield from _vain_problems(cfg, key, *READ_WITH[key])


def _reppoints_problems(node: CfgNode) -> Iterator[str]:
    low, high = node.IOU_THRESHOLDS
    if low > high:
        yield f"MODEL.REPPOINTS.IOU_THRESHOLDS is {[low, high]}; the first can't be the higher one."
    if node.NORM == "GN" and node.CONV_DIM % 32:
        yield (
            f"MODEL.REPPOINTS.CONV_DIM is {node.CONV_DIM}; with MODEL.REPPOINTS.NORM 'GN' it must "
            "be a multiple of 32."
        )


def _yolo_problems(node: CfgNode) -> Iterator[str]:
    if len(node.ANCHORS) != len(node.IN_FEATURES):
        yield (
            f"MODEL.YOLO.ANCHORS has {len(node.ANCHORS)} levels and MODEL.YOLO.IN_FEATURES "
            f"{len(node.IN_FEATURES)}; each feature needs its anchors."
        )
    channels, levels = node.NECK_CHANNELS, len(node.IN_FEATURES)
    if channels < 2 ** (levels - 1):
        yield (
            f"MODEL.YOLO.NECK_CHANNELS is {channels}, which is halved from level to level; with "
            f"{levels} MODEL.YOLO.IN_FEATURES it must be at least {2 ** (levels - 1)}."
        )
    default, exponent = YOLO().IOU_AWARE_EXPONENT, node.IOU_AWARE_EXPONENT
    if node.IOU_AWARE_LOSS_WEIGHT == 0 and exponent != default:
        yield (
            f"MODEL.YOLO.IOU_AWARE_EXPONENT is {exponent}, but no IoU is predicted with "
            f"MODEL.YOLO.IOU_AWARE_LOSS_WEIGHT 0.0: leave it at {default}, or give that a weight."
        )
    numbers = [len(level) for level in node.ANCHORS]
    if len(set(numbers)) != 1 or 0 in numbers:
        yield (
            f"MODEL.YOLO.ANCHORS has {numbers} anchors on its levels; each level needs the same "
            "number, at least one."
        )


def _detr_problems(cfg: CfgNode) -> Iterator[str]:
    node = cfg.MODEL.DETR
    if node.HIDDEN_DIM % 32:
        yield f"MODEL.DETR.HIDDEN_DIM is {node.HIDDEN_DIM}; it must be a multiple of 32."
    if not node.PRETRAINED and node.COUNT_LAYERS > node.DECODER_LAYERS:
        yield (
            f"MODEL.DETR.COUNT_LAYERS is {node.COUNT_LAYERS}, but MODEL.DETR.DECODER_LAYERS is "
            f"{node.DECODER_LAYERS}: no more layers can count than there are."
        )
    if node.NAME == "deformable_detr" and not (node.IN_FEATURES or node.PRETRAINED):
        yield (
            "MODEL.DETR.IN_FEATURES is empty, but the own backbone of deformable_detr is partly "
            "frozen and can't start from random weights: name features of MODEL.BACKBONE, or "
            "weights in MODEL.DETR.PRETRAINED."
        )
    for key, names in (
        ("HIDDEN_EXPANSION", ("rtdetr_v2", "d_fine")),
        ("NUM_DENOISING", ("rtdetr_v2", "d_fine")),
        ("DEPTH_MULT", ("d_fine",)),
    ):
        yield from _vain_problems(cfg, f"MODEL.DETR.{key}", "MODEL.DETR.NAME", names)
