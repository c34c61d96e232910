"""Modulated deformable convolutions (DCNv2; Zhu et al., CVPR 2019) in place of plain ones."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.ops import DeformConv2d


class ModulatedDeformConv2d(DeformConv2d):
    """One with the weights of a plain convolution, that learns where to look and how intently.

    Untrained it looks where the plain convolution does, with a modulation of 0.5 everywhere as in
    the paper.
    """

    def __init__(self, conv: nn.Conv2d):
        geometry: Any = (conv.kernel_size, conv.stride, conv.padding, conv.dilation)
        super().__init__(conv.in_channels, conv.out_channels, *geometry, conv.groups)
        self.weight, self.bias = conv.weight, conv.bias
        positions = conv.kernel_size[0] * conv.kernel_size[1]
        self.offset = nn.Conv2d(conv.in_channels, 3 * positions, *geometry)
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(cast(Tensor, self.offset.bias))
        self._split = (2 * positions, positions)

    def forward(self, x: Tensor) -> Tensor:
        # torchvision's kernel for the CPU has no bfloat16, and 8 bits are few for an offset.
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            offset, modulation = self.offset(x).split(self._split, dim=1)
            return super().forward(x, offset, modulation.sigmoid())


def make_deformable(module: nn.Module) -> int:
    """Replace all 3 x 3 convolutions inside a module, as a stage of a ResNet.

    Returns:
        How many there were.
    """
    number = 0
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d) and child.kernel_size == (3, 3):
            setattr(module, name, ModulatedDeformConv2d(child))
            number += 1
        else:
            number += make_deformable(child)
    return number
