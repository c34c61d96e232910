"""Normalization in heads that all levels of a feature pyramid share."""

from __future__ import annotations

from collections.abc import Callable

from detectron2.layers import CycleBatchNormList
from torch import Tensor, nn


class LevelBatchNorm(CycleBatchNormList):
    """Batch norms with one scale and shift, each with the statistics of its own level.

    Detectron2's takes the levels in turn by counting its calls, so that threads which share a model
    get each other's levels, and a call that failed shifts all later ones. This one is given them.
    """

    def forward(self, x: Tensor, level: int) -> Tensor:
        weight, bias = (p[:, None, None] for p in (self.weight, self.bias))
        return self[level](x) * weight + bias


def head_norm(name: str, num_levels: int) -> str | Callable[[int], nn.Module]:
    """What :func:`detectron2.layers.get_norm` takes, for a tower that :func:`run_tower` runs.

    Args:
        name: "BN" and "SyncBN" have statistics of each level; "", "GN" and others that Detectron2
            knows are the same for all.
    """
    if name in ("BN", "SyncBN"):
        bn_class = nn.BatchNorm2d if name == "BN" else nn.SyncBatchNorm
        return lambda channels: LevelBatchNorm(num_levels, bn_class, num_features=channels)
    if name == "GN":  # also for one channel, with which v0.6 tries out a norm
        return lambda channels: nn.GroupNorm(min(32, channels), channels)
    return name


def run_tower(tower: nn.Sequential, x: Tensor, level: int) -> Tensor:
    """The tower's output for the features of a level, counted from 0."""
    for layer in tower:
        x = layer(x, level) if isinstance(layer, LevelBatchNorm) else layer(x)
    return x
