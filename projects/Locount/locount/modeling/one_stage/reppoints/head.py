"""The layers of RepPoints above the feature pyramid. Shapes as in points.py."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, cast

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import Conv2d, get_norm
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import DeformConv2d

from .points import kernel_grid, kernel_size, scale_gradient


class LevelPredictions(NamedTuple):
    """What the head says about one level.

    Attributes:
        logits: of the classes, N x K x H x W.
        init: points of the first stage, N x 2P x H x W, y and x of each point in turn in strides.
        refined: those of the second stage, likewise.
        counts: outputs for a counter, N x B x H x W; None for a head that doesn't count.
    """

    logits: Tensor
    init: Tensor
    refined: Tensor
    counts: Tensor | None


class RepPointsHead(nn.Module):
    """Two towers of convolutions, shared by all levels, and what reads them.

    A convolution on the point tower gives the initial points. Two deformable convolutions, one on
    each tower, read their features there: one classifies, the other moves the points. A count,
    which the paper doesn't have, is predicted from the same features as the move.
    """

    # Of the gradient that reaches the initial points through the deformable convolutions, as the
    # authors train: the points follow their own loss first of all.
    GRADIENT_FACTOR = 0.1

    @configurable
    def __init__(
        self,
        *,
        in_channels: int,
        conv_dim: int,
        num_convs: int,
        num_classes: int,
        num_points: int,
        norm: str = "GN",
        prior_prob: float = 0.01,
        count_pred: nn.Conv2d | None = None,
    ):
        """
        Args:
            num_convs: in each tower.
            num_points: the square of an odd number.
            norm: of the towers, as for :func:`get_norm`; "GN" needs a ``conv_dim`` that is a
                multiple of 32.
            prior_prob: the score of every class that training starts from.
            count_pred: the counting layer, of ``conv_dim`` channels; None for a head that doesn't
                count.
        """
        super().__init__()
        side = kernel_size(num_points)
        self.class_tower = _tower(in_channels, conv_dim, num_convs, norm)
        self.point_tower = _tower(in_channels, conv_dim, num_convs, norm)
        self.init_conv = nn.Conv2d(conv_dim, conv_dim, 3, padding=1)
        self.init_points = nn.Conv2d(conv_dim, 2 * num_points, 1)
        self.class_conv = DeformConv2d(conv_dim, conv_dim, side, padding=side // 2)
        self.class_logits = nn.Conv2d(conv_dim, num_classes, 1)
        self.refine_conv = DeformConv2d(conv_dim, conv_dim, side, padding=side // 2)
        self.refine_points = nn.Conv2d(conv_dim, 2 * num_points, 1)
        self.grid: Tensor
        self.register_buffer("grid", kernel_grid(num_points)[:, None, None], persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | DeformConv2d):
                nn.init.normal_(module.weight, std=0.01)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.constant_(
            cast(Tensor, self.class_logits.bias), -math.log((1 - prior_prob) / prior_prob)
        )
        self.count_pred = count_pred

    @classmethod
    def from_config(cls, cfg: CfgNode, in_channels: int) -> dict:
        node = cfg.MODEL.REPPOINTS
        return {
            "in_channels": in_channels,
            "conv_dim": node.CONV_DIM,
            "num_convs": node.NUM_CONVS,
            "num_classes": node.NUM_CLASSES,
            "num_points": node.NUM_POINTS,
            "norm": node.NORM,
            "prior_prob": node.PRIOR_PROB,
        }

    def forward(self, features: Sequence[Tensor]) -> list[LevelPredictions]:
        """
        Args:
            features: L maps, N x C x H x W each.
        """
        return [self._level(x) for x in features]

    def _level(self, x: Tensor) -> LevelPredictions:
        class_features, point_features = self.class_tower(x), self.point_tower(x)
        # The deformable convolution takes one type for all its inputs, and a point in half
        # precision would jump by pixels on the coarse levels.
        with torch.autocast(x.device.type, enabled=False):
            return self._predict(class_features.float(), point_features.float())

    def _predict(self, class_features: Tensor, point_features: Tensor) -> LevelPredictions:
        init = self.init_points(F.relu(self.init_conv(point_features)))
        offsets = scale_gradient(init, self.GRADIENT_FACTOR) - self.grid
        at_points = F.relu(self.refine_conv(point_features, offsets))
        return LevelPredictions(
            logits=self.class_logits(F.relu(self.class_conv(class_features, offsets))),
            init=init,
            # The first stage learns only from its own loss.
            refined=init.detach() + self.refine_points(at_points),
            counts=None if self.count_pred is None else self.count_pred(at_points),
        )


def _tower(in_channels: int, conv_dim: int, num_convs: int, norm: str) -> nn.Sequential:
    channels = [in_channels, *[conv_dim] * num_convs]
    return nn.Sequential(
        *(
            Conv2d(a, b, 3, padding=1, bias=not norm, norm=get_norm(norm, b), activation=F.relu)
            for a, b in pairwise(channels)
        )
    )
