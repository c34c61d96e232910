"""The feature pyramid of HRNetV2p (Sun et al., "High-Resolution Representations for Labeling Pixels
and Regions", 2019).
"""

from __future__ import annotations

from collections.abc import Sequence

import fvcore.nn.weight_init as weight_init
import torch
import torch.nn.functional as F
from detectron2.layers import Conv2d, get_norm
from detectron2.modeling import Backbone
from torch import Tensor, nn


class HRFPN(Backbone):
    """A pyramid whose levels are all made from all resolutions of a backbone.

    The resolutions are brought to the size of the finest by bilinear interpolation and joined; a
    1 x 1 convolution mixes them. Average pooling over 1, 2, 4, ... pixels and a 3 x 3 convolution
    give the levels. That of stride 2 ** i is called ``p<i>``.

    Images are padded to multiples of the coarsest level's stride: pooling leaves no pixel out.
    """

    def __init__(
        self,
        *,
        bottom_up: Backbone,
        in_features: Sequence[str],
        out_channels: int,
        norm: str = "",
        num_levels: int = 5,
    ):
        """
        Args:
            in_features: of ``bottom_up``.
            norm: of all convolutions, as in ``detectron2.layers.get_norm``; they have a bias only
                without.
            num_levels: the first has the stride of the finest feature, each other twice that of
                the one before.
        """
        super().__init__()
        shapes = [bottom_up.output_shape()[name] for name in in_features]
        first = min(shape.stride for shape in shapes).bit_length() - 1
        self.bottom_up = bottom_up
        self.in_features = list(in_features)
        self._out_features = [f"p{first + i}" for i in range(num_levels)]
        self._out_feature_strides = {n: 2 ** int(n[1:]) for n in self._out_features}
        self._out_feature_channels = dict.fromkeys(self._out_features, out_channels)

        def conv(in_channels: int, kernel_size: int) -> Conv2d:
            layer = Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                padding=kernel_size // 2,
                bias=not norm,
                norm=get_norm(norm, out_channels),
            )
            weight_init.c2_xavier_fill(layer)
            return layer

        self.mix = conv(sum(shape.channels for shape in shapes), 1)
        self.levels = nn.ModuleList(conv(out_channels, 3) for _ in range(num_levels))

    @property
    def size_divisibility(self) -> int:
        return self._out_feature_strides[self._out_features[-1]]

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """
        Args:
            x: images, N x 3 x H x W; H and W are multiples of ``size_divisibility``.

        Returns:
            From name to N x out_channels x H / stride x W / stride.
        """
        features = self.bottom_up(x)
        features = [features[name] for name in self.in_features]
        size = max(f.shape[-2:] for f in features)
        resized = [F.interpolate(f, size=size, mode="bilinear") for f in features]
        mixed = self.mix(torch.cat(resized, dim=1))
        pooled = (F.avg_pool2d(mixed, 2**i) for i in range(len(self.levels)))
        return {
            name: level(p)
            for name, level, p in zip(self._out_features, self.levels, pooled, strict=True)
        }
