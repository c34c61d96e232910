"""The necks of YOLOv3 and PP-YOLO on a backbone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, Backbone
from timm.layers import DropBlock2d
from torch import Tensor, nn
from torch.nn import functional as F

from ....errors import InputError
from ...backbone.timm_backbone import TimmBackbone
from ...layers.deformable import make_deformable
from .layers import CoordConvBlock, SpatialPyramidPooling, conv_block

DROP_BLOCK_SIZE = 3


class NeckLevel(nn.Module):
    """One level: five convolutions down to C channels, and one that gives out 2 C for the head."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        *,
        coarsest: bool,
        coord_conv: bool,
        spp: bool,
        drop_block: float,
    ):
        """
        Args:
            channels: C.
            coarsest: whether it is the coarsest level, the only one with SPP.
        """
        super().__init__()
        located = CoordConvBlock if coord_conv else conv_block
        # PP-YOLO drops after the second 3 x 3 convolution of the coarsest level, elsewhere after
        # the first.
        dropped = [DropBlock2d(drop_block, DROP_BLOCK_SIZE)] if drop_block else []
        self.body = nn.Sequential(
            located(in_channels, channels, 1),
            conv_block(channels, 2 * channels, 3),
            *([] if coarsest else dropped),
            located(2 * channels, channels, 1),
            *([SpatialPyramidPooling(channels)] if spp and coarsest else []),
            conv_block(channels, 2 * channels, 3),
            *(dropped if coarsest else []),
            located(2 * channels, channels, 1),
        )
        self.tip = located(channels, 2 * channels, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """
        Returns:
            N x C x H x W for the next finer level, and N x 2 C x H x W.
        """
        x = self.body(x)
        return x, self.tip(x)


class YOLONeck(Backbone):
    """A backbone's feature maps, each joined with the coarser ones; ``p<i>`` is from ``res<i>``.

    A level gives out twice its number of channels, which is halved from level to level.
    """

    def __init__(
        self,
        *,
        bottom_up: Backbone,
        in_features: Sequence[str],
        channels: int,
        coord_conv: bool = False,
        spp: bool = False,
        drop_block: float = 0.0,
    ):
        """
        Args:
            in_features: such as ("res3", "res4"); each is twice as coarse as the one before.
            channels: of the coarsest level.
            coord_conv: whether the 1 x 1 convolutions of the levels and the first one of the head
                see where they are (:class:`CoordConvBlock`).
            spp: whether the coarsest level has :class:`SpatialPyramidPooling`.
            drop_block: share of activations dropped in training by DropBlock.

        Raises:
            InputError: for other features.
        """
        super().__init__()
        self.bottom_up = bottom_up
        shapes = bottom_up.output_shape()
        strides = [shapes[name].stride for name in in_features]
        if any(coarse != 2 * fine for fine, coarse in itertools.pairwise(strides)):
            raise InputError(
                f"MODEL.YOLO.IN_FEATURES {', '.join(in_features)} have the strides {strides}; each "
                "must be twice the one before."
            )
        # From coarse to fine: name of a level and of its feature.
        self.names = {name.replace("res", "p"): name for name in reversed(in_features)}
        self._out_features = list(reversed(self.names))
        self._out_feature_strides = {out: shapes[name].stride for out, name in self.names.items()}
        self._out_feature_channels = {}
        self.levels, self.laterals = nn.ModuleDict(), nn.ModuleDict()
        from_coarser = 0
        for out, name in self.names.items():
            self.levels[out] = NeckLevel(
                shapes[name].channels + from_coarser,
                channels,
                coarsest=name == in_features[-1],
                coord_conv=coord_conv,
                spp=spp,
                drop_block=drop_block,
            )
            self._out_feature_channels[out] = 2 * channels
            if name != in_features[0]:
                self.laterals[out] = conv_block(channels, channels // 2, 1)
            channels = from_coarser = channels // 2

    @property
    def size_divisibility(self) -> int:
        return self._out_feature_strides[self._out_features[-1]]

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """
        Args:
            x: N x 3 x H x W, both multiples of :attr:`size_divisibility`.
        """
        features = self.bottom_up(x)
        outputs: dict[str, Tensor] = {}
        from_coarser: list[Tensor] = []
        for out, name in self.names.items():
            x, outputs[out] = self.levels[out](torch.cat([*from_coarser, features[name]], dim=1))
            if out in self.laterals:
                from_coarser = [F.interpolate(self.laterals[out](x), scale_factor=2.0)]
        return outputs


@BACKBONE_REGISTRY.register()
def build_timm_yolo_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> YOLONeck:
    """A :class:`YOLONeck` of MODEL.YOLO on the backbone of MODEL.TIMM."""
    node = cfg.MODEL.YOLO
    bottom_up = TimmBackbone.from_config(cfg, node.IN_FEATURES)
    if node.DEFORMABLE:
        # Nothing is built after the last feature, so the last module of a ResNet is the stage that
        # makes it. In others, such as the EfficientNets, it is not one stage, and padding may
        # depend on the image, which is not replaced.
        stage, layers = list(bottom_up.model.named_children())[-1]
        if not stage.startswith("layer") or not make_deformable(layers):
            raise InputError(
                f"MODEL.YOLO.DEFORMABLE is True, but MODEL.TIMM.NAME {cfg.MODEL.TIMM.NAME!r} has "
                "no last stage of 3 x 3 convolutions, as ResNets have. Set it False, or take a "
                "ResNet."
            )
    return YOLONeck(
        bottom_up=bottom_up,
        in_features=node.IN_FEATURES,
        channels=node.NECK_CHANNELS,
        coord_conv=node.COORD_CONV,
        spp=node.SPP,
        drop_block=node.DROP_BLOCK,
    )
