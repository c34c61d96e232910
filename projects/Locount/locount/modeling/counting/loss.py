"""The counting loss of any detector, and its weights for a long tail of counts (docs/counting.md).

Shapes as in counters.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from detectron2.structures import Instances
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn

from .counters import CountClassifier, Counter


class CountLoss(nn.Module):
    """A counter's loss, weighted by the bins of the counts as MODEL.COUNT_HEAD.BALANCE says.

    Attributes:
        bin_weights: one per bin of the counter; None until :func:`balance_counts`.
    """

    def __init__(self, counter: Counter, *, weight: float = 1.0, balance: str = "none"):
        """
        Args:
            counter: what the outputs of the counting layer mean.
            weight: of the loss beside class and box (λ2).
            balance: "none", or "inverse_sqrt"; then :func:`balance_counts` must be called on the
                model before training.
        """
        super().__init__()
        self.counter = counter
        self.weight = weight
        self.balance = balance
        # Not in checkpoints: they belong to the training data, not to the model.
        self.bin_weights: Tensor | None
        self.register_buffer("bin_weights", None, persistent=False)

    def forward(self, outputs: Tensor, gt_counts: Tensor) -> Tensor:
        """λ2 times the mean of the losses of objects; the training log gets their statistics.

        Args:
            outputs: F x B, those of the foreground whose count is known.
            gt_counts: F counts.

        Returns:
            A scalar, float32. Zero, with its graph, where F is 0.
        """
        losses = self.counter.loss(outputs, gt_counts)
        if self.balance != "none":
            losses = losses * self._weights_of(gt_counts)
        self._log(outputs, gt_counts)
        return self.weight * losses.sum() / max(losses.numel(), 1)

    def _weights_of(self, gt_counts: Tensor) -> Tensor:
        if self.bin_weights is None:
            raise ValueError(
                f'MODEL.COUNT_HEAD.BALANCE is "{self.balance}", but the counts of the training '
                "data are not known. Train with locount.training.Trainer, or call "
                "locount.modeling.balance_counts(model, counts) before training."
            )
        return self.bin_weights[cast(CountClassifier, self.counter).encode(gt_counts)]

    @torch.no_grad()
    def _log(self, outputs: Tensor, gt_counts: Tensor) -> None:
        if gt_counts.numel() > 0:
            figures = self.counter.statistics(outputs, gt_counts)
            values = torch.stack(list(figures.values())).tolist()  # one transfer from a GPU
            for name, value in zip(figures, values, strict=True):
                get_event_storage().put_scalar(f"count/{name}", value)


def check_counts_given(targets: Sequence[Instances]) -> None:
    """A mapper that forgets the counts would train, without a word, a network that never counts."""
    if any(len(t) > 0 and not t.has("gt_counts") for t in targets):
        raise ValueError(
            "The training targets have no field gt_counts. Load data with "
            'locount.data.LocountDatasetMapper, or set MODEL.COUNT_HEAD.STRATEGY to "none" to '
            "train without counting."
        )


def inverse_sqrt_weights(num_objects: Tensor) -> Tensor:
    """Weights proportional to 1 / sqrt(objects), whose mean over all objects is 1.

    Args:
        num_objects: how many objects each bin holds, B integers >= 0, not all 0.

    Returns:
        B weights > 0, float32. An empty bin has the weight of a bin with one object.
    """
    roots = num_objects.float().sqrt()
    return num_objects.sum() / roots.sum() / roots.clamp(min=1)


def balance_counts(model: nn.Module, counts: Tensor) -> None:
    """Weigh the counting losses of a model, so that rare counts are trained more.

    Args:
        counts: of all objects of the training data, integers in [1, max_count], at least one.
    """
    device = next(model.parameters()).device
    for module in model.modules():
        if isinstance(module, CountLoss):
            counter = cast(CountClassifier, module.counter)
            num_objects = counter.encode(counts).bincount(minlength=counter.num_bins)
            module.bin_weights = inverse_sqrt_weights(num_objects).to(device)
