"""The counting layer of one-stage detectors, which predict at every location of a feature map.

Shape shorthand, beside that of counters.py:

    A: number of anchors at a location, 1 without anchors
    R: number of anchors of an image, over all locations and levels
"""

from __future__ import annotations

from detectron2.config import CfgNode, configurable
from detectron2.structures import Instances
from torch import Tensor, nn

from .build_counters import build_counters
from .count_decoding import expected_ac_shares, fused_distribution, most_expected_ac, rank_jointly
from .count_loss import CountLoss
from .counters import Counter


class DenseCounting(nn.Module):
    """A convolution that counts at each location, its loss, and the counts of detections.

    The counter is that of one stage: a single partition of the counts.
    """

    @configurable
    def __init__(
        self,
        *,
        in_channels: int,
        counter: Counter,
        num_anchors: int = 1,
        balance: str = "none",
        loss_weight: float = 1.0,
        decode: str = "argmax",
        ranking: str = "class",
    ):
        """
        Args:
            in_channels: of the feature maps, such as those behind the tower of the box regression.
            loss_weight: λ2.
            balance, decode, ranking: as in MODEL.COUNT_HEAD.
        """
        super().__init__()
        self.counter = counter
        self.loss_weight = loss_weight
        self.decoding = decode
        self.ranking = ranking
        self.count_loss = CountLoss(counter, balance)
        self.count_pred = nn.Conv2d(
            in_channels, num_anchors * counter.num_outputs, kernel_size=3, padding=1
        )
        nn.init.normal_(self.count_pred.weight, std=0.01)
        nn.init.constant_(self.count_pred.bias, 0)

    @classmethod
    def from_config(cls, cfg: CfgNode, *, in_channels: int, num_anchors: int = 1) -> dict:
        head = cfg.MODEL.COUNT_HEAD
        return {
            "in_channels": in_channels,
            "num_anchors": num_anchors,
            "counter": build_counters(cfg, num_stages=1)[0],
            "balance": head.BALANCE,
            "loss_weight": head.LOSS_WEIGHT,
            "decode": head.DECODE,
            "ranking": head.RANKING,
        }

    def forward(self, features: Tensor) -> Tensor:
        """
        Args:
            features: of one level, N x C x H x W.

        Returns:
            N x A x B x H x W.
        """
        return self.count_pred(features).unflatten(1, (-1, self.counter.num_outputs))

    def loss(self, outputs: Tensor, gt_counts: Tensor, normalizer: float) -> Tensor:
        """The counting loss, summed over the foreground and divided like the box loss.

        Args:
            outputs: N x R x B, or any other shape that ends in B.
            gt_counts: integers of the same shape without B: the count of the object that an anchor
                is matched with. IGNORED_COUNT for one that is not to be trained: background, or an
                object whose count is not known.
            normalizer: of the detector's box loss.

        Returns:
            A scalar with λ2 in it. Zero, with its graph, where no count is to be trained.
        """
        return self.count_loss(outputs, gt_counts) / normalizer * self.loss_weight

    def decode(self, detections: Instances, outputs: Tensor) -> Instances:
        """Detections with ``pred_counts`` (int64, >= 1) and ``count_scores`` in [0, 1].

        Args:
            detections: of an image, with ``scores``, after suppression; it is changed.
            outputs: detections x B, those of the anchor of each.

        Returns:
            The detections in their order; sorted anew where ``ranking`` changes the scores.
        """
        detections.pred_counts, detections.count_scores = self.counter.decode(outputs)
        if self.decoding == "argmax" and self.ranking == "class":
            return detections
        shares = expected_ac_shares(fused_distribution([self.counter], [outputs]))
        if self.decoding == "expected_ac":
            detections.pred_counts, detections.count_scores = most_expected_ac(shares)
        return rank_jointly(detections, shares) if self.ranking == "joint" else detections


def build_dense_counting(
    cfg: CfgNode, *, in_channels: int, num_anchors: int = 1
) -> DenseCounting | None:
    """The counting layer that MODEL.COUNT_HEAD describes; None for STRATEGY "none"."""
    if cfg.MODEL.COUNT_HEAD.STRATEGY == "none":
        return None
    return DenseCounting(cfg, in_channels=in_channels, num_anchors=num_anchors)
