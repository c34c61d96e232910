"""Building blocks of the necks of YOLOv3 and PP-YOLO."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torchvision.ops.misc import Conv2dNormActivation

# Windows of the max pooling in PP-YOLO's SPP.
SPP_KERNELS = (5, 9, 13)


# Of a number of channels in and out, and the side of the kernel.
conv_block = partial(Conv2dNormActivation, activation_layer=partial(nn.LeakyReLU, 0.1))


class CoordConvBlock(nn.Module):
    """A :func:`conv_block` that sees where it is (CoordConv; Liu et al., NeurIPS 2018).

    Two channels more say column and row, from -1 at one edge to 1 at the other.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int):
        super().__init__()
        self.block = conv_block(in_channels + 2, out_channels, kernel)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        columns = torch.linspace(-1, 1, width, dtype=x.dtype, device=x.device)
        rows = torch.linspace(-1, 1, height, dtype=x.dtype, device=x.device)[:, None]
        place = [c.expand(batch, 1, height, width) for c in (columns, rows)]
        return self.block(torch.cat([x, *place], dim=1))


class SpatialPyramidPooling(nn.Module):
    """Max pooling over windows of several sizes, beside what comes in (SPP)."""

    def __init__(self, channels: int):
        super().__init__()
        self.pools = nn.ModuleList(nn.MaxPool2d(k, 1, k // 2) for k in SPP_KERNELS)
        self.block = conv_block(channels * (1 + len(SPP_KERNELS)), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.block(torch.cat([x, *(pool(x) for pool in self.pools)], dim=1))
