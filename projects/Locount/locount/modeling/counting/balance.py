"""Weights of counting losses for a long tail of counts. The derivation is in docs/counting.md."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from .counters import CountClassifier
from .loss import CountLoss


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
