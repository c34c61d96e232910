"""The output layers of one stage: class, box and count. Shapes as in counters.py."""

from __future__ import annotations

import torch
from detectron2.config import configurable
from detectron2.layers import ShapeSpec, cat
from detectron2.structures import Instances
from torch import Tensor, nn

from ...counting import IGNORED_COUNT
from ..counting.counters import init_count_layer
from ..counting.loss import CountLoss
from .box_losses import BoxLossFastRCNNOutputLayers, Predictions


class CountingFastRCNNOutputLayers(BoxLossFastRCNNOutputLayers):
    """A third linear layer beside Fast R-CNN's two: the counting layer of CLCNet.

    Source: Cai et al., AAAI 2021. ``forward`` returns the outputs of the counting layer too, as its
    last tensor; ``losses`` adds "loss_count". All other methods are about class and box and take
    the first two tensors.
    """

    @configurable
    def __init__(self, input_shape: ShapeSpec, *, count_loss: CountLoss, **kwargs):
        """
        Args:
            count_loss: of this stage; its counter is what the outputs of the layer mean.
            kwargs: as for :class:`BoxLossFastRCNNOutputLayers`.
        """
        super().__init__(input_shape, **kwargs)
        self.count_loss = count_loss
        self.count_pred = init_count_layer(
            nn.Linear(self.cls_score.in_features, count_loss.counter.num_outputs)
        )

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
        count_outputs = predictions[-1]
        losses = super().losses(predictions[:-1], proposals)
        gt_classes = cat([p.gt_classes for p in proposals])
        gt_counts = cat([p.gt_counts if p.has("gt_counts") else _no_counts(p) for p in proposals])
        foreground = (gt_classes >= 0) & (gt_classes < self.num_classes)
        trained = (foreground & (gt_counts != IGNORED_COUNT)).nonzero().squeeze(1)
        losses["loss_count"] = self.count_loss(count_outputs[trained], gt_counts[trained])
        return losses


def _no_counts(proposals: Instances) -> Tensor:
    """Targets for an image without ground truth: Detectron2 gives its proposals no ``gt_*`` but
    ``gt_classes``."""
    return torch.full_like(proposals.gt_classes, IGNORED_COUNT)
