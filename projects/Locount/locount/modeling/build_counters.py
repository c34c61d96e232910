"""Counters as MODEL.COUNT_HEAD describes them."""

from __future__ import annotations

from detectron2.config import CfgNode

from ..config.checks import count_partition
from .counters import CountClassifier, Counter, CountRegressor
from .ordinal_counters import CumulativeLinkClassifier


def build_counters(cfg: CfgNode, num_stages: int) -> list[Counter]:
    """One counter for each stage; a detector without a cascade has one stage.

    MODEL.COUNT_HEAD.STRATEGY is not "none".
    """
    head = cfg.MODEL.COUNT_HEAD
    if head.STRATEGY == "regression":
        return [CountRegressor() for _ in range(num_stages)]
    partition = count_partition(cfg, num_stages)
    if head.LOSS == "cumulative_link":
        return [CumulativeLinkClassifier(partition, stage) for stage in range(num_stages)]
    return [CountClassifier(partition, stage) for stage in range(num_stages)]
