"""The outputs of YOLO. Shapes are those of :mod:`.anchors`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.meta_arch.dense_detector import permute_to_N_HWA_K
from torch import Tensor, nn

from ...layers.precision import outputs_to_float32
from .losses import Predictions

# Nearly all predictions are of nothing. If each began at 0.5, their sum would drown everything else
# (the start that the RetinaNet paper gives its classes).
INITIAL_OBJECTNESS = 0.01


class YOLOHead(nn.Module):
    """A 1 x 1 convolution per level, with A (5 + K) channels, or A (6 + K) with predicted IoUs."""

    def __init__(
        self, *, input_shape: Sequence[ShapeSpec], num_anchors: int, num_classes: int, ious: bool
    ):
        """
        Args:
            input_shape: of each level, from fine to coarse.
            num_anchors: A.
            ious: whether the IoU of a box with its object is predicted.
        """
        super().__init__()
        # Offsets, scales, objectness, classes, IoU.
        self.split = (2, 2, 1, num_classes, int(ious))
        outputs = [
            nn.Conv2d(shape.channels, num_anchors * sum(self.split), 1) for shape in input_shape
        ]
        self.outputs = nn.ModuleList(outputs)
        self.register_forward_hook(outputs_to_float32)
        for output in outputs:
            bias = cast(Tensor, output.bias)
            nn.init.zeros_(bias)
            objectness = bias.data.view(num_anchors, -1)[:, 4]
            objectness.fill_(math.log(INITIAL_OBJECTNESS / (1 - INITIAL_OBJECTNESS)))

    def forward(self, features: Sequence[Tensor]) -> Predictions:
        """
        Args:
            features: of each level.
        """
        levels = [output(f) for output, f in zip(self.outputs, features, strict=True)]
        values = torch.cat([permute_to_N_HWA_K(x, sum(self.split)) for x in levels], dim=1)
        offsets, log_scales, objectness, classes, ious = values.split(self.split, dim=2)
        ious = ious.squeeze(2) if self.split[-1] else None
        return Predictions(offsets, log_scales, objectness.squeeze(2), classes, ious)
