"""What Detectron2's own keys may be. It checks few of them, and most of those late."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from detectron2.config import CfgNode
from msgspec import Meta

from .nodes import AtLeast1, NotNegative, Number, Positive, Probability, Share

Norm = Literal["", "BN", "FrozenBN", "GN", "SyncBN", "nnSyncBN", "naiveSyncBN", "naiveSyncBN_N"]
BoxLoss = Literal["smooth_l1", "giou", "diou", "ciou"]
Channels = tuple[float, float, float]
Shares = tuple[Share, ...]
Pooler = Literal["ROIAlign", "ROIAlignV2", "ROIPool", "ROIAlignRotated"]
Sizes = Annotated[tuple[Number, ...], Meta(min_length=1)]
Momentum = Annotated[float, Meta(ge=0, lt=1)]

# Types as those of the project's keys. Of keys that are not here only the kind is checked.
KEYS: dict[str, Any] = {
    "DATALOADER.NUM_WORKERS": Number,
    "DATALOADER.REPEAT_THRESHOLD": NotNegative,
    "DATALOADER.SAMPLER_TRAIN": Literal["TrainingSampler", "RepeatFactorTrainingSampler"],
    "INPUT.CROP.SIZE": tuple[Positive, Positive],
    "INPUT.CROP.TYPE": Literal["relative", "relative_range", "absolute", "absolute_range"],
    "INPUT.FORMAT": Literal["BGR", "RGB", "L", "YUV-BT.601"],
    "INPUT.MAX_SIZE_TEST": AtLeast1,
    "INPUT.MAX_SIZE_TRAIN": AtLeast1,
    "INPUT.MIN_SIZE_TEST": Number,
    "INPUT.MIN_SIZE_TRAIN": Sizes,
    "INPUT.MIN_SIZE_TRAIN_SAMPLING": Literal["choice", "range"],
    "INPUT.RANDOM_FLIP": Literal["none", "horizontal", "vertical"],
    "MODEL.BACKBONE.FREEZE_AT": Number,
    "MODEL.FPN.FUSE_TYPE": Literal["sum", "avg"],
    "MODEL.FPN.NORM": Norm,
    "MODEL.FPN.OUT_CHANNELS": AtLeast1,
    "MODEL.PIXEL_MEAN": Channels,
    "MODEL.PIXEL_STD": tuple[Positive, Positive, Positive],
    "MODEL.RESNETS.DEPTH": Literal[18, 34, 50, 101, 152],
    "MODEL.RESNETS.NORM": Norm,
    "MODEL.RESNETS.RES5_DILATION": Literal[1, 2],
    "MODEL.RETINANET.BBOX_REG_LOSS_TYPE": BoxLoss,
    "MODEL.RETINANET.FOCAL_LOSS_ALPHA": Share,
    "MODEL.RETINANET.FOCAL_LOSS_GAMMA": NotNegative,
    "MODEL.RETINANET.IOU_THRESHOLDS": Shares,
    "MODEL.RETINANET.NMS_THRESH_TEST": Share,
    "MODEL.RETINANET.NORM": Norm,
    "MODEL.RETINANET.NUM_CLASSES": AtLeast1,
    "MODEL.RETINANET.NUM_CONVS": Number,
    "MODEL.RETINANET.PRIOR_PROB": Probability,
    "MODEL.RETINANET.SCORE_THRESH_TEST": Share,
    "MODEL.RETINANET.TOPK_CANDIDATES_TEST": AtLeast1,
    "MODEL.ROI_BOX_CASCADE_HEAD.IOUS": Shares,
    "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE": Literal[
        "smooth_l1", "giou", "diou", "ciou", "balanced_l1"
    ],
    "MODEL.ROI_BOX_HEAD.CONV_DIM": AtLeast1,
    "MODEL.ROI_BOX_HEAD.FC_DIM": AtLeast1,
    "MODEL.ROI_BOX_HEAD.NORM": Norm,
    "MODEL.ROI_BOX_HEAD.NUM_CONV": Number,
    "MODEL.ROI_BOX_HEAD.NUM_FC": Number,
    "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION": AtLeast1,
    "MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO": Number,
    "MODEL.ROI_BOX_HEAD.POOLER_TYPE": Pooler,
    "MODEL.ROI_BOX_HEAD.SMOOTH_L1_BETA": NotNegative,
    "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE": AtLeast1,
    "MODEL.ROI_HEADS.IOU_THRESHOLDS": Shares,
    "MODEL.ROI_HEADS.NMS_THRESH_TEST": Share,
    "MODEL.ROI_HEADS.NUM_CLASSES": AtLeast1,
    "MODEL.ROI_HEADS.POSITIVE_FRACTION": Share,
    "MODEL.ROI_HEADS.SCORE_THRESH_TEST": Share,
    "MODEL.RPN.BATCH_SIZE_PER_IMAGE": AtLeast1,
    "MODEL.RPN.BBOX_REG_LOSS_TYPE": BoxLoss,
    "MODEL.RPN.IOU_THRESHOLDS": Shares,
    "MODEL.RPN.LOSS_WEIGHT": NotNegative,
    "MODEL.RPN.NMS_THRESH": Share,
    "MODEL.RPN.POSITIVE_FRACTION": Share,
    "MODEL.RPN.POST_NMS_TOPK_TEST": AtLeast1,
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": AtLeast1,
    "MODEL.RPN.PRE_NMS_TOPK_TEST": AtLeast1,
    "MODEL.RPN.PRE_NMS_TOPK_TRAIN": AtLeast1,
    "MODEL.RPN.SMOOTH_L1_BETA": NotNegative,
    "SOLVER.BASE_LR": NotNegative,
    "SOLVER.CHECKPOINT_PERIOD": AtLeast1,
    "SOLVER.CLIP_GRADIENTS.CLIP_TYPE": Literal["value", "norm", "full_model"],
    "SOLVER.CLIP_GRADIENTS.CLIP_VALUE": Positive,
    "SOLVER.CLIP_GRADIENTS.NORM_TYPE": Positive,
    "SOLVER.GAMMA": NotNegative,
    "SOLVER.IMS_PER_BATCH": AtLeast1,
    "SOLVER.LR_SCHEDULER_NAME": Literal["WarmupMultiStepLR", "WarmupCosineLR"],
    "SOLVER.MAX_ITER": AtLeast1,
    "SOLVER.MOMENTUM": Momentum,
    "SOLVER.STEPS": tuple[Number, ...],
    "SOLVER.WARMUP_FACTOR": NotNegative,
    "SOLVER.WARMUP_ITERS": Number,
    "SOLVER.WARMUP_METHOD": Literal["constant", "linear"],
    "SOLVER.WEIGHT_DECAY": NotNegative,
    "TEST.AUG.MAX_SIZE": AtLeast1,
    "TEST.AUG.MIN_SIZES": Annotated[tuple[AtLeast1, ...], Meta(min_length=1)],
    "TEST.DETECTIONS_PER_IMAGE": AtLeast1,
    "TEST.EVAL_PERIOD": Number,
    "TEST.PRECISE_BN.NUM_ITER": AtLeast1,
}

# What builds feature maps: p<i> of each res<i> in MODEL.FPN.IN_FEATURES, and so many coarser ones.
_PYRAMIDS = {
    "build_resnet_fpn_backbone": 1,
    "build_timm_fpn_backbone": 1,
    "build_retinanet_resnet_fpn_backbone": 2,
    "build_timm_retinanet_fpn_backbone": 2,
}
# Which keys name feature maps, by the part that reads them.
_READERS = {
    "RPN": "MODEL.RPN.IN_FEATURES",
    "ChunkedRPN": "MODEL.RPN.IN_FEATURES",
    "CLCNetROIHeads": "MODEL.ROI_HEADS.IN_FEATURES",
    "FasterRCNNROIHeads": "MODEL.ROI_HEADS.IN_FEATURES",
    "StandardROIHeads": "MODEL.ROI_HEADS.IN_FEATURES",
    "CascadeROIHeads": "MODEL.ROI_HEADS.IN_FEATURES",
    "RetinaNet": "MODEL.RETINANET.IN_FEATURES",
    "CountingRetinaNet": "MODEL.RETINANET.IN_FEATURES",
}


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
    keys = dict.fromkeys(_READERS[name] for name in parts.values() if name in _READERS)
    for key in keys:
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
