"""Detection transformers that count. Shapes as in counters.py, and Q queries an image."""

from __future__ import annotations

from collections.abc import Sequence
from types import MethodType, ModuleType
from typing import TYPE_CHECKING

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, build_backbone
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import box_convert

from ...config.checks import check_config
from ...errors import InputError
from ..backbone.pretrained import check_images
from ..counting.build import build_counting
from ..counting.counters import Counter
from ..counting.decoding import CountDecoder
from ..counting.dense import head_inputs
from ..counting.loss import CountLoss, check_counts_given
from ..layers.precision import to_float32
from .losses import SetLosses

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
        strides: Sequence[int],
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
            strides: of the maps that queries are chosen from.
            count_cost: as for :class:`SetLosses`.
            count_losses: one for each stage of the counting, no more than the decoder has layers;
                none without counting.
            count_decoder: of these stages.
            pixel_mean, pixel_std: of the images' channels, in their order.
        """
        super().__init__()
        self.name, self.network, self.strides = name, network, list(strides)
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
        # tells.
        network.model.encoder.register_forward_hook(_maps_to_float32)
        network.model.decoder.forward = MethodType(_without_autocast, network.model.decoder)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        check_config(cfg)
        library, node = _library(), cfg.MODEL.DETR
        own = node.PRETRAINED or not node.IN_FEATURES
        backbone = None if own else build_backbone(cfg)
        shapes = head_inputs(cfg, "MODEL.DETR.IN_FEATURES", backbone) if backbone else []
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
            "strides": library.strides(network, [shape.stride for shape in shapes]),
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
        results = self._detections(output, images)
        return [
            {"instances": detector_postprocess(r, x.get("height", h), x.get("width", w))}
            for r, x, (h, w) in zip(results, batched_inputs, images.image_sizes, strict=True)
        ]

    def _batch(self, batched_inputs: Sequence[dict]) -> tuple[ImageList, Tensor]:
        """Images of one size, N x 3 x H x W, and N x H x W, 1 where they are not padded."""
        images = [x["image"].to(self.device) for x in batched_inputs]
        images = [(image - self.pixel_mean) / self.pixel_std for image in images]
        # The encoder enlarges maps to the size of finer ones.
        images = ImageList.from_tensors(images, max(self.strides))
        padding = self._padding(*images.tensor.shape[-2:])
        images = ImageList(F.pad(images.tensor, (0, 0, 0, padding)), images.image_sizes)
        mask = torch.zeros_like(images.tensor[:, 0], dtype=torch.int64)
        for i, (height, width) in enumerate(images.image_sizes):
            mask[i, :height, :width] = 1
        return images, mask

    def _padding(self, height: int, width: int) -> int:
        """Rows to add, so that there are as many locations as queries to be chosen from them."""
        step, rows = max(self.strides), 0
        while self.network.config.num_queries > sum(
            -(-(height + rows) // s) * -(-width // s) for s in self.strides
        ):
            rows += step
        return rows

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
        repaired = [_drawn(t, getattr(self.network.config, "num_denoising", 0)) for t in targets]
        output = self.network(pixel_values=images.tensor, pixel_mask=mask, labels=repaired)
        found = library.predictions(self.name, output)
        criterion = library.LOSSES[self.name](self.network.config).to(self.device)
        losses = SetLosses(criterion, targets, count_cost=self.count_cost)
        # The number of the first query that is not denoised.
        first = found.denoised["dn_num_split"][0] if found.denoised else 0
        if found.denoised:
            for layer in (*found.before, *found.layers):
                losses.add_denoised(_part(layer, 0, first), repaired, found.denoised)
        for layer in found.before:
            losses.add_layer(_part(layer, first))
        for i, (layer, states) in enumerate(zip(found.layers, found.states, strict=True)):
            stage = self.stages[i]
            counting: tuple = ()
            if counts:
                counting = self.count_pred[i](states[:, first:]), self.count_losses[stage]
            with get_event_storage().name_scope(f"stage{stage}"):
                losses.add_layer(_part(layer, first), *counting)
        if self.name == "deformable_detr":  # its encoder tells objects from what is none
            losses.targets = [{**t, "class_labels": 0 * t["class_labels"]} for t in targets]
        losses.add_layer(found.proposals, suffix="_enc")
        unused = getattr(self.network.model, "denoising_class_embed", None)
        if unused is not None:  # in a batch without objects; several processes must agree
            losses.sums["loss_vfl"] += 0 * unused.weight.sum()
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
    """What is made of the library transformers.

    Raises:
        InputError: with what to install, if it is not there.
    """
    try:
        from . import library
    except ImportError as error:
        raise InputError(
            f"MODEL.META_ARCHITECTURE CountingDETR needs the libraries of an extra ({error}): "
            'pip install "locount[detr]"'
        ) from error
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


def _part(layer: dict[str, Tensor], first: int, last: int | None = None) -> dict[str, Tensor]:
    """Some of a layer's queries."""
    return {key: value[:, first:last] for key, value in layer.items()}


def _maps_to_float32(encoder: nn.Module, inputs: tuple, output):
    """Anchors are made in the type of the encoder's maps."""
    output["last_hidden_state"] = to_float32(output["last_hidden_state"])
    return output


def _without_autocast(decoder: PreTrainedModel, **inputs):
    with torch.autocast(decoder.device.type, enabled=False):
        return type(decoder).forward(decoder, **to_float32(inputs))
