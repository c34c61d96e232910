"""Detection transformers that count. Shapes as in counters.py, and Q queries an image."""

from __future__ import annotations

from collections.abc import Sequence
from types import MethodType, ModuleType
from typing import TYPE_CHECKING, Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN, build_backbone
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import box_convert

from ...config.checks import check_config
from ...errors import InputError, require
from ..backbone.pretrained import check_images
from ..counting.build import build_counting
from ..counting.counters import Counter
from ..counting.decoding import CountDecoder
from ..counting.dense import head_inputs
from ..counting.loss import CountLoss, check_counts_given
from ..layers.precision import outputs_to_float32, to_float32
from .losses import Layer, SetLosses

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@META_ARCH_REGISTRY.register()
class CountingDETR(nn.Module):
    """Deformable DETR, RT-DETRv2 or D-FINE of the library transformers, with a counting layer.

    Each query finds one object, so that nothing is suppressed. Each decoder layer classifies, moves
    and counts the queries; the digits of a count are dealt to the last of the layers
    (:class:`CountPartition`), and the layers before count as the first of these.
    """

    @configurable
    def __init__(
        self,
        *,
        name: str,
        network: PreTrainedModel,
        count_cost: float = 0.0,
        count_losses: Sequence[CountLoss] = (),
        count_decoder: CountDecoder | None = None,
        score_thresh: float = 0.0,
        max_detections: int = 100,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ):
        """
        Args:
            name: as MODEL.DETR.NAME.
            network: of ``library.build_network``.
            count_cost: as for :class:`SetLosses`.
            count_losses: one for each stage of the counting, no more than the decoder has layers;
                none without counting.
            count_decoder: of these stages.
            pixel_mean, pixel_std: of the images' channels, in their order.
        """
        super().__init__()
        self.name, self.network = name, network
        self.score_thresh, self.max_detections = score_thresh, max_detections
        self.count_losses, self.count_decoder = nn.ModuleList(count_losses), count_decoder
        self.num_stages, self.count_cost = len(self.count_losses), count_cost
        num_layers = network.config.decoder_layers
        # The stage of each layer.
        self.stages = [max(0, self.num_stages - num_layers + i) for i in range(num_layers)]
        self.count_pred = nn.ModuleList(
            _count_layer(network.config.d_model, loss.counter)
            for loss in [count_losses[s] for s in (self.stages if count_losses else [])]
        )
        self.pixel_mean: Tensor
        self.pixel_std: Tensor
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), False)
        # Under autocast: where queries are, and how far they move, is more than half precision
        # tells. Anchors are made in the type of the encoder's maps.
        network.model.encoder.register_forward_hook(outputs_to_float32)
        network.model.decoder.forward = MethodType(_without_autocast, network.model.decoder)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        check_config(cfg)
        library, node = _library(), cfg.MODEL.DETR
        backbone = None
        if node.IN_FEATURES and not node.PRETRAINED:
            backbone = build_backbone(cfg)
            head_inputs(cfg, "MODEL.DETR.IN_FEATURES", backbone)
        if node.PRETRAINED and not cfg.MODEL.WEIGHTS:
            weights, off = f"weights of {node.PRETRAINED}", 'MODEL.DETR.PRETRAINED ""'
            mean, std = library.IMAGES[node.NAME]
            check_images(cfg, weights, mean, std, off)
        network = library.build_network(node, backbone, load=not cfg.MODEL.WEIGHTS)
        count_losses, count_decoder = build_counting(cfg, node.COUNT_LAYERS)
        if len(count_losses) > network.config.decoder_layers:
            raise InputError(
                f"MODEL.DETR.COUNT_LAYERS is {node.COUNT_LAYERS}, but {node.PRETRAINED} has "
                f"{network.config.decoder_layers} decoder layers: no more can count."
            )
        return {
            "name": node.NAME,
            "network": network,
            "count_cost": node.COUNT_COST,
            "count_losses": count_losses,
            "count_decoder": count_decoder,
            "score_thresh": node.SCORE_THRESH_TEST,
            "max_detections": cfg.TEST.DETECTIONS_PER_IMAGE,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
        }

    @property
    def device(self) -> torch.device:
        return self.pixel_mean.device

    def forward(self, batched_inputs: Sequence[dict]):
        """As of Detectron2's models: losses in training, else ``[{"instances": Instances}]``."""
        images, mask = self._batch(batched_inputs)
        if self.training:
            return self._losses(images, mask, [x["instances"] for x in batched_inputs])
        output = self.network(pixel_values=images.tensor, pixel_mask=mask)
        found = self._detections(output, images)
        return GeneralizedRCNN._postprocess(found, batched_inputs, images.image_sizes)

    def _batch(self, batched_inputs: Sequence[dict]) -> tuple[ImageList, Tensor]:
        """Images of one size, N x 3 x H x W, and N x H x W, 1 where they are not padded."""
        images = [x["image"].to(self.device) for x in batched_inputs]
        images = [(image - self.pixel_mean) / self.pixel_std for image in images]
        strides = getattr(self.network.config, "feat_strides", (8, 16, 32))
        fine, coarse = min(strides), max(strides)
        # The encoder enlarges maps to the size of finer ones.
        images = ImageList.from_tensors(images, coarse)
        height, width = images.tensor.shape[-2:]
        # Queries are chosen from the locations of the maps: not fewer than there are queries.
        rows = -(-self.network.config.num_queries * fine // width) * fine
        padding = max(0, -(-rows // coarse) * coarse - height)
        images = ImageList(F.pad(images.tensor, (0, 0, 0, padding)), images.image_sizes)
        mask = torch.zeros_like(images.tensor[:, 0], dtype=torch.int64)
        for i, (height, width) in enumerate(images.image_sizes):
            mask[i, :height, :width] = 1
        return images, mask

    def _frames(self, images: ImageList) -> Tensor:
        """What boxes are shares of, N x 4: width, height, width and height.

        Deformable DETR knows from the mask what the images are, and counts from their size; the
        others ignore it, and count from that of the padded images.
        """
        sizes = images.image_sizes
        if self.name != "deformable_detr":
            sizes = [images.tensor.shape[-2:]] * len(sizes)
        return torch.tensor([[w, h, w, h] for h, w in sizes], device=self.device).float()

    def _losses(
        self, images: ImageList, mask: Tensor, instances: Sequence[Instances]
    ) -> dict[str, Tensor]:
        library = _library()
        counts = self.count_decoder is not None
        if counts:
            check_counts_given(instances)
        targets = [
            _target(x.to(self.device), frame, counts)
            for x, frame in zip(instances, self._frames(images), strict=True)
        ]
        repaired = [_drawn(target, self.network.config.num_denoising) for target in targets]
        output = self.network(pixel_values=images.tensor, pixel_mask=mask, labels=repaired)
        layers, before, proposals = library.predictions(self.name, output)
        criterion = library.LOSSES[self.name](self.network.config).to(self.device)
        losses = SetLosses(criterion, targets, count_cost=self.count_cost)
        # The number of the first query that is not denoised.
        first, denoised = 0, output.get("denoising_meta_values")
        if denoised:
            first = denoised["dn_num_split"][0]
            for layer in (*before, *layers):
                losses.add_denoised(_part(layer, 0, first), repaired, denoised)
        for layer in before:
            losses.add_layer(_part(layer, first))
        for i, (layer, stage) in enumerate(zip(layers, self.stages, strict=True)):
            count_loss: Any = self.count_losses[stage] if counts else None
            if counts:
                layer["counts"] = self.count_pred[i](layer["states"])
            with get_event_storage().name_scope(f"stage{stage}"):
                losses.add_layer(_part(layer, first), count_loss)
        if self.name == "deformable_detr":  # its encoder tells objects from what is none
            losses.targets = [{**t, "class_labels": 0 * t["class_labels"]} for t in targets]
        losses.add_layer(proposals, suffix="_enc")
        unused = getattr(self.network.model, "denoising_class_embed", None)
        if unused is not None and not denoised:  # no objects, but several processes must agree
            names = [n for n in losses.sums if n != "loss_count" and not n.endswith("_enc")]
            losses.sums |= {f"{name}_dn": 0 * unused.weight.sum() for name in names}
        return dict(losses.sums)

    def _detections(self, output, images: ImageList) -> list[Instances]:
        """The best pairs of query and class of each image, in its pixels, best first."""
        scores, boxes = output.logits.float().sigmoid(), output.pred_boxes.float()
        boxes = box_convert(boxes, "cxcywh", "xyxy") * self._frames(images)[:, None]
        counts = []
        if self.count_decoder is not None:
            states = output.intermediate_hidden_states
            states = states if self.name == "d_fine" else states.transpose(0, 1)  # layers first
            last = range(-self.num_stages, 0)
            counts = [self.count_pred[i](states[i]) for i in last]
        results = []
        for i, size in enumerate(images.image_sizes):
            pairs = scores[i].flatten()
            best, index = pairs.topk(min(self.max_detections, len(pairs)))
            index = index[best > self.score_thresh]
            query, category = index // scores.shape[2], index % scores.shape[2]
            found = Instances(
                size, pred_boxes=Boxes(boxes[i, query]), scores=pairs[index], pred_classes=category
            )
            found.pred_boxes.clip(size)
            if self.count_decoder is not None:
                found = self.count_decoder(found, [outputs[i, query] for outputs in counts])
            results.append(found)
        return results


def _library() -> ModuleType:
    """What is made of the library transformers, which is an extra."""
    require("detr", "transformers", "scipy")
    from . import library

    return library


def _count_layer(channels: int, counter: Counter) -> nn.Linear:
    """A counting layer that starts as the class layers do, and from counts as they are on shelves.

    AdamW moves a weight by about the learning rate in a step, however large the loss is: from
    weights near zero a layer hardly told counts apart after some hundred steps.
    """
    layer = nn.Linear(channels, counter.num_outputs)
    nn.init.xavier_uniform_(layer.weight)
    layer.bias.data = counter.prior()
    return layer


def _target(objects: Instances, frame: Tensor, counts: bool) -> dict[str, Tensor]:
    """The objects of an image as the library wants them; boxes as shares of ``frame``."""
    target = {
        "class_labels": objects.gt_classes,
        "boxes": box_convert(objects.gt_boxes.tensor, "xyxy", "cxcywh") / frame,
    }
    if counts:  # an image without objects may lack the field
        target["counts"] = objects.gt_counts if len(objects) > 0 else objects.gt_classes
    return target


def _drawn(target: dict[str, Tensor], number: int) -> dict[str, Tensor]:
    """At most this many of the objects, drawn at random."""
    chosen = torch.randperm(len(target["boxes"]), device=target["boxes"].device)[:number]
    return {key: value[chosen] for key, value in target.items()}


def _part(layer: Layer, first: int, last: int | None = None) -> Layer:
    """Some of a layer's queries."""
    return {key: value[:, first:last] for key, value in layer.items()}


def _without_autocast(decoder: PreTrainedModel, **inputs):
    with torch.autocast(decoder.device.type, enabled=False):
        return type(decoder).forward(decoder, **to_float32(inputs))
