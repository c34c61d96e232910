"""Balanced feature pyramid (Pang et al., "Libra R-CNN", CVPR 2019, section 3.2).

Shapes: N images, C channels, L levels of H_i x W_i, the finest first.
"""

from __future__ import annotations

import torch.nn.functional as F
from detectron2.config import CfgNode
from detectron2.layers import Conv2d, ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from torch import Tensor, nn

from ...errors import InputError


class NonLocalBlock(nn.Module):
    """Embedded-Gaussian non-local block (Wang et al., CVPR 2018): x + W_z softmax(θ(x) φ(x)ᵀ) g(x).

    θ, φ, g and W_z are 1 x 1 convolutions and the softmax runs over all positions of the image.
    W_z is zero at first, as in its source: the block starts as the identity.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.theta, self.phi, self.g, self.w_z = (
            Conv2d(channels, channels, kernel_size=1) for _ in range(4)
        )
        for conv in (self.theta, self.phi, self.g):
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.zeros_(conv.bias)
        nn.init.zeros_(self.w_z.weight)
        nn.init.zeros_(self.w_z.bias)

    def forward(self, x: Tensor) -> Tensor:
        """
        Args:
            x: N x C x H x W.

        Returns:
            Of the same shape.
        """
        # N x HW x C; only where those lie side by side the attention has a kernel
        # without the HW x HW matrix.
        theta, phi, g = (
            f(x).flatten(2).transpose(1, 2).contiguous() for f in (self.theta, self.phi, self.g)
        )
        y = F.scaled_dot_product_attention(theta, phi, g, scale=1.0)
        return x + self.w_z(y.transpose(1, 2).unflatten(2, x.shape[2:]))


class BalancedFeaturePyramid(Backbone):
    """An FPN in which every level also sees the mean of all levels.

    All levels are brought to the size of one of them: finer ones by adaptive max pooling, coarser
    ones by nearest-neighbor interpolation. Their mean is refined by a :class:`NonLocalBlock`,
    brought back to each level's size in the same two ways, and added to the level.

    Names, shapes and padding are those of the FPN. So are the parameters it needs: a checkpoint of
    a network with only the FPN can be loaded.
    """

    def __init__(self, *, fpn: Backbone, level: int = 2):
        """
        Args:
            fpn: its levels have the same number of channels.
            level: which of them, in [0, L), is the one whose size all are brought to.

        Raises:
            InputError: naming the config key that does not fit the FPN.
        """
        super().__init__()
        shapes = fpn.output_shape()
        channels = {name: shape.channels for name, shape in shapes.items()}
        if len(set(channels.values())) > 1:
            raise InputError(
                f"The levels of the backbone have different numbers of channels, {channels}; name "
                "an FPN in MODEL.BFP.FPN."
            )
        if not 0 <= level < len(shapes):
            raise InputError(
                f"MODEL.BFP.LEVEL is {level}; the FPN has {len(shapes)} levels, so it must be in "
                f"[0, {len(shapes) - 1}]."
            )
        self.fpn = fpn
        self.level = level
        self.refine = NonLocalBlock(next(iter(channels.values())))
        self._levels = sorted(shapes, key=lambda name: shapes[name].stride)

    @property
    def size_divisibility(self) -> int:
        return self.fpn.size_divisibility

    @property
    def padding_constraints(self) -> dict[str, int]:
        return getattr(self.fpn, "padding_constraints", {})  # not in v0.6

    def output_shape(self) -> dict[str, ShapeSpec]:
        return self.fpn.output_shape()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """
        Args:
            x: images, N x 3 x H x W.

        Returns:
            From name to N x C x H_i x W_i.
        """
        features = self.fpn(x)
        size = features[self._levels[self.level]].shape[-2:]
        gathered = [_resize(features[name], size) for name in self._levels]
        balanced = self.refine(sum(gathered) / len(gathered))
        return {name: f + _resize(balanced, f.shape[-2:]) for name, f in features.items()}

    def _load_from_state_dict(self, state_dict, prefix, *args):
        """A checkpoint of only the FPN has its parameters where this module has ``fpn``."""
        own = tuple(f"{prefix}{name}." for name, _ in self.named_children())
        for key in [k for k in state_dict if k.startswith(prefix) and not k.startswith(own)]:
            state_dict[f"{prefix}fpn.{key.removeprefix(prefix)}"] = state_dict.pop(key)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """``x`` of another size: interpolated where it grows, pooled where it shrinks."""
    if size[0] > x.shape[-2] or size[1] > x.shape[-1]:
        return F.interpolate(x, size=size, mode="nearest")
    return F.adaptive_max_pool2d(x, size)


@BACKBONE_REGISTRY.register()
def build_bfp_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> BalancedFeaturePyramid:
    """A balanced feature pyramid around what MODEL.BFP.FPN builds."""
    name = cfg.MODEL.BFP.FPN
    if name not in BACKBONE_REGISTRY or name == build_bfp_backbone.__name__:
        raise InputError(
            f'MODEL.BFP.FPN is "{name}"; name a registered builder of an FPN, such as '
            '"build_resnet_fpn_backbone" or "build_timm_fpn_backbone".'
        )
    fpn = BACKBONE_REGISTRY.get(name)(cfg, input_shape)
    return BalancedFeaturePyramid(fpn=fpn, level=cfg.MODEL.BFP.LEVEL)
