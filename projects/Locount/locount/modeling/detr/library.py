"""The detection transformers of the library transformers, as MODEL.DETR describes them.

Network, denoising and the losses of a layer are the library's. Imported only by what builds a
detector: the library is an extra, and takes seconds to import.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import transformers as hf
from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from timm.data.constants import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.loss.loss_d_fine import DFineLoss
from transformers.loss.loss_deformable_detr import DeformableDetrImageLoss
from transformers.loss.loss_rt_detr import RTDetrLoss

from ...errors import InputError
from .losses import Layer

NETWORKS: dict[str, tuple[type[hf.PreTrainedConfig], type[hf.PreTrainedModel]]] = {
    "deformable_detr": (hf.DeformableDetrConfig, hf.DeformableDetrForObjectDetection),
    "rtdetr_v2": (hf.RTDetrV2Config, hf.RTDetrV2ForObjectDetection),
    "d_fine": (hf.DFineConfig, hf.DFineForObjectDetection),
}

# Mean and deviation of the images that PRETRAINED weights have seen, RGB in [0, 1].
IMAGES: dict[str, tuple] = dict.fromkeys(NETWORKS, ((0, 0, 0), (1, 1, 1)))
IMAGES["deformable_detr"] = IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

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
) -> hf.PreTrainedModel:
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


def _tasks(node: CfgNode) -> dict:
    """What does not change the shape of the weights, but for the classes."""
    return {
        "num_labels": node.NUM_CLASSES,
        "num_queries": node.NUM_QUERIES,
        "two_stage_num_proposals": node.NUM_QUERIES,  # of Deformable DETR
        "num_denoising": node.NUM_DENOISING,
        "initializer_bias_prior_prob": PRIOR,
    }


def _sizes(node: CfgNode, shapes: Sequence[ShapeSpec]) -> dict:
    """What says how large the network is; no shapes for its own backbone.

    Each of the networks reads what it knows.
    """
    channels, levels = [shape.channels for shape in shapes], len(shapes) or 3
    sizes: dict[str, Any] = {
        "d_model": node.HIDDEN_DIM,
        "encoder_hidden_dim": node.HIDDEN_DIM,
        "encoder_layers": node.ENCODER_LAYERS,
        "decoder_layers": node.DECODER_LAYERS,
        "encoder_ffn_dim": node.FFN_DIM,
        "decoder_ffn_dim": node.FFN_DIM,
        "hidden_expansion": node.HIDDEN_EXPANSION,
        "depth_mult": node.DEPTH_MULT,
        "freeze_backbone_batch_norms": False,
        "decoder_in_channels": [node.HIDDEN_DIM] * levels,
        "num_feature_levels": levels,
        "decoder_n_levels": levels,
    }
    if shapes:
        sizes |= {
            "encoder_in_channels": channels,
            "feat_strides": [shape.stride for shape in shapes],
            "encode_proj_layers": [levels - 1],
            # Has the channels, so that the layers after it fit; FeatureMaps takes its place.
            "backbone_config": hf.RTDetrResNetConfig(
                embedding_size=8,
                hidden_sizes=channels,
                depths=[1] * levels,
                out_indices=list(range(1, levels + 1)),  # type: ignore[call-arg]  # a property
            ),
        }
    if node.NAME == "deformable_detr":  # one level more than the maps, as in the paper
        sizes |= {"num_feature_levels": levels + 1, "two_stage": True, "with_box_refine": True}
    if node.NAME == "d_fine" and levels == 3:
        # The authors' numbers of sampling points; the library's default is that of RT-DETR.
        sizes["decoder_n_points"] = [3, 6, 3]
    return sizes


def _pretrained(node: CfgNode, load: bool) -> hf.PreTrainedModel:
    config_class, network_class = NETWORKS[node.NAME]
    try:
        found, _ = hf.PreTrainedConfig.get_config_dict(node.PRETRAINED)
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


def draw_weights(network: hf.PreTrainedModel) -> None:
    """Draw the weights as the authors of the detectors do.

    The library draws every layer from N(0, 0.01²) or N(0, 0.02²), RT-DETR's factors of batch norm
    too, so that signals die away. The authors leave layers as torch draws them (Deformable DETR:
    Xavier's uniform distribution) but for those with rules of their own, which the library has; all
    but Deformable DETR's: class scores start from PRIOR, and boxes from where the queries are.
    """
    deformable = isinstance(network, hf.DeformableDetrForObjectDetection)
    # A layer before the part that it is in, which may have a rule for it.
    for module in reversed(list(network.modules())):
        if isinstance(module, nn.Linear | nn.Conv2d | nn.BatchNorm2d):
            module.reset_parameters()
            if deformable and isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
        elif not isinstance(module, nn.Embedding):
            network._init_weights(module)
    if deformable:
        for scores, boxes in zip(network.class_embed, network.bbox_embed, strict=True):  # type: ignore[arg-type]
            nn.init.constant_(scores.bias, math.log(PRIOR / (1 - PRIOR)))
            nn.init.zeros_(boxes.layers[-1].weight)
            nn.init.zeros_(boxes.layers[-1].bias)


def keep(logits, labels, device, boxes, config, outputs_class, outputs_coord, **rest) -> tuple:
    """In the place of the library's loss function: what it is given, as the "loss_dict"."""
    return None, {"logits": outputs_class, "pred_boxes": outputs_coord.clamp(0, 1), **rest}, None


# What the losses of a layer call what the loss function of all layers is given.
OF_A_LAYER = {"predicted_corners": "pred_corners", "initial_reference_points": "ref_points"}


def predictions(name: str, output) -> tuple[list[Layer], list[Layer], Layer]:
    """What the network ``name`` gave for images with labels, float32.

    The library pairs D-FINE's scores and boxes of a layer with the distributions of the next, and
    teaches the last distributions nothing; here each layer has its own.

    Returns:
        Of each decoder layer "logits" N x S x K, "pred_boxes" N x S x 4 as center, width and height
        in [0, 1], "states" N x S x D, and what the losses of the network want beside them; S
        queries, the denoised ones first. Scores and boxes of what D-FINE's layers start from, of
        others nothing. And those of the encoder's proposals that became queries, or of Deformable
        DETR's all, whose first logit is that of any object.
    """
    layers_first = {"deformable_detr": ("logits", "pred_boxes"), "d_fine": ("states",)}.get(
        name, ()
    )
    by_layer = {
        OF_A_LAYER.get(key, key): list(value if key in layers_first else value.transpose(0, 1))
        for key, value in {**output.loss_dict, "states": output.intermediate_hidden_states}.items()
        if isinstance(value, Tensor) and value.dim() == 4
    }
    before = []
    if name == "d_fine":
        before = [{key: by_layer[key].pop(0).float() for key in ("logits", "pred_boxes")}]
    layers = [
        {key: values[i].float() for key, values in by_layer.items()}
        for i in range(len(by_layer["states"]))
    ]
    if name == "d_fine":
        last = layers[-1]
        teacher = {"teacher_corners": last["pred_corners"], "teacher_logits": last["logits"]}
        layers = [layer | teacher for layer in layers]
    if name == "deformable_detr":
        logits, boxes = output.enc_outputs_class, output.enc_outputs_coord_logits.sigmoid()
    else:
        logits, boxes = output.enc_topk_logits, output.enc_topk_bboxes
    return layers, before, {"logits": logits.float(), "pred_boxes": boxes.float()}


def _deformable_losses(config: hf.PreTrainedConfig) -> nn.Module:
    losses: Any = DeformableDetrImageLoss(None, config.num_labels, config.focal_alpha, ["labels"])
    # The authors'; the library's 1 for the class is half of it.
    losses.weight_dict = {"loss_ce": 2.0, "loss_bbox": 5.0, "loss_giou": 2.0}
    return losses


LOSSES = {"deformable_detr": _deformable_losses, "rtdetr_v2": RTDetrLoss, "d_fine": DFineLoss}
