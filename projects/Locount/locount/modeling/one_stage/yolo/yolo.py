"""YOLOv3 (Redmon and Farhadi, 2018) and PP-YOLO (Long et al., 2020)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, Backbone, build_backbone
from detectron2.modeling.meta_arch.dense_detector import DenseDetector
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor, nn

from ....config.checks import check_config
from ..detections import detect_as
from .anchors import Levels, anchor_grid, cell_offsets, decode_boxes
from .head import YOLOHead
from .losses import Predictions, YOLOLoss


@META_ARCH_REGISTRY.register()
class YOLO(DenseDetector):
    """A detector whose cells predict the objects that have their center in them.

    MODEL.YOLO makes it YOLOv3 or PP-YOLO. Images keep their shape, and are padded to multiples of
    the largest stride.
    """

    @configurable
    def __init__(
        self,
        *,
        backbone: Backbone,
        head: nn.Module,
        in_features: Sequence[str],
        anchors: Sequence[Sequence[Sequence[float]]],
        loss: YOLOLoss,
        iou_exponent: float,
        detect: Callable[..., tuple[Instances, Tensor]],
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ):
        """
        Args:
            in_features: of the backbone, from fine to coarse.
            anchors: L x A x 2, widths and heights in pixels.
            iou_exponent: of :func:`class_scores`, for a head that predicts IoUs.
            detect: :func:`..detections.detect` with its options.
        """
        super().__init__(backbone, head, in_features, pixel_mean=pixel_mean, pixel_std=pixel_std)
        shapes = backbone.output_shape()
        self.strides = [shapes[name].stride for name in in_features]
        self.loss = loss
        self.iou_exponent = iou_exponent
        self.detect = detect
        self.register_buffer("anchors", torch.tensor(anchors, dtype=torch.float32), False)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        check_config(cfg)
        node = cfg.MODEL.YOLO
        backbone = build_backbone(cfg)
        shapes = backbone.output_shape()
        # The neck has a level for each of IN_FEATURES.
        levels = sorted(shapes, key=lambda name: shapes[name].stride)
        head = YOLOHead(
            input_shape=[shapes[name] for name in levels],
            num_anchors=len(node.ANCHORS[0]),
            num_classes=node.NUM_CLASSES,
            ious=node.IOU_AWARE_LOSS_WEIGHT > 0,
        )
        return {
            "backbone": backbone,
            "head": head,
            "in_features": levels,
            "anchors": node.ANCHORS,
            "loss": YOLOLoss(
                scale_xy=node.SCALE_XY,
                ignore_thresh=node.IGNORE_THRESH,
                iou_loss_weight=node.IOU_LOSS_WEIGHT,
                iou_aware_loss_weight=node.IOU_AWARE_LOSS_WEIGHT,
            ),
            "iou_exponent": node.IOU_AWARE_EXPONENT,
            "detect": partial(detect_as(cfg, node), nms=node.NMS),
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
        }

    def forward_training(
        self,
        images: ImageList,
        features: list[Tensor],
        predictions: Predictions,
        gt_instances: list[Instances],
    ) -> dict[str, Tensor]:
        return self.loss(predictions, gt_instances, self._levels(features))

    def forward_inference(
        self, images: ImageList, features: list[Tensor], predictions: Predictions
    ) -> list[Instances]:
        grid = anchor_grid(self._levels(features))
        offsets = cell_offsets(predictions.offsets, self.loss.scale_xy)
        every_box = decode_boxes(offsets, predictions.log_scales, grid)
        every_score = class_scores(predictions, self.iou_exponent)
        results = []
        for boxes, scores, size in zip(every_box, every_score, images.image_sizes, strict=True):
            clipped = Boxes(boxes)
            clipped.clip(size)
            # Candidates of all levels compete.
            results.append(self.detect([scores], clipped.tensor.__getitem__, size)[0])
        return results

    def _levels(self, features: list[Tensor]) -> Levels:
        return Levels(self.anchors, self.strides, [f.shape[-2:] for f in features])


def class_scores(predictions: Predictions, iou_exponent: float) -> Tensor:
    """Probability that there is an object, times that of each class: N x R x K, in [0, 1].

    With a predicted IoU the first becomes objectness ** (1 - α) * IoU ** α (PP-YOLO).

    Args:
        iou_exponent: α, in [0, 1].
    """
    scores = predictions.objectness.sigmoid()
    if predictions.ious is not None:
        scores = scores ** (1 - iou_exponent) * predictions.ious.sigmoid() ** iou_exponent
    return scores[..., None] * predictions.classes.sigmoid()
