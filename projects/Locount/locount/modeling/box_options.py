"""Options for boxes that only two-stage detectors have, checked against the rest of a config."""

from __future__ import annotations

from detectron2.config import CfgNode

from ..errors import InputError, listing

BOX_LOSSES = ("balanced_l1", "ciou")
BOX_SAMPLINGS = ("random", "iou_balanced")
ROI_HEADS = ("CLCNetROIHeads", "BoxLossROIHeads")
# Of each part that can have a box loss: the node of its losses, the node of its name, and the names
# that read MODEL.BOX_LOSS.
PARTS = {
    "rpn": ("RPN", "PROPOSAL_GENERATOR", ("BoxLossRPN",)),
    "roi": ("ROI_BOX_HEAD", "ROI_HEADS", ROI_HEADS),
}


def check_box_options(cfg: CfgNode) -> None:
    """
    Raises:
        InputError: listing every key that does not fit and what it should be.
    """
    problems = _box_loss_problems(cfg.MODEL) + _box_sampling_problems(cfg.MODEL)
    if problems:
        raise InputError(f"The options for boxes do not fit the config:\n{listing(problems)}")


def check_no_box_options(cfg: CfgNode) -> None:
    """Check a detector other than the project's two-stage ones, which would ignore all of them.

    Raises:
        InputError: listing every option that is set, and the value that leaves it out.
    """
    model = cfg.MODEL
    problems = [
        f"MODEL.{key} is {value!r}; set it to {default!r}."
        for key, value, default in (
            ("BOX_LOSS.TERMS", tuple(model.BOX_LOSS.TERMS), ()),
            ("BOX_SAMPLING.STRATEGY", model.BOX_SAMPLING.STRATEGY, "random"),
            ("SOFT_NMS.METHOD", model.SOFT_NMS.METHOD, "none"),
        )
        if value != default
    ]
    if problems:
        raise InputError(
            f'MODEL.META_ARCHITECTURE "{model.META_ARCHITECTURE}" does not read these options:\n'
            f"{listing(problems)}"
        )


def _box_loss_problems(model: CfgNode) -> list[str]:
    node = model.BOX_LOSS
    problems = []
    for key, allowed in (("TERMS", BOX_LOSSES), ("APPLY_TO", PARTS)):
        if len(set(node[key])) < len(node[key]) or not set(node[key]) <= set(allowed):
            problems.append(
                f"MODEL.BOX_LOSS.{key} is {tuple(node[key])}; it may have {' and '.join(allowed)}, "
                "each once."
            )
    if node.WEIGHTS and len(node.WEIGHTS) != len(node.TERMS):
        problems.append(
            f"MODEL.BOX_LOSS.WEIGHTS has {len(node.WEIGHTS)} entries and MODEL.BOX_LOSS.TERMS has "
            f"{len(node.TERMS)}; give one weight per term, or none for 1 each."
        )
    problems += [
        f"MODEL.BOX_LOSS.WEIGHTS has {weight}; a weight must be above 0."
        for weight in node.WEIGHTS
        if not weight > 0
    ]
    problems += [
        f"MODEL.BOX_LOSS.{key} is {node[key]}; it must be above 0."
        for key in ("ALPHA", "GAMMA", "BETA")
        if not node[key] > 0
    ]
    if len(node.TERMS) == 0:
        return problems
    if len(node.APPLY_TO) == 0:
        problems.append(
            "MODEL.BOX_LOSS.APPLY_TO is empty, so that no part has the loss of "
            f"MODEL.BOX_LOSS.TERMS; it may have {' and '.join(PARTS)}."
        )
    for part, (keys, registry, names) in PARTS.items():
        if part not in node.APPLY_TO:
            continue
        if model[registry].NAME not in names:
            problems.append(
                f'MODEL.{registry}.NAME is "{model[registry].NAME}", which does not read '
                f'MODEL.BOX_LOSS; set it to {" or ".join(names)}, or leave "{part}" out of '
                "MODEL.BOX_LOSS.APPLY_TO."
            )
        if model[keys].BBOX_REG_LOSS_TYPE != "smooth_l1":
            problems.append(
                f'MODEL.{keys}.BBOX_REG_LOSS_TYPE is "{model[keys].BBOX_REG_LOSS_TYPE}", but '
                'MODEL.BOX_LOSS.TERMS decides; set it back to "smooth_l1", or leave '
                f'"{part}" out of MODEL.BOX_LOSS.APPLY_TO.'
            )
    return problems


def _box_sampling_problems(model: CfgNode) -> list[str]:
    node = model.BOX_SAMPLING
    problems = []
    if node.STRATEGY not in BOX_SAMPLINGS:
        problems.append(
            f'MODEL.BOX_SAMPLING.STRATEGY is "{node.STRATEGY}"; it must be one of '
            f"{', '.join(BOX_SAMPLINGS)}."
        )
    if node.BINS < 1:
        problems.append(f"MODEL.BOX_SAMPLING.BINS is {node.BINS}; it must be at least 1.")
    if not 0 <= node.FLOOR < 1:
        problems.append(f"MODEL.BOX_SAMPLING.FLOOR is {node.FLOOR}; it must be in [0, 1).")
    if node.STRATEGY != "random" and model.ROI_HEADS.NAME not in ROI_HEADS:
        problems.append(
            f'MODEL.BOX_SAMPLING.STRATEGY is "{node.STRATEGY}", which '
            f'MODEL.ROI_HEADS.NAME "{model.ROI_HEADS.NAME}" does not read; set that to '
            f'{" or ".join(ROI_HEADS)}, or the strategy to "random".'
        )
    return problems
