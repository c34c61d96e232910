"""The keys of MODEL.COUNT_HEAD, checked against each other and the rest of a config."""

from __future__ import annotations

from detectron2.config import CfgNode

from ..counting import CountPartition
from ..errors import InputError, listing

COUNT_STRATEGIES = ("classification", "regression", "none")
COUNT_LOSSES = ("cross_entropy", "cumulative_link")
COUNT_BALANCES = ("none", "inverse_sqrt")
COUNT_MATCHINGS = ("iou", "ignore", "negative")
COUNT_DECODINGS = ("argmax", "expected_ac")
COUNT_RANKINGS = ("class", "joint")


def count_partition_from_config(cfg: CfgNode, num_stages: int) -> CountPartition:
    """The partition that MODEL.COUNT_HEAD describes for the stages of a cascade, or for one.

    Raises:
        InputError: naming the keys, where more stages are asked for than the counts have digits.
    """
    head = cfg.MODEL.COUNT_HEAD
    try:
        return CountPartition(head.MAX_COUNT, head.BASE, num_stages)
    except ValueError as error:
        stages = (
            " or the number of stages, which is the length of "
            f"MODEL.ROI_BOX_CASCADE_HEAD.IOUS ({num_stages})"
        )
        raise InputError(
            f"{error} Change MODEL.COUNT_HEAD.MAX_COUNT ({head.MAX_COUNT}) or "
            f"MODEL.COUNT_HEAD.BASE ({head.BASE}){stages if num_stages > 1 else ''}."
        ) from error


def check_count_config(cfg: CfgNode) -> None:
    """Check the keys of MODEL.COUNT_HEAD against each other, for a detector without a cascade.

    Raises:
        InputError: listing every key that does not fit and what it should be.
    """
    problems = _count_head_problems(cfg.MODEL.COUNT_HEAD)
    if problems:
        raise InputError(f"The config cannot build a counting layer:\n{listing(problems)}")


def check_cascade_config(cfg: CfgNode) -> None:
    """Check the keys that :class:`CLCNetROIHeads` reads against each other.

    Raises:
        InputError: listing every key that does not fit and what it should be.
    """
    model = cfg.MODEL
    head, cascade = model.COUNT_HEAD, model.ROI_BOX_CASCADE_HEAD
    problems = _count_head_problems(head)
    if len(cascade.IOUS) != len(cascade.BBOX_REG_WEIGHTS):
        problems.append(
            f"MODEL.ROI_BOX_CASCADE_HEAD.IOUS has {len(cascade.IOUS)} entries and "
            f"MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS has {len(cascade.BBOX_REG_WEIGHTS)}; "
            "each stage needs one of both."
        )
    if len(cascade.IOUS) == 0 or list(model.ROI_HEADS.IOU_THRESHOLDS) != [cascade.IOUS[0]]:
        problems.append(
            f"MODEL.ROI_HEADS.IOU_THRESHOLDS is {list(model.ROI_HEADS.IOU_THRESHOLDS)} and "
            f"MODEL.ROI_BOX_CASCADE_HEAD.IOUS is {list(cascade.IOUS)}; the first stage's threshold "
            "stands in both."
        )
    if not model.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG:
        problems.append(
            "MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG is False; set it True, since a cascade "
            "refines one box per proposal, not one per class."
        )
    if problems:
        raise InputError(f"The config cannot build CLCNetROIHeads:\n{listing(problems)}")
    if head.STRATEGY == "classification":
        count_partition_from_config(cfg, len(cascade.IOUS))


def _count_head_problems(head: CfgNode) -> list[str]:
    problems = []
    for key, allowed in (
        ("STRATEGY", COUNT_STRATEGIES),
        ("LOSS", COUNT_LOSSES),
        ("BALANCE", COUNT_BALANCES),
        ("MATCHING", COUNT_MATCHINGS),
        ("DECODE", COUNT_DECODINGS),
        ("RANKING", COUNT_RANKINGS),
    ):
        if head[key] not in allowed:
            problems.append(
                f"MODEL.COUNT_HEAD.{key} is {head[key]!r}; it must be one of {', '.join(allowed)}."
            )
    for_regression = {
        "LOSS": "cross_entropy",
        "BALANCE": "none",
        "DECODE": "argmax",
        "RANKING": "class",
    }
    if head.STRATEGY == "regression":
        problems += [
            f'MODEL.COUNT_HEAD.{key} is "{head[key]}", which needs classification over bins; '
            f'with MODEL.COUNT_HEAD.STRATEGY "regression" set it to "{value}".'
            for key, value in for_regression.items()
            if head[key] != value
        ]
    return problems
