"""Any convolutional backbone of the library timm, with an FPN on top."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import Any, cast

import timm
import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, FPN, Backbone
from detectron2.modeling.backbone.fpn import LastLevelMaxPool, LastLevelP6P7
from timm.layers import convert_sync_batchnorm, freeze_batch_norm_2d
from timm.models import FeatureInfo
from torch import Tensor, nn

from ...errors import InputError
from .hrfpn import HRFPN
from .pretrained import check_input, create_pretrained


class TimmBackbone(Backbone):
    """A timm model as a Detectron2 backbone.

    A feature of stride 2 ** i is called ``res<i>`` as in Detectron2's ResNet, so that other
    configs' FPN.IN_FEATURES fit. Of several features with one stride it is the last. Layers after
    the last feature that is asked for are not built.
    """

    def __init__(
        self,
        *,
        name: str,
        out_features: Sequence[str],
        norm: str = "BN",
        freeze_at: int = 0,
        pretrained: bool = False,
        **options: Any,
    ):
        """
        Args:
            name: as in ``timm.list_models()``.
            out_features: such as ("res2", "res3").
            norm: "BN" keeps the model's own normalization; "FrozenBN" freezes its batch norms;
                with "SyncBN" all processes of a training share their statistics.
            freeze_at: n > 0: the layers up to the feature res<n> are not trained, and their batch
                norms keep their statistics. As in Detectron2's ResNet 1 is the stem, 2 the stem and
                the stage of res2. 0: all layers are trained.
            pretrained: whether to load ImageNet weights (:func:`create_pretrained`).
            options: of this model in timm.

        Raises:
            InputError: if timm has no such model, or the model no such feature, or its weights
                can't be had.
        """
        super().__init__()
        features = _find_features(name, options)
        chosen = _choose_features(features, name, out_features)
        indices = tuple(f["index"] for f in chosen.values())
        create = create_pretrained if pretrained else timm.create_model
        model = create(name, features_only=True, out_indices=indices, **options)
        if isinstance(blocks := getattr(model, "blocks", None), nn.Sequential):
            # timm builds all stages of an EfficientNet.
            del blocks[list(chosen.values())[-1]["stage"] :]
        self.model = NORMS[norm](model)
        self._frozen = _layers_up_to(freeze_at, self.model, name, features)
        for layer in self._frozen:
            layer.requires_grad_(False)
        self._out_features = list(chosen)
        self._out_feature_channels = {key: f["num_chs"] for key, f in chosen.items()}
        self._out_feature_strides = {key: f["reduction"] for key, f in chosen.items()}

    @classmethod
    def from_config(cls, cfg: CfgNode, out_features: Sequence[str], **options: Any) -> TimmBackbone:
        """The backbone of MODEL.TIMM.

        ImageNet weights are loaded only if no MODEL.WEIGHTS will replace them.
        """
        pretrained = cfg.MODEL.TIMM.PRETRAINED and not cfg.MODEL.WEIGHTS
        backbone = cls(
            name=cfg.MODEL.TIMM.NAME,
            out_features=out_features,
            norm=cfg.MODEL.TIMM.NORM,
            freeze_at=cfg.MODEL.BACKBONE.FREEZE_AT,
            pretrained=pretrained,
            **options,
        )
        if pretrained:
            check_input(cfg)
        return backbone

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """
        Args:
            x: N x C x H x W.

        Returns:
            From name to N x C_i x H / stride x W / stride.
        """
        return dict(zip(self._out_features, self.model(x), strict=True))

    def train(self, mode: bool = True) -> TimmBackbone:
        """As in the base class, but frozen layers stay in evaluation mode.

        They keep their batch norms, where Detectron2 puts others in their place: so a checkpoint
        has the same names whatever was frozen.
        """
        super().train(mode)
        for layer in self._frozen:
            layer.eval()
        return self


# Detectron2's own conversion would drop the activation that some of timm's layers include.
NORMS = {
    "BN": lambda model: model,
    "FrozenBN": freeze_batch_norm_2d,
    "SyncBN": convert_sync_batchnorm,
}


def _find_features(name: str, options: dict[str, Any]) -> dict[str, dict]:
    """What timm says about each feature of the model, by our names, from the finest on."""
    if not timm.is_model(name):
        raise InputError(
            f"MODEL.TIMM.NAME is {name!r}, which timm {timm.__version__} does not have. "
            "`timm.list_models()` gives the names."
        )
    with torch.device("meta"):  # no memory for weights
        model = timm.create_model(name, features_only=True, **options)
    info = cast(FeatureInfo, model.feature_info).info
    return {f"res{int(math.log2(f['reduction']))}": {**f, "index": i} for i, f in enumerate(info)}


def _choose_features(
    features: dict[str, dict], name: str, out_features: Sequence[str]
) -> dict[str, dict]:
    unknown = [f for f in out_features if f not in features]
    if unknown:
        raise InputError(
            f"MODEL.TIMM.NAME {name!r} has no feature {', '.join(unknown)}; it has "
            f"{', '.join(features)}. Change MODEL.FPN.IN_FEATURES, or MODEL.YOLO.IN_FEATURES for "
            "YOLO, or MODEL.DETR.IN_FEATURES for CountingDETR."
        )
    return {key: f for key, f in features.items() if key in out_features}


# timm names no layers of HRNet's features. Its later stages mix all resolutions.
HRNET_LAYERS = {"stem": "act2", "stage1": "layer1"}


def _layers_up_to(
    stage: int, model: nn.Module, name: str, features: dict[str, dict]
) -> list[nn.Module]:
    """The layers up to the feature res<stage>; none for 0."""
    if stage == 0:
        return []
    path = features.get(f"res{stage}", {}).get("module", "")
    if name.startswith("hrnet"):
        path = HRNET_LAYERS.get(path, "")
    layers: list[nn.Module] = []
    parent = model
    # A list of features has flat names, an EfficientNet has its stages in "blocks".
    for part in path.split(".") if hasattr(model, "blocks") else [path.replace(".", "_")]:
        children = dict(parent.named_children())
        if part not in children:
            raise InputError(
                f"MODEL.BACKBONE.FREEZE_AT is {stage}, but MODEL.TIMM.NAME {name!r} as it is built "
                f"has no layers that end with a feature of stride {2**stage}. 0 trains everything."
            )
        before = functools.partial(operator.is_not, children[part])
        layers += itertools.takewhile(before, children.values())
        parent = children[part]
    return [*layers, parent]


@BACKBONE_REGISTRY.register()
def build_timm_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> TimmBackbone:
    """The features MODEL.DETR.IN_FEATURES of the timm model, without a pyramid."""
    return TimmBackbone.from_config(cfg, cfg.MODEL.DETR.IN_FEATURES)


@BACKBONE_REGISTRY.register()
def build_timm_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """An FPN on MODEL.FPN.IN_FEATURES of the timm model, and one level more by max pooling."""
    bottom_up = TimmBackbone.from_config(cfg, cfg.MODEL.FPN.IN_FEATURES)
    top_block = LastLevelMaxPool()
    # It is Detectron2's p5, which a shorter backbone doesn't have.
    top_block.in_feature = cfg.MODEL.FPN.IN_FEATURES[-1].replace("res", "p")
    return _build_fpn(cfg, bottom_up, top_block)


@BACKBONE_REGISTRY.register()
def build_timm_retinanet_fpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> FPN:
    """As :func:`build_timm_fpn_backbone`, but with RetinaNet's two levels more by convolutions.

    They start from the last of MODEL.FPN.IN_FEATURES: p3 ... p7 for res3, res4 and res5.
    """
    bottom_up = TimmBackbone.from_config(cfg, cfg.MODEL.FPN.IN_FEATURES)
    last = cfg.MODEL.FPN.IN_FEATURES[-1]
    channels = bottom_up.output_shape()[last].channels
    top_block = LastLevelP6P7(channels, cfg.MODEL.FPN.OUT_CHANNELS, in_feature=last)
    return _build_fpn(cfg, bottom_up, top_block)


@BACKBONE_REGISTRY.register()
def build_timm_hrfpn_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> HRFPN:
    """An HRFPN on MODEL.FPN.IN_FEATURES of the timm model, five levels.

    HRNets give what their four resolutions hold, not timm's wider maps for classification.
    """
    features = cfg.MODEL.FPN.IN_FEATURES
    hrnet = cfg.MODEL.TIMM.NAME.startswith("hrnet")
    options = {"feature_location": ""} if hrnet else {}
    return HRFPN(
        bottom_up=TimmBackbone.from_config(cfg, features, **options),
        in_features=features,
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
    )


def _build_fpn(cfg: CfgNode, bottom_up: TimmBackbone, top_block: nn.Module) -> FPN:
    return FPN(
        bottom_up=bottom_up,
        in_features=cfg.MODEL.FPN.IN_FEATURES,
        out_channels=cfg.MODEL.FPN.OUT_CHANNELS,
        norm=cfg.MODEL.FPN.NORM,
        top_block=top_block,
        fuse_type=cfg.MODEL.FPN.FUSE_TYPE,
    )
