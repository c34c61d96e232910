"""The output layers of one stage: class, box and count. Shapes as in counters.py."""

from __future__ import annotations

import torch
from detectron2.config import configurable
from detectron2.layers import ShapeSpec, cat
from detectron2.structures import Instances
from torch import Tensor, nn

from ..counting import IGNORED_COUNT
from .box_losses import BoxLossFastRCNNOutputLayers
from .count_loss import CountLoss
from .counters import Counter
from .counting_inference import counting_inference

# class logits R x (K + 1), box deltas R x 4, count outputs R x B
Predictions = tuple[Tensor, Tensor, Tensor]


class CountingFastRCNNOutputLayers(BoxLossFastRCNNOutputLayers):
    """A third linear layer beside Fast R-CNN's two: the counting layer of CLCNet.

    Source: Cai et al., AAAI 2021. ``forward`` returns a third tensor, the outputs of the counting
    layer; ``losses`` adds "loss_count".
    """

    @configurable
    def __init__(
        self, input_shape: ShapeSpec, *, counter: Counter, balance: str = "none", **kwargs
    ):
        """
        Args:
            counter: what the outputs of the counting layer mean.
            balance: "none", or "inverse_sqrt", as MODEL.COUNT_HEAD.BALANCE; then
                :func:`balance_counts` must be called before training.
            kwargs: as for :class:`BoxLossFastRCNNOutputLayers`; ``loss_weight`` may have the
                key "loss_count" (λ2).
        """
        super().__init__(input_shape, **kwargs)
        self.counter = counter
        self.count_loss = CountLoss(counter, balance)
        self.count_pred = nn.Linear(self.cls_score.in_features, counter.num_outputs)
        nn.init.normal_(self.count_pred.weight, std=0.01)
        nn.init.constant_(self.count_pred.bias, 0)

    @classmethod
    def from_config(cls, cfg, input_shape: ShapeSpec) -> dict:
        ret = super().from_config(cfg, input_shape)
        ret["loss_weight"]["loss_count"] = cfg.MODEL.COUNT_HEAD.LOSS_WEIGHT
        ret["balance"] = cfg.MODEL.COUNT_HEAD.BALANCE
        return ret

    def forward(self, x: Tensor) -> Predictions:
        """
        Args:
            x: features of R regions, R x ...
        """
        x = torch.flatten(x, start_dim=1)
        return *super().forward(x), self.count_pred(x)

    def losses(self, predictions: Predictions, proposals: list[Instances]) -> dict[str, Tensor]:
        """
        Args:
            proposals: as for the base class, and with ``gt_counts`` where the image has ground
                truth: counts, or IGNORED_COUNT for a count that is not to be trained.

        Returns:
            The losses of the base class, means over all ROIs, and "loss_count", λ2 times the mean
            over the foreground ROIs of known count (docs/counting.md). Zero, with its graph,
            without any.
        """
        scores, deltas, count_outputs = predictions
        losses = super().losses((scores, deltas), proposals)

        gt_classes = cat([p.gt_classes for p in proposals])
        gt_counts = cat([p.gt_counts if p.has("gt_counts") else _no_counts(p) for p in proposals])
        foreground = (gt_classes >= 0) & (gt_classes < self.num_classes)
        loss = self.count_loss(count_outputs[foreground], gt_counts[foreground])
        losses["loss_count"] = loss * self.loss_weight.get("loss_count", 1.0)
        return losses

    def predict_counts(
        self, predictions: Predictions, proposals: list[Instances]
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """
        Returns:
            Counts (int64, at least 1) and their scores in [0, 1], each split into N tensors of
            length Ri.
        """
        lengths = [len(p) for p in proposals]
        counts, scores = self.counter.decode(predictions[2])
        return counts.split(lengths), scores.split(lengths)

    # The base class unpacks predictions into two; class and box are its business, the count is not.

    def predict_boxes(self, predictions, proposals):
        return super().predict_boxes(predictions[:2], proposals)

    def predict_boxes_for_gt_classes(self, predictions, proposals):
        return super().predict_boxes_for_gt_classes(predictions[:2], proposals)

    def predict_probs(self, predictions, proposals):
        return super().predict_probs(predictions[:2], proposals)

    def inference(self, predictions, proposals):
        return counting_inference(
            self.predict_boxes(predictions, proposals),
            self.predict_probs(predictions, proposals),
            *self.predict_counts(predictions, proposals),
            [p.image_size for p in proposals],
            self.test_score_thresh,
            self.test_nms_thresh,
            self.test_topk_per_image,
        )


def _no_counts(proposals: Instances) -> Tensor:
    """Targets for an image without ground truth: Detectron2 gives its proposals no ``gt_*`` but
    ``gt_classes``."""
    return torch.full_like(proposals.gt_classes, IGNORED_COUNT)
