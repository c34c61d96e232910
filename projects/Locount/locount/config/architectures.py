"""The table of what each part of a model reads of the project's nodes, and the parts of a model."""

from __future__ import annotations

from detectron2.config import CfgNode

from .nodes import CountHead

# Later stages match by the count of earlier ones; a detector without a cascade has none.
_ONE_STAGE_COUNTING = tuple(
    f"MODEL.COUNT_HEAD.{key}" for key in CountHead.__struct_fields__ if key != "MATCHING"
)

# By the name in the config: nodes or single keys.
READS: dict[str, tuple[str, ...]] = {
    # MODEL.META_ARCHITECTURE
    "CountingRetinaNet": _ONE_STAGE_COUNTING,
    "CountingFCOS": ("MODEL.FCOS", *_ONE_STAGE_COUNTING),
    "RepPoints": ("MODEL.REPPOINTS", *_ONE_STAGE_COUNTING),
    "TorchvisionDetector": ("MODEL.TORCHVISION",),
    "YOLO": ("MODEL.YOLO",),
    "CountingDETR": ("MODEL.DETR", *_ONE_STAGE_COUNTING),
    # MODEL.ROI_HEADS.NAME
    "CLCNetROIHeads": ("MODEL.COUNT_HEAD", "MODEL.SOFT_NMS", "MODEL.IOU_AWARE"),
    "FasterRCNNROIHeads": ("MODEL.SOFT_NMS",),
    # MODEL.PROPOSAL_GENERATOR.NAME
    "ChunkedRPN": (),
    # MODEL.BACKBONE.NAME
    "build_timm_backbone": ("MODEL.TIMM",),
    "build_timm_fpn_backbone": ("MODEL.TIMM",),
    "build_timm_retinanet_fpn_backbone": ("MODEL.TIMM",),
    "build_timm_hrfpn_backbone": ("MODEL.TIMM",),
    "build_timm_yolo_backbone": ("MODEL.TIMM", "MODEL.YOLO"),
    "build_bfp_backbone": ("MODEL.BFP",),
}

# Keys that only some values of another key have read: that key, and those values.
_COUNTING = ("MODEL.COUNT_HEAD.STRATEGY", ("classification", "regression"))
_BINS = ("MODEL.COUNT_HEAD.STRATEGY", ("classification",))
_FROM_SCRATCH = ("MODEL.DETR.PRETRAINED", ("",))
_DETR_SIZES = ("HIDDEN_DIM", "FFN_DIM", "ENCODER_LAYERS", "DECODER_LAYERS", "HIDDEN_EXPANSION")
READ_WITH: dict[str, tuple[str, tuple]] = {
    "MODEL.COUNT_HEAD.LOSS_WEIGHT": _COUNTING,
    "MODEL.COUNT_HEAD.MATCHING": _COUNTING,
    **{f"MODEL.COUNT_HEAD.{k}": _BINS for k in ("MAX_COUNT", "BASE", "LOSS", "BALANCE")},
    **{f"MODEL.COUNT_HEAD.{k}": _BINS for k in ("DECODE", "RANKING")},
    "MODEL.SOFT_NMS.SIGMA": ("MODEL.SOFT_NMS.METHOD", ("gaussian",)),
    "MODEL.YOLO.NMS_THRESH_TEST": ("MODEL.YOLO.NMS", ("greedy",)),
    **{f"MODEL.DETR.{k}": _COUNTING for k in ("COUNT_LAYERS", "COUNT_COST")},
    **{f"MODEL.DETR.{k}": _FROM_SCRATCH for k in (*_DETR_SIZES, "DEPTH_MULT", "IN_FEATURES")},
    "MODEL.EMA.DECAY": ("MODEL.EMA.ENABLED", (True,)),
}

# Keys that only some networks of MODEL.DETR.NAME read, and those.
READ_BY_NETWORK = {
    "MODEL.DETR.HIDDEN_EXPANSION": ("rtdetr_v2", "d_fine"),
    "MODEL.DETR.NUM_DENOISING": ("rtdetr_v2", "d_fine"),
    "MODEL.DETR.DEPTH_MULT": ("d_fine",),
}

# Read whatever the model is.
READ_ALWAYS = ("MODEL.EMA", "SOLVER", "AUGMENTATION", "PREDICT", "EVALUATION")

_BACKBONE, _PROPOSALS, _HEADS = (
    f"MODEL.{node}.NAME" for node in ("BACKBONE", "PROPOSAL_GENERATOR", "ROI_HEADS")
)
# The keys that name the parts of a meta architecture; of one that is not here the backbone only.
_PARTS = {
    "GeneralizedRCNN": (_BACKBONE, _PROPOSALS, _HEADS),
    "PanopticFPN": (_BACKBONE, _PROPOSALS, _HEADS),
    "ProposalNetwork": (_BACKBONE, _PROPOSALS),
    "TorchvisionDetector": (),
}


def registries() -> dict:
    """Of the names that each key can have."""
    from detectron2 import modeling

    return {
        "MODEL.META_ARCHITECTURE": modeling.META_ARCH_REGISTRY,
        _BACKBONE: modeling.BACKBONE_REGISTRY,
        _PROPOSALS: modeling.PROPOSAL_GENERATOR_REGISTRY,
        _HEADS: modeling.ROI_HEADS_REGISTRY,
        "MODEL.BFP.FPN": modeling.BACKBONE_REGISTRY,
    }


def parts_of(cfg: CfgNode) -> dict[str, str]:
    """What the model of a config is built of: names, by the keys that they are named in."""
    architecture = cfg.MODEL.META_ARCHITECTURE
    parts = {"MODEL.META_ARCHITECTURE": architecture}
    detr = cfg.MODEL.DETR
    own_backbone = architecture == "CountingDETR" and (detr.PRETRAINED or not detr.IN_FEATURES)
    for key in () if own_backbone else _PARTS.get(architecture, (_BACKBONE,)):
        parts[key] = cfg.MODEL[key.split(".")[1]].NAME
    if parts.get(_BACKBONE) == "build_bfp_backbone":
        parts["MODEL.BFP.FPN"] = cfg.MODEL.BFP.FPN
    if parts.get(_PROPOSALS) == "PrecomputedProposals":
        del parts[_PROPOSALS]
    return parts


def is_read(key: str, names: list[str]) -> bool:
    """Whether one of the parts called ``names`` reads a key."""
    readers = [reads for name in names for reads in READS.get(name, ())]
    return any(f"{key}.".startswith(f"{reads}.") for reads in (*READ_ALWAYS, *readers))


def readers_of(key: str) -> list[str]:
    """The parts that read a key."""
    return [name for name in READS if is_read(key, [name])]
