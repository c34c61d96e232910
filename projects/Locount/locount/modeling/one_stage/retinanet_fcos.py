"""Detectron2's RetinaNet and FCOS, which can count. Shapes as in counters.py and dense.py."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, RetinaNet, build_backbone
from detectron2.modeling.meta_arch.fcos import FCOS, FCOSHead
from detectron2.modeling.meta_arch.retinanet import RetinaNetHead
from detectron2.structures import Boxes, Instances
from torch import Tensor, nn

from ...config.checks import check_config
from ...counting import IGNORED_COUNT
from ..counting.decoding import CountDecoder
from ..counting.dense import build_dense_counting, by_location, dense_count_loss, head_inputs
from ..counting.loss import CountLoss, check_counts_given
from ..layers.level_norm import head_norm, run_tower
from ..layers.precision import outputs_to_float32
from ..proposal_generator.chunked_matching import MAX_IOUS, match_boxes
from .detections import detect


class _CountingHead:
    """For the heads of RetinaNet and FCOS: a counting layer, and norms that know their level."""

    # The output layers after the tower of the boxes.
    BOX_LAYERS: tuple[str, ...] = ("bbox_pred",)

    def __init__(self, *, norm: str, count_pred: nn.Conv2d | None = None, **kwargs):
        """
        Args:
            norm: as for :func:`head_norm`.
            count_pred: the counting layer; None for a head that does not count.
            kwargs: as for the head.
        """
        super().__init__(norm=head_norm(norm, len(kwargs["input_shape"])), **kwargs)
        self.count_pred = count_pred
        self.register_forward_hook(outputs_to_float32)

    def forward(self, features: Sequence[Tensor]) -> list[list[Tensor]]:
        """The maps of the base class by kind and level; those of the counting layer come last."""
        levels = [self._level(x, level) for level, x in enumerate(features)]
        return [list(maps) for maps in zip(*levels, strict=True)]

    def _level(self, x: Tensor, level: int) -> list[Tensor]:
        of_box = run_tower(self.bbox_subnet, x, level)
        maps = [self.cls_score(run_tower(self.cls_subnet, x, level))]
        maps += [getattr(self, name)(of_box) for name in self.BOX_LAYERS]
        return maps if self.count_pred is None else [*maps, self.count_pred(of_box)]


class CountingRetinaNetHead(_CountingHead, RetinaNetHead):
    """The head of RetinaNet."""


class CountingFCOSHead(_CountingHead, FCOSHead):
    """The head of FCOS."""

    BOX_LAYERS = ("bbox_pred", "ctrness")


class _CountingDenseDetector:
    """What turns RetinaNet and FCOS into detectors that count, if their heads do."""

    # Outputs of the head for each anchor after those for the classes.
    BOX_DIMS: tuple[int, ...] = (4,)
    # Positives in a minibatch that the running mean starts from, as in the base class.
    INITIAL_NORMALIZER = 100.0

    @configurable
    def __init__(
        self,
        *,
        count_loss: CountLoss | None = None,
        count_decoder: CountDecoder | None = None,
        **kwargs,
    ):
        """
        Args:
            count_loss, count_decoder: of the head's counting layer; None if it has none.
            kwargs: as for the base class, with a :class:`_CountingHead`.
        """
        super().__init__(**kwargs)
        self.count_loss = count_loss
        self.count_decoder = count_decoder
        # The base classes keep it out of checkpoints, so that a resumed training would start with
        # losses several times as high.
        self.register_buffer("loss_normalizer", torch.tensor(self.INITIAL_NORMALIZER))

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args) -> None:
        # Other checkpoints of the same detectors lack it.
        state_dict.setdefault(f"{prefix}loss_normalizer", self.loss_normalizer)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward_training(self, images, features, predictions, gt_instances):
        """As in the base class, and with "loss_count".

        The base method is not called because the labels of the anchors are lost in it.
        """
        if self.count_loss is None:
            return super().forward_training(images, features, predictions, gt_instances)
        check_counts_given(gt_instances)
        *predictions, count_maps = predictions
        logits, deltas, *others = self._transpose_dense_predictions(
            predictions, [self.num_classes, *self.BOX_DIMS]
        )
        anchors = self.anchor_generator(features)
        labels, boxes = self.label_anchors(
            anchors, [_label_with_counts(x, self.num_classes) for x in gt_instances]
        )
        classes, gt_counts = _classes_and_counts(torch.stack(labels), self.num_classes)
        losses = self.losses(anchors, logits, list(classes), deltas, boxes, *others)
        losses["loss_count"] = dense_count_loss(self.count_loss, count_maps, gt_counts)
        return losses

    def forward_inference(self, images, features, predictions) -> list[Instances]:
        if self.count_decoder is None:
            return super().forward_inference(images, features, predictions)
        *predictions, count_maps = predictions
        results = super().forward_inference(images, features, predictions)
        num_anchors = self.anchor_generator.num_anchors[0]
        counted = []
        for detections, outputs in zip(results, by_location(count_maps), strict=True):
            location = detections.anchor // num_anchors
            detections.remove("anchor")
            counted.append(self.count_decoder(detections, [outputs[location]]))
        return counted

    def inference_single_image(self, anchors, box_cls, box_delta, image_size) -> Instances:
        """As in the base class, and with ``anchor`` in [0, R), the one that a detection is from."""
        if self.count_decoder is None:
            return super().inference_single_image(anchors, box_cls, box_delta, image_size)
        all_anchors, deltas = Boxes.cat(anchors).tensor, torch.cat(box_delta)
        detections, anchor = detect(
            box_cls,
            lambda index: self.box2box_transform.apply_deltas(deltas[index], all_anchors[index]),
            image_size,
            score_thresh=self.test_score_thresh,
            topk=self.test_topk_candidates,
            nms_thresh=self.test_nms_thresh,
            max_detections=self.max_detections_per_image,
        )
        detections.anchor = anchor
        return detections


def _label_with_counts(objects: Instances, num_classes: int) -> Instances:
    """Ground truth whose classes are numbers that hold class and count.

    ``label_anchors`` says which class an anchor is matched with, but not which object. So the
    count travels with the class, beyond the K + 1 labels.
    """
    if len(objects) == 0:
        return objects  # may lack the counts
    return Instances(
        objects.image_size,
        gt_boxes=objects.gt_boxes,
        gt_classes=objects.gt_classes + (objects.gt_counts - IGNORED_COUNT) * (num_classes + 1),
    )


def _classes_and_counts(labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """What :func:`_label_with_counts` joined, and IGNORED_COUNT for anchors without an object.

    Args:
        labels: those, K for background, or -1 for what is ignored.
    """
    classes = torch.where(labels < 0, labels, labels % (num_classes + 1))
    return classes, labels.clamp(min=0) // (num_classes + 1) + IGNORED_COUNT


@META_ARCH_REGISTRY.register()
class CountingRetinaNet(_CountingDenseDetector, RetinaNet):
    """RetinaNet (Lin et al., ICCV 2017) with a counting layer after the tower of the boxes.

    With MODEL.COUNT_HEAD.STRATEGY "none" it is Detectron2's. Anchors are matched in chunks, with
    the same result.
    """

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        check_config(cfg)
        plain = cfg.clone()
        plain.defrost()
        plain.MODEL.RETINANET.NORM = ""  # v0.6's own head can't be built with "GN"
        ret = super().from_config(plain)
        shapes = [ret["backbone"].output_shape()[f] for f in cfg.MODEL.RETINANET.IN_FEATURES]
        counting = build_dense_counting(cfg, shapes[0].channels)
        ret["head"] = CountingRetinaNetHead(
            **RetinaNetHead.from_config(cfg, shapes), count_pred=counting.layer
        )
        return ret | {"count_loss": counting.loss, "count_decoder": counting.decoder}

    @torch.no_grad()
    def label_anchors(self, anchors: list[Boxes], gt_instances: Sequence[Instances]):
        """As in the base class, in memory that does not grow with the number of objects."""
        every = Boxes.cat(anchors)
        labels, boxes = [], []
        for objects in gt_instances:
            matches, label = match_boxes(self.anchor_matcher, objects.gt_boxes, every)
            if len(objects) == 0:
                labels.append(torch.full_like(matches, self.num_classes))
                boxes.append(torch.zeros_like(every.tensor))
                continue
            classes = objects.gt_classes[matches].masked_fill(label == 0, self.num_classes)
            labels.append(classes.masked_fill(label == -1, -1))
            boxes.append(objects.gt_boxes.tensor[matches])
        return labels, boxes


@META_ARCH_REGISTRY.register()
class CountingFCOS(_CountingDenseDetector, FCOS):
    """FCOS (Tian et al., ICCV 2019) with a counting layer after the tower of the boxes.

    With MODEL.COUNT_HEAD.STRATEGY "none" it is Detectron2's, which has no config of its own: its
    keys are MODEL.FCOS. Locations are matched in chunks, with the same result.
    """

    BOX_DIMS = (4, 1)
    INITIAL_NORMALIZER = 300.0

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        check_config(cfg)
        fcos, backbone = cfg.MODEL.FCOS, build_backbone(cfg)
        shapes = head_inputs(cfg, "MODEL.FCOS.IN_FEATURES", backbone)
        counting = build_dense_counting(cfg, shapes[0].channels)
        head = CountingFCOSHead(
            input_shape=shapes,
            num_classes=fcos.NUM_CLASSES,
            conv_dims=[shapes[0].channels] * fcos.NUM_CONVS,
            norm=fcos.NORM,
            prior_prob=fcos.PRIOR_PROB,
            count_pred=counting.layer,
        )
        return {
            "backbone": backbone,
            "head": head,
            "head_in_features": fcos.IN_FEATURES,
            "count_loss": counting.loss,
            "count_decoder": counting.decoder,
            "num_classes": fcos.NUM_CLASSES,
            "center_sampling_radius": fcos.CENTER_SAMPLING_RADIUS,
            "focal_loss_alpha": fcos.FOCAL_LOSS_ALPHA,
            "focal_loss_gamma": fcos.FOCAL_LOSS_GAMMA,
            "test_score_thresh": fcos.SCORE_THRESH_TEST,
            "test_topk_candidates": fcos.TOPK_CANDIDATES_TEST,
            "test_nms_thresh": fcos.NMS_THRESH_TEST,
            "max_detections_per_image": cfg.TEST.DETECTIONS_PER_IMAGE,
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
        }

    @torch.no_grad()
    def label_anchors(self, anchors: list[Boxes], gt_instances: Sequence[Instances]):
        """As in the base class, in memory that does not grow with the number of objects."""
        # Four distances of each pair are held at a time.
        size = max(1, MAX_IOUS // (4 * sum(map(len, anchors))))
        labeled = [self._label_in_chunks(anchors, objects, size) for objects in gt_instances]
        labels, boxes = zip(*labeled, strict=True)
        return list(labels), list(boxes)

    def _label_in_chunks(self, anchors: list[Boxes], objects: Instances, size: int):
        """Labels and boxes of an image, from ``size`` objects at a time."""
        # Of several objects the smallest, of equal ones the first, as in the base class and with
        # its rounding: so the smallest come first.
        smallness = 1e8 - objects.gt_boxes.area()
        objects = objects[smallness.argsort(descending=True, stable=True)]
        chunks = [objects[i : i + size] for i in range(0, len(objects), size)]
        # v0.6 fails on an image without objects. In one without area no location lies.
        first, *others = chunks or [_object_without_area(objects)]
        (labels,), (boxes,) = super().label_anchors(anchors, [first])
        for chunk in others:
            (more_labels,), (more_boxes,) = super().label_anchors(anchors, [chunk])
            free = labels == self.num_classes
            labels[free], _corners(boxes)[free] = more_labels[free], _corners(more_boxes)[free]
        return labels, boxes


def _corners(boxes: Boxes | Tensor) -> Tensor:
    """The four columns of what v0.6's ``label_anchors`` gives as Boxes."""
    return boxes.tensor if isinstance(boxes, Boxes) else boxes


def _object_without_area(instances: Instances) -> Instances:
    return Instances(
        instances.image_size,
        gt_boxes=Boxes(instances.gt_boxes.tensor.new_zeros(1, 4)),
        gt_classes=instances.gt_classes.new_zeros(1),
    )
