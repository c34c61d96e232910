"""The detection transformers of the library transformers, as MODEL.DETR describes them.

Network, denoising and the losses of a layer are the library's. Imported only by what builds a
detector: the library is an extra, and takes seconds to import.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import torch
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import box_convert, generalized_box_iou_loss
from transformers import (
    DeformableDetrConfig,
    DeformableDetrForObjectDetection,
    DFineConfig,
    DFineForObjectDetection,
    PreTrainedConfig,
    PreTrainedModel,
    RTDetrResNetConfig,
    RTDetrV2Config,
    RTDetrV2ForObjectDetection,
)
from transformers.loss.loss_d_fine import DFineLoss
from transformers.loss.loss_deformable_detr import DeformableDetrImageLoss
from transformers.loss.loss_rt_detr import RTDetrLoss

from ...errors import InputError

NETWORKS: dict[str, tuple[type[PreTrainedConfig], type[PreTrainedModel]]] = {
    "deformable_detr": (DeformableDetrConfig, DeformableDetrForObjectDetection),
    "rtdetr_v2": (RTDetrV2Config, RTDetrV2ForObjectDetection),
    "d_fine": (DFineConfig, DFineForObjectDetection),
}

# Mean and deviation of the images that PRETRAINED weights have seen, RGB in [0, 1].
Channels = tuple[float, float, float]
IMAGES: dict[str, tuple[Channels, Channels]] = dict.fromkeys(NETWORKS, ((0, 0, 0), (1, 1, 1)))
IMAGES["deformable_detr"] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# Score of every class that training starts from. The library's own is 1 / (classes + 1), a half
# with one class, and for Deformable DETR there is none.
PRIOR = 0.01


class FeatureMaps(nn.Module):
    """A backbone of Detectron2 in the place of the library's."""

    def __init__(self, model: Backbone, names: Sequence[str]):
        super().__init__()
        self.model = model
        self.names = list(names)

    def forward(self, pixel_values: Tensor, pixel_mask: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Maps of N x 3 x H x W images, from fine to coarse, and where each shows the images."""
        features = self.model(pixel_values)
        mask = pixel_mask[None].float()
        return [
            (features[name], F.interpolate(mask, size=features[name].shape[-2:])[0].bool())
            for name in self.names
        ]


def build_network(
    node: CfgNode, backbone: Backbone | None = None, *, load: bool = False
) -> PreTrainedModel:
    """The network of MODEL.DETR.

    Args:
        backbone: gives MODEL.DETR.IN_FEATURES; None for the network's own.
        load: whether to load the weights of MODEL.DETR.PRETRAINED, if it is set.
    """
    if node.PRETRAINED:
        network = _pretrained(node, load)
    else:
        config_class, network_class = NETWORKS[node.NAME]
        shapes = [backbone.output_shape()[f] for f in node.IN_FEATURES] if backbone else []
        network = network_class(config_class(**_sizes(node, shapes), **_tasks(node)))
        draw_weights(network)
        if backbone is not None:
            network.model.backbone = FeatureMaps(backbone, node.IN_FEATURES)
    for name, parameter in list(network.model.decoder.named_parameters(recurse=False)):
        if not parameter.requires_grad:  # constants of D-FINE
            delattr(network.model.decoder, name)
            network.model.decoder.register_buffer(name, parameter.detach().clone())
    network.loss_function = keep
    return network


def strides(network: PreTrainedModel, given: Sequence[int]) -> list[int]:
    """Of the maps that queries are chosen from, from fine to coarse.

    Args:
        given: of the maps of a backbone; none for the network's own.
    """
    found = given or getattr(network.config, "feat_strides", (8, 16, 32))
    levels = network.config.num_feature_levels
    return [*found, *(found[-1] * 2 ** (i + 1) for i in range(levels - len(found)))]


def _tasks(node: CfgNode) -> dict:
    """What does not change the shape of the weights, but for the classes."""
    options = {"num_labels": node.NUM_CLASSES, "num_queries": node.NUM_QUERIES}
    if node.NAME == "deformable_detr":
        return options | {"two_stage_num_proposals": node.NUM_QUERIES}
    return options | {"num_denoising": node.NUM_DENOISING, "initializer_bias_prior_prob": PRIOR}


def _sizes(node: CfgNode, shapes: Sequence[ShapeSpec]) -> dict:
    """What says how large the network is; no shapes for its own backbone."""
    channels = [shape.channels for shape in shapes]
    sizes = {
        "d_model": node.HIDDEN_DIM,
        "encoder_layers": node.ENCODER_LAYERS,
        "decoder_layers": node.DECODER_LAYERS,
        "encoder_ffn_dim": node.FFN_DIM,
        "decoder_ffn_dim": node.FFN_DIM,
    }
    if channels:
        # Has the channels, so that the layers after it fit; FeatureMaps takes its place.
        sizes["backbone_config"] = RTDetrResNetConfig(
            embedding_size=8,
            hidden_sizes=channels,
            depths=[1] * len(channels),
            out_indices=list(range(1, len(channels) + 1)),  # type: ignore[call-arg]  # a property
        )
    if node.NAME == "deformable_detr":
        # One level more than the maps, as in the paper.
        sizes["num_feature_levels"] = len(channels) + 1
        return sizes | {"two_stage": True, "with_box_refine": True}
    sizes |= {
        "encoder_hidden_dim": node.HIDDEN_DIM,
        "hidden_expansion": node.HIDDEN_EXPANSION,
        "freeze_backbone_batch_norms": False,
    }
    levels = len(channels) or 3
    sizes["decoder_in_channels"] = [node.HIDDEN_DIM] * levels
    sizes["num_feature_levels"] = levels
    if channels:
        sizes |= {"encoder_in_channels": channels, "feat_strides": [s.stride for s in shapes]}
        sizes["encode_proj_layers"] = [levels - 1]
    if node.NAME == "rtdetr_v2":
        return sizes | {"decoder_n_levels": levels}
    sizes["depth_mult"] = node.DEPTH_MULT
    # The authors' numbers of sampling points; the library's default is that of RT-DETR.
    return sizes | ({"decoder_n_points": [3, 6, 3]} if levels == 3 else {})


def _pretrained(node: CfgNode, load: bool) -> PreTrainedModel:
    config_class, network_class = NETWORKS[node.NAME]
    try:
        found, _ = PreTrainedConfig.get_config_dict(node.PRETRAINED)
        kind = found.get("model_type")
        if kind != config_class.model_type or not found.get("two_stage", kind != "deformable_detr"):
            raise InputError(
                f"MODEL.DETR.PRETRAINED {node.PRETRAINED!r} is a {kind} and does not fit "
                f"MODEL.DETR.NAME {node.NAME!r}; a deformable_detr must be one of two stages, such "
                "as SenseTime/deformable-detr-with-box-refine-two-stage."
            )
        config = config_class.from_dict({**found, **_tasks(node)})
        if not load:
            return network_class(config)
        return network_class.from_pretrained(
            node.PRETRAINED, config=config, ignore_mismatched_sizes=True
        )
    except OSError as error:
        raise InputError(
            f"MODEL.DETR.PRETRAINED {node.PRETRAINED!r} can't be loaded "
            f"({str(error).partition(chr(10))[0]}). Start once with a network, name a folder that "
            'the library\'s save_pretrained wrote, or set MODEL.DETR.PRETRAINED "" and '
            "MODEL.DETR.IN_FEATURES."
        ) from error


def draw_weights(network: PreTrainedModel) -> None:
    """Draw the weights as the authors of the detectors do.

    The library draws every layer from N(0, 0.01²) or N(0, 0.02²), RT-DETR's factors of batch norm
    too, so that signals die away. The authors leave layers as torch draws them (Deformable DETR:
    Xavier's uniform distribution) but for those with rules of their own, which the library has; all
    but Deformable DETR's: class scores start from PRIOR, and boxes from where the queries are.
    """
    plain = (nn.Linear, nn.Conv2d, nn.BatchNorm2d)
    deformable = isinstance(network, DeformableDetrForObjectDetection)
    for module in network.modules():
        if isinstance(module, plain):
            module.reset_parameters()
            if deformable and isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
    for module in network.modules():
        if not isinstance(module, (*plain, nn.Embedding)):
            network._init_weights(module)
    if deformable:
        heads = (cast(Iterable[Any], h) for h in (network.class_embed, network.bbox_embed))
        for scores, boxes in zip(*heads, strict=True):
            nn.init.constant_(scores.bias, -torch.tensor(1 / PRIOR - 1).log().item())
            nn.init.zeros_(boxes.layers[-1].weight)
            nn.init.zeros_(boxes.layers[-1].bias)


def keep(logits, labels, device, boxes, config, outputs_class, outputs_coord, **rest) -> tuple:
    """In the place of the library's loss function: what it is given, as the "loss_dict"."""
    return None, {"logits": outputs_class, "boxes": outputs_coord, **rest}, None


class Predictions(NamedTuple):
    """What a network says in training, float32; S queries an image, the denoised ones first.

    Attributes:
        layers: of each decoder layer: "logits" N x S x K, "pred_boxes" N x S x 4 as center, width
            and height in [0, 1], and what the losses of the network want beside them.
        states: of each decoder layer, N x S x D.
        before: as ``layers``, of D-FINE's first boxes, which its layers move.
        proposals: as ``layers``, of the encoder: those that became queries, or of Deformable DETR
            all, whose first logit is that of any object.
        denoised: the library's description of the queries that are denoised; None without them.
    """

    layers: list[dict[str, Tensor]]
    states: list[Tensor]
    before: list[dict[str, Tensor]]
    proposals: dict[str, Tensor]
    denoised: dict | None


def predictions(name: str, output) -> Predictions:
    """What the network ``name`` gave for images with labels.

    The library pairs D-FINE's scores and boxes of a layer with the distributions of the next, and
    teaches the last distributions nothing; here each layer has its own.
    """
    found = {key: value for key, value in output.loss_dict.items() if isinstance(value, Tensor)}
    found["states"] = output.intermediate_hidden_states
    layers_first = {"deformable_detr": ("logits", "boxes"), "d_fine": ("states",)}.get(name, ())
    by_layer = {
        key: (value if key in layers_first else value.transpose(0, 1)).float()
        for key, value in found.items()
        if value.dim() == 4
    }
    layers = [
        {"logits": logits, "pred_boxes": boxes.clamp(0, 1)}
        for logits, boxes in zip(by_layer["logits"], by_layer["boxes"], strict=True)
    ]
    before = []
    if name == "d_fine":
        before.append(layers.pop(0))
        corners = by_layer["predicted_corners"]
        for i, layer in enumerate(layers):
            layer["pred_corners"], layer["teacher_corners"] = corners[i], corners[-1]
            layer["ref_points"] = by_layer["initial_reference_points"][i]
            layer["teacher_logits"] = layers[-1]["logits"]
    if name == "deformable_detr":
        logits, boxes = output.enc_outputs_class, output.enc_outputs_coord_logits.sigmoid()
    else:
        logits, boxes = output.enc_topk_logits, output.enc_topk_bboxes
    proposals = {"logits": logits.float(), "pred_boxes": boxes.float()}
    denoised = output.get("denoising_meta_values")
    return Predictions(layers, list(by_layer["states"]), before, proposals, denoised)


class _ElementwiseBoxLoss:
    """L1 and GIoU of matched pairs, in memory that grows with their number and not its square."""

    # Of the library's losses.
    _get_source_permutation_idx: Callable[[Any], tuple[Tensor, Tensor]]

    def loss_boxes(self, outputs, targets, indices, num_boxes) -> dict[str, Tensor]:
        boxes = outputs["pred_boxes"][self._get_source_permutation_idx(indices)]
        true = torch.cat([t["boxes"][i] for t, (_, i) in zip(targets, indices, strict=True)])
        corners = (box_convert(b, "cxcywh", "xyxy") for b in (boxes, true))
        return {
            "loss_bbox": F.l1_loss(boxes, true, reduction="sum") / num_boxes,
            "loss_giou": generalized_box_iou_loss(*corners, reduction="sum") / num_boxes,
        }


class _DeformableLosses(_ElementwiseBoxLoss, DeformableDetrImageLoss):
    def __init__(self, config: PreTrainedConfig):
        super().__init__(None, config.num_labels, config.focal_alpha, ["labels", "boxes"])
        # The authors'; the library's 1 for the class is half of it.
        self.weight_dict = {"loss_ce": 2.0, "loss_bbox": 5.0, "loss_giou": 2.0}


LOSSES = {
    "deformable_detr": _DeformableLosses,
    "rtdetr_v2": type("RTDetrLosses", (_ElementwiseBoxLoss, RTDetrLoss), {}),
    "d_fine": type("DFineLosses", (_ElementwiseBoxLoss, DFineLoss), {}),
}
