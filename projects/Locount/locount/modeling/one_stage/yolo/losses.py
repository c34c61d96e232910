"""Losses of YOLOv3 and PP-YOLO. Shapes are those of :mod:`.anchors`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from detectron2.structures import Boxes, Instances
from detectron2.structures.boxes import matched_pairwise_iou
from torch import Tensor
from torch.nn import functional as F

from .anchors import AnchorGrid, Levels, anchor_grid, cell_offsets, decode_boxes, encode_boxes
from .assignment import assign_targets


class Predictions(NamedTuple):
    """What the network says, in float32; all but ``log_scales`` are logits.

    Attributes:
        offsets: N x R x 2, of the center in its cell.
        log_scales: N x R x 2, of width and height over the anchor's.
        objectness: N x R.
        classes: N x R x K.
        ious: N x R, of the box with its object; None without the IoU-aware branch.
    """

    offsets: Tensor
    log_scales: Tensor
    objectness: Tensor
    classes: Tensor
    ious: Tensor | None


@dataclass(frozen=True, kw_only=True)
class YOLOLoss:
    """The losses of a batch, summed over an image's predictions and averaged over the images.

    Attributes:
        scale_xy: grid sensitivity, of :func:`.anchors.cell_offsets`.
        ignore_thresh: a prediction that is matched with no object, but has a higher IoU with one,
            is not taught that nothing is there.
        iou_loss_weight: of 1 - IoU²; 0 is without.
        iou_aware_loss_weight: of the predicted IoU.
    """

    scale_xy: float = 1.0
    ignore_thresh: float = 0.7
    iou_loss_weight: float = 0.0
    iou_aware_loss_weight: float = 0.0

    def __call__(
        self, predictions: Predictions, objects: Sequence[Instances], levels: Levels
    ) -> dict[str, Tensor]:
        """
        Args:
            objects: N, with gt_boxes and gt_classes.

        Returns:
            Scalars; of images without objects all but "loss_objectness" are 0, with a gradient.
        """
        grid = anchor_grid(levels)
        offsets = cell_offsets(predictions.offsets, self.scale_xy).detach()
        predicted = decode_boxes(offsets, predictions.log_scales.detach(), grid)
        targets = assign_targets(predicted, objects, levels, ignore_thresh=self.ignore_thresh)
        matched = targets.images, targets.predictions
        classes = predictions.classes[matched]
        losses = {
            "loss_objectness": F.binary_cross_entropy_with_logits(
                predictions.objectness, targets.objectness, targets.judged, reduction="sum"
            ),
            # Each class is a question of its own.
            "loss_cls": F.binary_cross_entropy_with_logits(
                classes, F.one_hot(targets.classes, classes.shape[1]).float(), reduction="sum"
            ),
            **self._box_losses(
                Predictions._make(part if part is None else part[matched] for part in predictions),
                AnchorGrid(*(part[targets.predictions] for part in grid)),
                targets.boxes,
                targets.weights,
            ),
        }
        return {name: loss / len(objects) for name, loss in losses.items()}

    def _box_losses(
        self, predictions: Predictions, grid: AnchorGrid, boxes: Tensor, weights: Tensor
    ) -> dict[str, Tensor]:
        """Losses of offsets, scales and IoU of matched predictions.

        Args:
            predictions: of P matched predictions, without the axis of images.
            grid: theirs.
            boxes: P x 4, what they should be.
            weights: P.
        """
        target_offsets, target_scales = encode_boxes(boxes, grid)
        offsets = cell_offsets(predictions.offsets, self.scale_xy)
        if self.scale_xy == 1:
            offset_loss = F.binary_cross_entropy_with_logits(
                predictions.offsets, target_offsets, reduction="none"
            )
        else:  # an offset may lie outside of [0, 1], where there is no cross-entropy
            offset_loss = F.l1_loss(offsets, target_offsets, reduction="none")
        scale_loss = F.l1_loss(predictions.log_scales, target_scales, reduction="none")
        losses = {
            "loss_xy": (offset_loss.sum(dim=1) * weights).sum(),
            "loss_wh": (scale_loss.sum(dim=1) * weights).sum(),
        }
        if not self.iou_loss_weight and not self.iou_aware_loss_weight:
            return losses
        predicted = decode_boxes(offsets, predictions.log_scales, grid)
        ious = matched_pairwise_iou(Boxes(predicted), Boxes(boxes))
        if self.iou_loss_weight:
            losses["loss_iou"] = ((1 - ious**2) * weights).sum() * self.iou_loss_weight
        if self.iou_aware_loss_weight:
            losses["loss_iou_aware"] = self.iou_aware_loss_weight * (
                F.binary_cross_entropy_with_logits(
                    cast(Tensor, predictions.ious), ious.detach(), reduction="sum"
                )
            )
        return losses
