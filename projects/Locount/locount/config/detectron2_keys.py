"""What Detectron2's own keys may be. It checks few of them, and most of those late."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from detectron2.config import CfgNode
from msgspec import Meta

from .nodes import AtLeast1, NotNegative, Number, Positive, Probability, Share

Norm = Literal["", "BN", "FrozenBN", "GN", "SyncBN", "nnSyncBN", "naiveSyncBN", "naiveSyncBN_N"]
Shares = tuple[Share, ...]

# Types, as of the project's keys, by how a key ends, the first that fits. Detectron2 has the same
# name in several nodes. Of other keys only the kind is checked.
_KEYS: dict[str, Any] = {
    "AUG.MAX_SIZE": AtLeast1,
    "AUG.MIN_SIZES": Annotated[tuple[AtLeast1, ...], Meta(min_length=1)],
    "CROP.SIZE": tuple[Positive, Positive],
    "CROP.TYPE": Literal["relative", "relative_range", "absolute", "absolute_range"],
    "DATALOADER.NUM_WORKERS": Number,
    "INPUT.FORMAT": Literal["BGR", "RGB", "L", "YUV-BT.601"],
    "PRECISE_BN.NUM_ITER": AtLeast1,
    "RESNETS.DEPTH": Literal[18, 34, 50, 101, 152],
    "ROI_BOX_CASCADE_HEAD.IOUS": Shares,
    "ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE": Literal["smooth_l1", "giou", "diou", "ciou", "balanced_l1"],
    "SOLVER.GAMMA": NotNegative,
    "SOLVER.MOMENTUM": Annotated[float, Meta(ge=0, lt=1)],
    "SOLVER.STEPS": tuple[Number, ...],
    "BASE_LR": NotNegative,
    "BATCH_SIZE_PER_IMAGE": AtLeast1,
    "BBOX_REG_LOSS_TYPE": Literal["smooth_l1", "giou", "diou", "ciou"],
    "CHECKPOINT_PERIOD": AtLeast1,
    "CLIP_TYPE": Literal["value", "norm", "full_model"],
    "CLIP_VALUE": Positive,
    "CONV_DIM": AtLeast1,
    "DETECTIONS_PER_IMAGE": AtLeast1,
    "EVAL_PERIOD": Number,
    "FC_DIM": AtLeast1,
    "FOCAL_LOSS_ALPHA": Share,
    "FOCAL_LOSS_GAMMA": NotNegative,
    "FREEZE_AT": Number,
    "FUSE_TYPE": Literal["sum", "avg"],
    "IMS_PER_BATCH": AtLeast1,
    "IOU_THRESHOLDS": Shares,
    "LOSS_WEIGHT": NotNegative,
    "LR_SCHEDULER_NAME": Literal["WarmupMultiStepLR", "WarmupCosineLR"],
    "MAX_ITER": AtLeast1,
    "MAX_SIZE_TEST": AtLeast1,
    "MAX_SIZE_TRAIN": AtLeast1,
    "MIN_SIZE_TEST": Number,
    "MIN_SIZE_TRAIN": Annotated[tuple[Number, ...], Meta(min_length=1)],
    "MIN_SIZE_TRAIN_SAMPLING": Literal["choice", "range"],
    "NMS_THRESH": Share,
    "NMS_THRESH_TEST": Share,
    "NORM": Norm,
    "NORM_TYPE": Positive,
    "NUM_CLASSES": AtLeast1,
    "NUM_CONV": Number,
    "NUM_CONVS": Number,
    "NUM_FC": Number,
    "OUT_CHANNELS": AtLeast1,
    "PIXEL_MEAN": tuple[float, float, float],
    "PIXEL_STD": tuple[Positive, Positive, Positive],
    "POOLER_RESOLUTION": AtLeast1,
    "POOLER_SAMPLING_RATIO": Number,
    "POOLER_TYPE": Literal["ROIAlign", "ROIAlignV2", "ROIPool", "ROIAlignRotated"],
    "POSITIVE_FRACTION": Share,
    "POST_NMS_TOPK_TEST": AtLeast1,
    "POST_NMS_TOPK_TRAIN": AtLeast1,
    "PRE_NMS_TOPK_TEST": AtLeast1,
    "PRE_NMS_TOPK_TRAIN": AtLeast1,
    "PRIOR_PROB": Probability,
    "RANDOM_FLIP": Literal["none", "horizontal", "vertical"],
    "REPEAT_THRESHOLD": NotNegative,
    "RES5_DILATION": Literal[1, 2],
    "SAMPLER_TRAIN": Literal["TrainingSampler", "RepeatFactorTrainingSampler"],
    "SCORE_THRESH_TEST": Share,
    "SMOOTH_L1_BETA": NotNegative,
    "TOPK_CANDIDATES_TEST": AtLeast1,
    "WARMUP_FACTOR": NotNegative,
    "WARMUP_ITERS": Number,
    "WARMUP_METHOD": Literal["constant", "linear"],
    "WEIGHT_DECAY": NotNegative,
}

# What builds feature maps: p<i> of each res<i> in MODEL.FPN.IN_FEATURES, and so many coarser ones.
_PYRAMIDS = {
    "build_resnet_fpn_backbone": 1,
    "build_timm_fpn_backbone": 1,
    "build_retinanet_resnet_fpn_backbone": 2,
    "build_timm_retinanet_fpn_backbone": 2,
}
# Heads of the project.
OUR_HEADS = ("CLCNetROIHeads", "FasterRCNNROIHeads")
# Which keys name feature maps, and the parts that read them.
_READERS = {
    "MODEL.RPN.IN_FEATURES": ("RPN", "ChunkedRPN"),
    "MODEL.ROI_HEADS.IN_FEATURES": ("StandardROIHeads", "CascadeROIHeads", *OUR_HEADS),
    "MODEL.RETINANET.IN_FEATURES": ("RetinaNet", "CountingRetinaNet"),
}


def type_of(key: str) -> Any:
    """What a key may be; None if that is not in the table."""
    return next((kind for end, kind in _KEYS.items() if f".{key}".endswith(f".{end}")), None)


def same_kind(value: Any, default: Any) -> bool:
    """Whether a value is a number where the default is, or a list of what it is one of."""
    if isinstance(default, list | tuple):
        leaves = list(_leaves(default))
        return isinstance(value, list | tuple) and (
            not leaves or all(same_kind(leaf, leaves[0]) for leaf in _leaves(value))
        )
    if default is None:
        return True
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, int | float):
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, type(default))


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


def feature_problems(cfg: CfgNode, parts: dict[str, str]) -> Iterator[str]:
    """Feature maps that are asked for and that the backbone does not give, as far as it is known,
    and anchors that do not fit the number of maps.

    Args:
        parts: as :func:`~.architectures.parts_of` gives them.
    """
    model = cfg.MODEL
    backbone = parts.get("MODEL.BFP.FPN") or parts.get("MODEL.BACKBONE.NAME")
    given = None
    if backbone in _PYRAMIDS:
        levels = [name.removeprefix("res") for name in model.FPN.IN_FEATURES]
        if not levels or not all(level.isdecimal() for level in levels):
            yield (
                f"MODEL.FPN.IN_FEATURES is {list(model.FPN.IN_FEATURES)}; it must be a list of "
                "feature maps of the backbone, such as ['res2', 'res3', 'res4', 'res5']."
            )
            return
        top = int(levels[-1])
        given = [
            f"p{i}" for i in (*map(int, levels), *range(top + 1, top + 1 + _PYRAMIDS[backbone]))
        ]
    elif backbone == "build_resnet_backbone":
        given = list(model.RESNETS.OUT_FEATURES)
    for key, readers in _READERS.items():
        if not {*readers} & {*parts.values()}:
            continue
        node = key.split(".")[1]
        asked = list(model[node].IN_FEATURES)
        if not asked or (given is not None and not set(asked) <= set(given)):
            yield (
                f"{key} is {asked}; it must be a list of feature maps that {backbone} gives"
                f"{'' if given is None else ', which are ' + ', '.join(given)}."
            )
            continue
        if node == "ROI_HEADS" or model.ANCHOR_GENERATOR.NAME != "DefaultAnchorGenerator":
            continue
        for name in ("SIZES", "ASPECT_RATIOS"):
            of_levels = model.ANCHOR_GENERATOR[name]
            if not (
                len(of_levels) in (1, len(asked))
                and all(isinstance(level, list | tuple) and level for level in of_levels)
                and all(number > 0 for number in _leaves(of_levels))
            ):
                yield (
                    f"MODEL.ANCHOR_GENERATOR.{name} is {of_levels}; it must be one list of numbers "
                    f"above 0 for all feature maps, or one for each of the {len(asked)} in {key}."
                )
