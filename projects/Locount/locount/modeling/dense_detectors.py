"""Detectron2's RetinaNet and FCOS, which can count. Shapes as in counters.py, dense_counting.py."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, RetinaNet, build_backbone
from detectron2.modeling.meta_arch.fcos import FCOS, FCOSHead
from detectron2.structures import Boxes, Instances
from torch import Tensor, nn

from ..config.checks import check_config
from ..counting import IGNORED_COUNT
from .chunked_matching import match_boxes
from .count_loss import check_counts_given
from .dense_counting import DenseCounting, build_dense_counting


class _CountingDenseDetector:
    """What turns a :class:`DenseDetector` with the head of RetinaNet into one that counts.

    Detectron2 takes the box deltas of each anchor through decoding and suppression to the
    detections. In inference the outputs of the counting layer travel with them, as B more numbers
    behind the four, so that each detection is counted by the anchor that it comes from.
    """

    def _add_counting(self, counting: DenseCounting | None) -> None:
        self.counts = counting is not None
        if counting is not None:
            self.head.bbox_pred = _BoxAndCountPredictor(self.head.bbox_pred, counting)

    @property
    def counting(self) -> DenseCounting:
        """The counting layer, if the model ``counts``."""
        return self.head.bbox_pred.counting

    @property
    def _num_regressed(self) -> int:
        """Outputs of the regression per anchor: 4 + B."""
        return 4 + self.counting.counter.num_outputs

    def forward_training(self, images, features, predictions, gt_instances):
        logits, regressed, *others = predictions
        if self.counts:
            check_counts_given(gt_instances)
            regressed = [level.unflatten(1, (-1, self._num_regressed)) for level in regressed]
            # N x A x B x H x W to N x H x W x A x B, the order of Detectron2's anchors
            outputs = [level[:, :, 4:].permute(0, 3, 4, 1, 2) for level in regressed]
            regressed = [level[:, :, :4].flatten(1, 2) for level in regressed]
        # Under autocast: focal loss sums over all anchors, for which half precision is too coarse.
        predictions = [[level.float() for level in p] for p in (logits, regressed, *others)]
        losses = super().forward_training(images, features, predictions, gt_instances)
        if self.counts:
            gt_counts = self._matched_counts(self.anchor_generator(features), gt_instances)
            losses["loss_count"] = self._count_loss(outputs, gt_counts)
        return losses

    def _count_loss(self, outputs: list[Tensor], gt_counts: Tensor) -> Tensor:
        """
        Args:
            outputs: of each level, N x H x W x A x B.
            gt_counts: N x R.
        """
        gt_counts = gt_counts.split([level[0, ..., 0].numel() for level in outputs], dim=1)
        gt_counts = [c.reshape(o.shape[:-1]) for c, o in zip(gt_counts, outputs, strict=True)]
        # Few anchors have an object. To bring the outputs of all into one tensor would copy 100
        # numbers for each of some 200,000 anchors of an image.
        trained = [level != IGNORED_COUNT for level in gt_counts]
        return self.counting.loss(
            torch.cat([level[t] for level, t in zip(outputs, trained, strict=True)]),
            torch.cat([level[t] for level, t in zip(gt_counts, trained, strict=True)]),
            self.loss_normalizer,
        )

    def _matched_counts(self, anchors: list[Boxes], gt_instances: Sequence[Instances]) -> Tensor:
        """The count of the object of each anchor, N x R; IGNORED_COUNT for other anchors.

        ``label_anchors`` tells which class an anchor is matched with, but not which object. So it
        is asked once more, with counts in place of classes.
        """
        # Counts start at -1, IGNORED_COUNT. Behind the classes and the background, no label of an
        # anchor without an object is taken for one.
        first = self.num_classes + 2
        labels, _ = self.label_anchors(
            anchors,
            [
                Instances(x.image_size, gt_boxes=x.gt_boxes, gt_classes=x.gt_counts + first)
                if len(x) > 0
                else x
                for x in gt_instances
            ],
        )
        return (torch.stack(labels) - first).clamp(min=IGNORED_COUNT)

    def _transpose_dense_predictions(self, predictions, dims_per_anchor):
        if self.counts and not self.training:
            classes, _, *others = dims_per_anchor
            dims_per_anchor = [classes, self._num_regressed, *others]
        return super()._transpose_dense_predictions(predictions, dims_per_anchor)

    def _decode_per_level_predictions(self, anchors, pred_scores, pred_deltas, *args):
        if not self.counts:
            return super()._decode_per_level_predictions(anchors, pred_scores, pred_deltas, *args)
        deltas = _IndexRecorder(pred_deltas[:, :4])
        decoded = super()._decode_per_level_predictions(anchors, pred_scores, deltas, *args)
        decoded.count_outputs = pred_deltas[deltas.index, 4:]
        return decoded

    def inference_single_image(self, anchors, box_cls, box_delta, image_size) -> Instances:
        detections = super().inference_single_image(anchors, box_cls, box_delta, image_size)
        if not self.counts:
            return detections
        outputs = detections.count_outputs
        detections.remove("count_outputs")
        return self.counting.decode(detections, outputs)


class _BoxAndCountPredictor(nn.Conv2d):
    """The output layer of the boxes, with the counting layer on the same features.

    It is a convolution, so that the weights of a detector that does not count fit.
    """

    def __init__(self, box_layer: nn.Conv2d, counting: DenseCounting):
        super().__init__(
            box_layer.in_channels,
            box_layer.out_channels,
            kernel_size=box_layer.kernel_size,
            padding=box_layer.padding,
        )
        self.weight, self.bias = box_layer.weight, box_layer.bias
        self.counting = counting

    def forward(self, features: Tensor) -> Tensor:
        """N x A (4 + B) x H x W of N x C x H x W."""
        deltas = super().forward(features).unflatten(1, (-1, 4))
        return torch.cat([deltas, self.counting(features)], dim=2).flatten(1, 2)


class _IndexRecorder:
    """A tensor that remembers the index by which it was read.

    Detectron2 decodes the boxes of the anchors it keeps, and does not tell which it kept.
    """

    def __init__(self, tensor: Tensor):
        self._tensor = tensor

    def __getitem__(self, index: Tensor) -> Tensor:
        self.index = index
        return self._tensor[index]


@META_ARCH_REGISTRY.register()
class CountingRetinaNet(_CountingDenseDetector, RetinaNet):
    """RetinaNet (Lin et al., ICCV 2017) with a counting layer behind the tower of the boxes.

    With MODEL.COUNT_HEAD.STRATEGY "none" it is Detectron2's. Anchors are matched in chunks, with
    the same result.
    """

    @configurable
    def __init__(self, *, counting: DenseCounting | None = None, **kwargs):
        """
        Args:
            counting: None for RetinaNet itself.
            kwargs: as for :class:`RetinaNet`.
        """
        super().__init__(**kwargs)
        self._add_counting(counting)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        check_config(cfg)
        ret = super().from_config(cfg)
        box_layer = ret["head"].bbox_pred
        ret["counting"] = build_dense_counting(
            cfg, in_channels=box_layer.in_channels, num_anchors=box_layer.out_channels // 4
        )
        return ret

    @torch.no_grad()
    def label_anchors(self, anchors: list[Boxes], gt_instances: Sequence[Instances]):
        """As in the base class, in memory that does not grow with the number of objects."""
        anchors = Boxes.cat(anchors)
        labels, boxes = [], []
        for objects in gt_instances:
            matches, label = match_boxes(self.anchor_matcher, objects.gt_boxes, anchors)
            if len(objects) == 0:
                labels.append(torch.full_like(matches, self.num_classes))
                boxes.append(torch.zeros_like(anchors.tensor))
                continue
            classes = objects.gt_classes[matches].masked_fill(label == 0, self.num_classes)
            labels.append(classes.masked_fill(label == -1, -1))
            boxes.append(objects.gt_boxes.tensor[matches])
        return labels, boxes


@META_ARCH_REGISTRY.register()
class CountingFCOS(_CountingDenseDetector, FCOS):
    """FCOS (Tian et al., ICCV 2019) with a counting layer behind the tower of the boxes.

    With MODEL.COUNT_HEAD.STRATEGY "none" it is Detectron2's, which has no config of its own: its
    keys are MODEL.FCOS.
    """

    @configurable
    def __init__(self, *, counting: DenseCounting | None = None, **kwargs):
        """
        Args:
            counting: None for FCOS itself.
            kwargs: as for :class:`FCOS`.
        """
        super().__init__(**kwargs)
        self._add_counting(counting)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        check_config(cfg)
        fcos, backbone = cfg.MODEL.FCOS, build_backbone(cfg)
        shapes = [backbone.output_shape()[f] for f in fcos.IN_FEATURES]
        head = FCOSHead(
            input_shape=shapes,
            num_classes=fcos.NUM_CLASSES,
            conv_dims=[shapes[0].channels] * fcos.NUM_CONVS,
            norm=_group_norm if fcos.NORM == "GN" else fcos.NORM,
            prior_prob=fcos.PRIOR_PROB,
        )
        return {
            "backbone": backbone,
            "head": head,
            "head_in_features": fcos.IN_FEATURES,
            "counting": build_dense_counting(cfg, in_channels=head.bbox_pred.in_channels),
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
        """As in the base class, which in v0.6 fails on an image without ground truth.

        Such an image gets an object without area: no location lies in it.
        """
        return super().label_anchors(
            anchors, [x if len(x) > 0 else _object_without_area(x) for x in gt_instances]
        )


def _group_norm(channels: int) -> nn.GroupNorm:
    """ "GN" of :func:`get_norm`, but also for one channel, with which v0.6 tries out a norm."""
    return nn.GroupNorm(min(32, channels), channels)


def _object_without_area(instances: Instances) -> Instances:
    return Instances(
        instances.image_size,
        gt_boxes=Boxes(instances.gt_boxes.tensor.new_zeros(1, 4)),
        gt_classes=instances.gt_classes.new_zeros(1),
    )
