"""Any convolutional backbone of the library timm, with a feature pyramid on top."""

from __future__ import annotations

import math
from collections.abc import Sequence

import timm
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, FPN, Backbone
from detectron2.modeling.backbone.fpn import LastLevelMaxPool, LastLevelP6P7
from timm.layers import freeze_batch_norm_2d
from torch import Tensor, nn

from ..errors import InputError
from .hrfpn import HRFPN


class TimmBackbone(Backbone):
    """A timm model as a Detectron2 backbone.

    A feature of stride 2 ** i is called ``res<i>`` as in Detectron2's ResNet, so that other
    configs' FPN.IN_FEATURES fit. Of several features with one stride it is the last. Layers behind
    the last feature that is asked for are not built.
    """

    def __init__(
        self,
        *,
        name: str,
        out_features: Sequence[str],
        norm: str = "BN",
        pretrained: bool = False,
        **options: object,
    ):
        """
        Args:
            name: as in ``timm.list_models()``.
            out_features: such as ("res2", "res3").
            norm: "BN" keeps the model's own normalization, "FrozenBN" freezes its batch norms.
            pretrained: whether timm loads its ImageNet weights, from its cache or the network.
            options: of this model in timm.

        Raises:
            InputError: if timm has no such model, or the model no such feature.
        """
        super().__init__()
        indices = _feature_indices(name, out_features)
        model = timm.create_model(
            name,
            features_only=True,
            out_indices=tuple(indices.values()),
            pretrained=pretrained,
            **options,
        )
        if norm == "FrozenBN":
            # Detectron2's conversion would drop the activation that some of timm's layers include.
            model = freeze_batch_norm_2d(model)
        elif norm != "BN":
            raise InputError(f'MODEL.TIMM.NORM is {norm!r}; it must be "BN" or "FrozenBN".')
        self.model = model
        self._out_features = list(indices)
        self._out_feature_channels = dict(zip(indices, model.feature_info.channels(), strict=True))
        self._out_feature_strides = dict(zip(indices, model.feature_info.reduction(), strict=True))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """
        Args:
            x: N x C x H x W.

        Returns:
            From name to N x C_i x H / stride x W / stride.
        """
        return dict(zip(self._out_features, self.model(x), strict=True))


def _feature_indices(name: str, out_features: Sequence[str]) -> dict[str, int]:
    """The features asked for, in order of their stride, and their positions among timm's."""
    if not timm.is_model(name):
        raise InputError(
            f"MODEL.TIMM.NAME is {name!r}, which timm {timm.__version__} does not have. "
            "`timm.list_models()` gives the names."
        )
    strides = timm.create_model(name, features_only=True).feature_info.reduction()
    positions = {f"res{int(math.log2(s))}": i for i, s in enumerate(strides)}
    unknown = [f for f in out_features if f not in positions]
    if unknown:
        raise InputError(
            f"MODEL.TIMM.NAME {name!r} has no feature {', '.join(unknown)}; it has "
            f"{', '.join(positions)}. Change MODEL.FPN.IN_FEATURES."
        )
    return {f: i for f, i in positions.items() if f in out_features}


@BACKBONE_REGISTRY.register()
def build_timm_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """An FPN on MODEL.FPN.IN_FEATURES of the timm model, and one level more by max pooling.

    timm's ImageNet weights are loaded only if no MODEL.WEIGHTS will replace them.
    """
    bottom_up = _build_bottom_up(cfg)
    return _build_fpn(cfg, bottom_up, _MaxPoolOf(f"p{_last_level(cfg, bottom_up)}"))


@BACKBONE_REGISTRY.register()
def build_timm_retinanet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """As :func:`build_timm_fpn_backbone`, but with RetinaNet's two levels more by convolutions.

    They start from the last of MODEL.FPN.IN_FEATURES: p3 ... p7 for res3, res4 and res5.
    """
    bottom_up = _build_bottom_up(cfg)
    last = f"res{_last_level(cfg, bottom_up)}"
    channels = bottom_up.output_shape()[last].channels
    top_block = LastLevelP6P7(channels, cfg.MODEL.FPN.OUT_CHANNELS, in_feature=last)
    return _build_fpn(cfg, bottom_up, top_block)


@BACKBONE_REGISTRY.register()
def build_timm_hrfpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> HRFPN:
    """An HRFPN on MODEL.FPN.IN_FEATURES of the timm model, five levels.

    HRNets give what their four resolutions hold, not timm's wider maps for classification.
    """
    hrnet = cfg.MODEL.TIMM.NAME.startswith("hrnet")
    return HRFPN(
        bottom_up=_build_bottom_up(cfg, **({"feature_location": ""} if hrnet else {})),
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
    )


def _build_bottom_up(cfg: CfgNode, **options: object) -> TimmBackbone:
    return TimmBackbone(
        name=cfg.MODEL.TIMM.NAME,
        out_features=cfg.MODEL.FPN.IN_FEATURES,
        norm=cfg.MODEL.TIMM.NORM,
        pretrained=cfg.MODEL.TIMM.PRETRAINED and not cfg.MODEL.WEIGHTS,
        **options,
    )


def _last_level(cfg: CfgNode, bottom_up: TimmBackbone) -> int:
    """i of the last input of the FPN, res<i>."""
    return int(math.log2(bottom_up.output_shape()[cfg.MODEL.FPN.IN_FEATURES[-1]].stride))


def _build_fpn(cfg: CfgNode, bottom_up: TimmBackbone, top_block: nn.Module) -> FPN:
    return FPN(
        bottom_up=bottom_up,
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
        top_block=top_block,
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )


class _MaxPoolOf(LastLevelMaxPool):
    """Detectron2's pools p5, which a shorter backbone doesn't have."""

    def __init__(self, in_feature: str):
        super().__init__()
        self.in_feature = in_feature
