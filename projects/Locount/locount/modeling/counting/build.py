"""The parts of counting as MODEL.COUNT_HEAD describes them."""

from __future__ import annotations

from collections.abc import Sequence

from detectron2.config import CfgNode

from ...config.checks import count_partition
from .counters import CountClassifier, Counter, CountRegressor
from .decoding import CountDecoder
from .loss import CountLoss
from .ordinal_counters import CumulativeLinkClassifier


def build_counters(cfg: CfgNode, num_stages: int) -> list[Counter]:
    """One counter for each stage (a detector without a cascade has one); none for STRATEGY
    "none"."""
    head = cfg.MODEL.COUNT_HEAD
    if head.STRATEGY == "none":
        return []
    if head.STRATEGY == "regression":
        return [CountRegressor() for _ in range(num_stages)]
    partition = count_partition(cfg, num_stages)
    if head.LOSS == "cumulative_link":
        return [CumulativeLinkClassifier(partition, stage) for stage in range(num_stages)]
    return [CountClassifier(partition, stage) for stage in range(num_stages)]


def build_count_loss(cfg: CfgNode, counter: Counter) -> CountLoss:
    """The counting loss of one stage."""
    head = cfg.MODEL.COUNT_HEAD
    return CountLoss(counter, weight=head.LOSS_WEIGHT, balance=head.BALANCE)


def build_count_decoder(cfg: CfgNode, counters: Sequence[Counter]) -> CountDecoder:
    """What reports the counts of all stages."""
    head = cfg.MODEL.COUNT_HEAD
    return CountDecoder(counters, decode=head.DECODE, ranking=head.RANKING)
