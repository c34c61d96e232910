"""The parts of counting as MODEL.COUNT_HEAD describes them."""

from __future__ import annotations

from detectron2.config import CfgNode

from ...config.checks import count_partition
from .counters import CountClassifier, Counter, CountRegressor
from .decoding import CountDecoder
from .loss import CountLoss
from .ordinal_counters import CumulativeLinkClassifier


def build_counting(cfg: CfgNode, num_stages: int) -> tuple[list[CountLoss], CountDecoder | None]:
    """The counting losses of the stages, which know their counters, and what reports the counts.

    A detector without a cascade has one stage. With STRATEGY "none" there is neither.
    """
    head = cfg.MODEL.COUNT_HEAD
    counters: list[Counter]
    if head.STRATEGY == "none":
        return [], None
    if head.STRATEGY == "regression":
        counters = [CountRegressor() for _ in range(num_stages)]
    else:
        ordinal = head.LOSS == "cumulative_link"
        classifier = CumulativeLinkClassifier if ordinal else CountClassifier
        partition = count_partition(cfg, num_stages)
        counters = [classifier(partition, stage) for stage in range(num_stages)]
    return (
        [CountLoss(c, weight=head.LOSS_WEIGHT, balance=head.BALANCE) for c in counters],
        CountDecoder(counters, decode=head.DECODE, ranking=head.RANKING),
    )
