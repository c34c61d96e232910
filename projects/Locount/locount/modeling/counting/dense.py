"""The counting layer of one-stage detectors, which predict at every location of a feature map.

A location has one count, whatever its number of anchors: they see the same features, and where some
of them match an object they mostly match the same one.

Shape shorthand, beside that of counters.py:

    A: number of anchors at a location, 1 without anchors
    L: number of locations of an image, over all levels
    R: number of anchors of an image, A * L; those of a location follow each other
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from torch import Tensor, nn

from ...config.checks import get
from ...counting import IGNORED_COUNT
from ...errors import InputError
from .build import build_counting
from .counters import init_count_layer
from .decoding import CountDecoder
from .loss import CountLoss


class DenseCounting(NamedTuple):
    """What counts in a one-stage detector; all None in one that does not.

    Attributes:
        layer: from the features of the boxes to B outputs of a single partition of the counts.
    """

    layer: nn.Conv2d | None = None
    loss: CountLoss | None = None
    decoder: CountDecoder | None = None


def build_dense_counting(cfg: CfgNode, in_channels: int) -> DenseCounting:
    """As MODEL.COUNT_HEAD describes it.

    Args:
        in_channels: of the feature maps, such as those after the tower of the box regression.
    """
    losses, decoder = build_counting(cfg, num_stages=1)
    if not losses:
        return DenseCounting()
    layer = nn.Conv2d(in_channels, losses[0].counter.num_outputs, 3, padding=1)
    return DenseCounting(init_count_layer(layer), losses[0], decoder)


def head_inputs(cfg: CfgNode, key: str, backbone: Backbone) -> list[ShapeSpec]:
    """The shapes of the features that a head takes.

    Args:
        key: such as "MODEL.FCOS.IN_FEATURES", which names them.

    Raises:
        InputError: for a feature that the backbone does not give.
    """
    shapes, names = backbone.output_shape(), get(cfg, key)
    if missing := [name for name in names if name not in shapes]:
        raise InputError(
            f"{key} names {', '.join(missing)}, which {cfg.MODEL.BACKBONE.NAME} does not give; it "
            f"gives {', '.join(shapes)}."
        )
    return [shapes[name] for name in names]


def by_location(levels: Sequence[Tensor]) -> Tensor:
    """N x L x B of the counting layer's maps, N x B x H x W each."""
    return torch.cat([level.flatten(2) for level in levels], dim=2).transpose(1, 2)


def dense_count_loss(count_loss: CountLoss, levels: Sequence[Tensor], gt_counts: Tensor) -> Tensor:
    """The counting loss, a mean over the anchors whose count is to be trained.

    Args:
        levels: the counting layer's maps, N x B x H x W each.
        gt_counts: N x R, the count of the object that an anchor is matched with. IGNORED_COUNT for
            one that is not to be trained: background, or an object whose count is not known.

    Returns:
        A scalar. Zero, with its graph, where no count is to be trained.
    """
    outputs = by_location(levels)
    num_anchors = gt_counts.shape[1] // outputs.shape[1]
    image, anchor = (gt_counts != IGNORED_COUNT).nonzero(as_tuple=True)
    return count_loss(outputs[image, anchor // num_anchors], gt_counts[image, anchor])
