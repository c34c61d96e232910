"""The counting loss of any detector. Shapes as in counters.py."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from detectron2.structures import Instances
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn

from ..counting import IGNORED_COUNT
from .counters import Counter


class CountLoss(nn.Module):
    """A counter's loss, weighted by the bins of the counts as MODEL.COUNT_HEAD.BALANCE says.

    Attributes:
        weights: of the bins; None until :meth:`set_weights`.
    """

    def __init__(self, counter: Counter, balance: str = "none"):
        """
        Args:
            balance: "none", or "inverse_sqrt"; then :func:`balance_counts` must be called on the
                model before training.
        """
        super().__init__()
        self.counter = counter
        self.balance = balance
        # Not in checkpoints: they belong to the training data, not to the model.
        self.register_buffer("weights", None, persistent=False)

    def set_weights(self, weights: Tensor) -> None:
        """Weights of the loss for objects of each bin, one per bin of the counter."""
        self.weights = weights

    def forward(self, outputs: Tensor, gt_counts: Tensor) -> Tensor:
        """Mean of the losses of all objects; the training log gets their statistics.

        Args:
            outputs: F x B, or of any other shape that ends in B.
            gt_counts: counts, of the same shape without B; IGNORED_COUNT is left out.

        Returns:
            A scalar, float32. Zero, with its graph, where no count is left.
        """
        known = gt_counts != IGNORED_COUNT
        outputs, gt_counts = outputs[known], gt_counts[known]
        losses = self.counter.loss(outputs, gt_counts)
        if self.balance != "none":
            losses = losses * self._weights_of(gt_counts)
        self._log(outputs, gt_counts)
        return losses.sum() / max(losses.numel(), 1)

    def _weights_of(self, gt_counts: Tensor) -> Tensor:
        if self.weights is None:
            raise ValueError(
                f'MODEL.COUNT_HEAD.BALANCE is "{self.balance}", but the counts of the training '
                "data are not known. Train with locount.training.Trainer, or call "
                "locount.modeling.balance_counts(model, counts) before training."
            )
        return self.weights.to(gt_counts.device)[self.counter.encode(gt_counts)]

    @torch.no_grad()
    def _log(self, outputs: Tensor, gt_counts: Tensor) -> None:
        if gt_counts.numel() > 0:
            for name, value in self.counter.statistics(outputs, gt_counts).items():
                get_event_storage().put_scalar(f"count/{name}", value.item())


def check_counts_given(targets: Sequence[Instances]) -> None:
    """A mapper that forgets the counts would train, without a word, a network that never counts."""
    if any(len(t) > 0 and not t.has("gt_counts") for t in targets):
        raise ValueError(
            "The training targets have no field gt_counts. Load data with "
            'locount.data.LocountDatasetMapper, or set MODEL.COUNT_HEAD.STRATEGY to "none" to '
            "train without counting."
        )
