"""From distributions over counts to the number to report. The derivation is in docs/counting.md.

Shapes as in counters.py; C is the largest count, and column c - 1 of a distribution is count c.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from detectron2.structures import Instances
from torch import Tensor

from ...counting import AC_THRESHOLDS, num_passed_ac_thresholds
from .counters import CountClassifier, Counter


class CountDecoder:
    """Counts of detections from what the counting layers of all stages say about them.

    It is for every detector that counts: a cascade has several stages, other detectors have one.
    """

    def __init__(
        self, counters: Sequence[Counter], *, decode: str = "argmax", ranking: str = "class"
    ):
        """
        Args:
            counters: one for each stage.
            decode: "argmax" or "expected_ac", as MODEL.COUNT_HEAD.DECODE.
            ranking: "class" or "joint", as MODEL.COUNT_HEAD.RANKING. What is not the default needs
                counters that are classifiers.
        """
        self.counters = list(counters)
        self.expected_ac = decode == "expected_ac"
        self.ranking = ranking

    def __call__(self, detections: Instances, outputs: Sequence[Tensor]) -> Instances:
        """Detections with ``pred_counts`` (int64, >= 1) and ``count_scores`` in [0, 1].

        Args:
            detections: R of an image, with ``scores``, after suppression; they are changed.
            outputs: as for :meth:`decode`, of the region, location or query that each comes from.

        Returns:
            The detections in their order; sorted again where ``ranking`` changes the scores.
        """
        detections.pred_counts, detections.count_scores, weights = self.decode(outputs)
        if self.ranking == "class":
            return detections
        detections.scores = detections.scores * weights
        return detections[detections.scores.argsort(descending=True)]

    def decode(self, outputs: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """What is reported of R regions, locations or queries.

        Args:
            outputs: of each stage's counting layer, R x B of that stage.

        Returns:
            R ``pred_counts``, R ``count_scores``, and R weights in [0, 1] by which ``ranking``
            multiplies scores: the expected share of AC thresholds that the report passes, or 1.
        """
        counts, count_scores = self.counters[-1].decode(outputs[-1])
        if self.expected_ac or self.ranking == "joint":
            shares = expected_ac_shares(
                fused_distribution(cast(list[CountClassifier], self.counters), outputs)
            )
        if self.expected_ac:
            counts, count_scores = most_expected_ac(shares)
        if self.ranking == "class":
            return counts, count_scores, torch.ones_like(count_scores)
        return counts, count_scores, shares.gather(1, counts[:, None] - 1).squeeze(1)


def fused_distribution(counters: Sequence[CountClassifier], outputs: Sequence[Tensor]) -> Tensor:
    """The mean of the stages' distributions over counts.

    Args:
        counters: one for each stage.
        outputs: of each stage's counting layer, R x B of that stage.

    Returns:
        R x C, rows sum to 1.
    """
    stages = [counter.distribution(o) for counter, o in zip(counters, outputs, strict=True)]
    return torch.stack(stages).mean(dim=0)


def expected_ac_shares(distribution: Tensor) -> Tensor:
    """The expected share of the AC thresholds 0.50:0.05:0.95 that each report would pass.

    Args:
        distribution: R x C.

    Returns:
        R x C in [0, 1], column c - 1 for reporting count c.
    """
    counts = torch.arange(1, distribution.shape[1] + 1, device=distribution.device)
    passed = num_passed_ac_thresholds(counts[None], counts[:, None])  # true x reported
    return distribution @ (passed.to(distribution.dtype) / len(AC_THRESHOLDS))


def most_expected_ac(shares: Tensor) -> tuple[Tensor, Tensor]:
    """The report of the highest expected share, and that share; of equal ones the lowest count.

    Args:
        shares: R x C, as :func:`expected_ac_shares` returns.

    Returns:
        R counts (int64) in [1, C], and R shares in [0, 1].
    """
    best, index = shares.max(dim=1)
    return index + 1, best
