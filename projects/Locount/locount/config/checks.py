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
from .architectures import READ_BY_NETWORK, READ_WITH, is_read, parts_of, readers_of, registries
from .nodes import NODES, YOLO, IoUAware

# A box loss of the project's heads, beside Detectron2's.
BALANCED_L1 = "balanced_l1"

# Each entry is a stage of a cascade.
STAGES = "MODEL.ROI_BOX_CASCADE_HEAD.IOUS"

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
    problems = list(filter(None, _value_problems(cfg)))
    if not problems:
        problems = _name_problems(cfg)
    if not problems:
        problems = [*_unread_problems(cfg), *_problems_between_keys(cfg)]
    if features and not problems:
        problems = list(detectron2_keys.feature_problems(cfg, parts_of(cfg)))
    raise_problems(problems)


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
    raise_problems(
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


def raise_problems(problems: Collection[str], source: str = "") -> None:
    """Raise an :class:`InputError` if there are any problems, each of which names its key.

    Args:
        source: where the keys come from, to begin the message with.
    """
    if len(problems) == 1:
        raise InputError(f"{source}{next(iter(problems))}")
    if problems:
        raise InputError(f"{source}{len(problems)} keys can't be used:\n{listing(problems)}")


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


def _value_problems(cfg: CfgNode) -> Iterator[str | None]:
    """What is wrong with the value of each key by itself."""
    for key, field in project_keys().items():
        yield value_problem(cfg, key, field.type)
    for key, default in flatten(get_cfg()):
        value = get(cfg, key)
        if isinstance(value, CfgNode) or value == default:
            continue
        if kind := detectron2_keys.type_of(key):
            yield value_problem(cfg, key, kind)
        elif not detectron2_keys.same_kind(value, default):
            like = f" like {list(default)}" if isinstance(default, list | tuple) else ""
            yield f"{key} is {value!r}; it must be {WORDS[type(default)]}{like}."


def value_problem(cfg: CfgNode, key: str, kind: Any) -> str | None:
    """What is wrong with the value of a key that is to be of a type."""
    value = get(cfg, key)
    try:
        msgspec.convert(value, kind)
        fits = value != math.inf
    except msgspec.ValidationError:
        fits = False
    return None if fits else f"{key} is {value!r}; it must be {allowed(kind)}."


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
    signs["multiple_of"] = "a multiple of"
    bounds = [
        f"{words} {getattr(limit, sign)}"
        for limit in limits
        for sign, words in signs.items()
        if getattr(limit, sign) is not None
    ]
    return " ".join([WORDS[kind], *[" and ".join(bounds)][: len(bounds)]])


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
        of_layers = cfg.MODEL.META_ARCHITECTURE == "CountingDETR"
        stages = "MODEL.DETR.COUNT_LAYERS" if of_layers else "the length of " + STAGES
        more = f" or the number of stages, which is {stages} ({num_stages})"
        raise InputError(
            f"{error} Change MODEL.COUNT_HEAD.MAX_COUNT ({head.MAX_COUNT}) or "
            f"MODEL.COUNT_HEAD.BASE ({head.BASE}){more if num_stages > 1 else ''}."
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
    for text, *keys in (*_misfits(cfg), *_misfits_of_parts(cfg.MODEL, names)):
        yield f"{' and '.join(f'{key} is {get(cfg, key)!r}' for key in keys)}: {text}."
    if cfg.MODEL.COUNT_HEAD.STRATEGY != "none":
        yield from _counting_problems(cfg, names)
    if "CountingDETR" in names:
        for key, networks in READ_BY_NETWORK.items():
            yield from _vain_problems(cfg, key, "MODEL.DETR.NAME", networks)


def _misfits(cfg: CfgNode) -> Iterator[tuple[str, ...]]:
    """What is wrong with keys of a config together: a text, and the keys."""
    solver, augmentation = cfg.SOLVER, cfg.AUGMENTATION
    if solver.NESTEROV and (solver.OPTIMIZER != "SGD" or solver.MOMENTUM == 0):
        text = "Nesterov's momentum is for SGD, and above 0"
        yield text, "SOLVER.NESTEROV", "SOLVER.OPTIMIZER", "SOLVER.MOMENTUM"
    if cfg.MODEL.EMA.ENABLED and cfg.TEST.PRECISE_BN.ENABLED:
        text = "statistics are of the weights in training, but their average is evaluated and saved"
        yield f"{text}: turn one of them off", "TEST.PRECISE_BN.ENABLED", "MODEL.EMA.ENABLED"
    has_policy = augmentation.POLICY != "none"
    if (has_policy or augmentation.COLOR > 0) and cfg.INPUT.FORMAT not in ("BGR", "RGB"):
        text = "augmentation of colors needs the format 'BGR' or 'RGB'"
        yield text, "INPUT.FORMAT", "AUGMENTATION.POLICY", "AUGMENTATION.COLOR"
    if has_policy and (cfg.MODEL.MASK_ON or cfg.MODEL.KEYPOINT_ON):
        text = "set MODEL.MASK_ON and MODEL.KEYPOINT_ON False, since policies are for boxes"
        yield text, "AUGMENTATION.POLICY"


def _misfits_of_parts(model: CfgNode, names: Collection[str]) -> Iterator[tuple[str, ...]]:
    """As :func:`_misfits`, of what parts of a model read."""
    head, cascade = model.ROI_BOX_HEAD, model.ROI_BOX_CASCADE_HEAD
    of_detectron2 = {"StandardROIHeads", "CascadeROIHeads"} & {*names}
    if head.BBOX_REG_LOSS_TYPE == BALANCED_L1 and of_detectron2:
        text = f"only {' and '.join(detectron2_keys.OUR_HEADS)} have that loss"
        yield text, "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE"
    if "CLCNetROIHeads" in names:
        if len(cascade.IOUS) != len(cascade.BBOX_REG_WEIGHTS):
            text = "each stage needs one of both"
            yield text, STAGES, "MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS"
        if not cascade.IOUS or list(model.ROI_HEADS.IOU_THRESHOLDS) != [cascade.IOUS[0]]:
            yield "the first stage's threshold is in both", "MODEL.ROI_HEADS.IOU_THRESHOLDS", STAGES
        counts = model.COUNT_HEAD
        if len(cascade.IOUS) == 1 and counts.STRATEGY != "none" and counts.MATCHING != "iou":
            text = "matching is about later stages: with one stage leave it at 'iou'"
            yield text, "MODEL.COUNT_HEAD.MATCHING", STAGES
        if not head.CLS_AGNOSTIC_BBOX_REG:
            text = "set it True, since a cascade refines one box per proposal, not one per class"
            yield text, "MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG"
        if model.IOU_AWARE.LOSS_WEIGHT == 0:
            yield from _vain_exponent(
                "MODEL.IOU_AWARE.", model.IOU_AWARE.EXPONENT, IoUAware().EXPONENT
            )
    if "RepPoints" in names:
        low, high = model.REPPOINTS.IOU_THRESHOLDS
        if low > high:
            yield "the first can't be the higher one", "MODEL.REPPOINTS.IOU_THRESHOLDS"
        if model.REPPOINTS.NORM == "GN" and model.REPPOINTS.CONV_DIM % 32:
            text = "with 'GN' the first must be a multiple of 32"
            yield text, "MODEL.REPPOINTS.CONV_DIM", "MODEL.REPPOINTS.NORM"
    if "YOLO" in names:
        yield from _misfits_of_yolo(model.YOLO)
    if "CountingDETR" in names:
        detr = model.DETR
        if not detr.PRETRAINED and detr.COUNT_LAYERS > detr.DECODER_LAYERS:
            text = "no more layers can count than there are"
            yield text, "MODEL.DETR.COUNT_LAYERS", "MODEL.DETR.DECODER_LAYERS"
        if detr.NAME == "deformable_detr" and not (detr.IN_FEATURES or detr.PRETRAINED):
            text = (
                "the own backbone of deformable_detr is partly frozen and can't start from random "
                "weights: name features of MODEL.BACKBONE, or weights"
            )
            yield text, "MODEL.DETR.IN_FEATURES", "MODEL.DETR.PRETRAINED"
    node = model.TORCHVISION
    if node.PRETRAINED_BACKBONE and node.NAME.startswith("ssdlite"):
        text = (
            "torchvision gives it another network with ImageNet weights than without: set it False"
        )
        yield text, "MODEL.TORCHVISION.NAME", "MODEL.TORCHVISION.PRETRAINED_BACKBONE"


def _misfits_of_yolo(node: CfgNode) -> Iterator[tuple[str, ...]]:
    anchors, features = "MODEL.YOLO.ANCHORS", "MODEL.YOLO.IN_FEATURES"
    if len(node.ANCHORS) != len(node.IN_FEATURES):
        yield "each feature needs its anchors", anchors, features
    if len(set(map(len, node.ANCHORS))) != 1 or not node.ANCHORS[0]:
        yield "each level needs the same number of anchors, at least one", anchors
    least = 2 ** (len(node.IN_FEATURES) - 1)
    if least > node.NECK_CHANNELS:
        text = f"channels are halved from feature to feature, so there must be at least {least}"
        yield text, "MODEL.YOLO.NECK_CHANNELS", features
    if node.IOU_AWARE_LOSS_WEIGHT == 0:
        yield from _vain_exponent(
            "MODEL.YOLO.IOU_AWARE_", node.IOU_AWARE_EXPONENT, YOLO().IOU_AWARE_EXPONENT
        )


def _vain_exponent(stem: str, exponent: float, default: float) -> Iterator[tuple[str, ...]]:
    if exponent != default:
        text = f"no IoU is predicted: leave the first at {default}, or give the second a value"
        yield text, f"{stem}EXPONENT", f"{stem}LOSS_WEIGHT"


def _counting_problems(cfg: CfgNode, names: Collection[str]) -> Iterator[str]:
    head = cfg.MODEL.COUNT_HEAD
    num_stages = 1
    if "CLCNetROIHeads" in names:
        num_stages = len(cfg.MODEL.ROI_BOX_CASCADE_HEAD.IOUS)
    elif "CountingDETR" in names:
        num_stages = cfg.MODEL.DETR.COUNT_LAYERS
    if head.STRATEGY == "classification":
        try:
            count_partition(cfg, num_stages)
        except InputError as error:
            yield str(error)
        return
    for key in ("LOSS", "BALANCE", "DECODE", "RANKING"):
        key = f"MODEL.COUNT_HEAD.{key}"
        yield from _vain_problems(cfg, key, *READ_WITH[key])
