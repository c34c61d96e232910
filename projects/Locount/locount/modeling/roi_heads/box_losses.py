"""Output layers with balanced L1, a loss of box regression beside Detectron2's, with a predicted
IoU and with soft-NMS."""

from __future__ import annotations

import math

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers
from detectron2.structures import Boxes, Instances
from detectron2.structures.boxes import matched_pairwise_iou
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ...config.checks import BALANCED_L1
from ..layers.soft_nms import SoftNMS
from ..layers.suppression import suppress

# class logits R x (K + 1) and box deltas R x 4; if the stage predicts an IoU: its logits R; if it
# counts: count outputs R x B
Predictions = tuple[Tensor, ...]


def balanced_l1(
    input: Tensor, target: Tensor, alpha: float = 0.5, gamma: float = 1.5, beta: float = 1.0
) -> Tensor:
    """Balanced L1 loss (Pang et al., "Libra R-CNN", CVPR 2019), element by element.

    It is defined by its gradient in d = |input - target|, which for accurate boxes rises faster
    than that of smooth L1, and for inaccurate ones is held at γ:

        α ln(b d / β + 1)   where d < β
        γ                   elsewhere

    with b = exp(γ / α) - 1, so that it is continuous at β. The paper has β = 1.

    Args:
        input, target: of one shape.
        alpha: α, above 0.
        gamma: γ, above 0.
        beta: β, above 0.

    Returns:
        Of the shape of the input.
    """
    difference = (input - target).abs()
    b = math.expm1(gamma / alpha)
    accurate = alpha * ((difference + beta / b) * torch.log1p(difference * (b / beta)) - difference)
    inaccurate = gamma * difference + beta * (gamma / b - alpha)
    return torch.where(difference < beta, accurate, inaccurate)


class BoxLossFastRCNNOutputLayers(FastRCNNOutputLayers):
    """Fast R-CNN's output layers, whose ``box_reg_loss_type`` can also be "balanced_l1", with the
    suppression that MODEL.SOFT_NMS asks for, and on request a linear layer that predicts the IoU of
    a box with its object (Goldman et al., CVPR 2019: the soft-IoU layer)."""

    @configurable
    def __init__(
        self,
        input_shape: ShapeSpec,
        *,
        soft_nms: SoftNMS | None = None,
        iou_aware_loss_weight: float = 0.0,
        **kwargs,
    ):
        """
        Args:
            soft_nms: None for the base class's NMS.
            iou_aware_loss_weight: of the predicted IoU; 0: none is predicted. Above 0,
                ``box_reg`` must be agnostic of classes.
            kwargs: as for :class:`FastRCNNOutputLayers`.
        """
        super().__init__(input_shape, **kwargs)
        self.soft_nms = soft_nms
        self.iou_aware_loss_weight = iou_aware_loss_weight
        if iou_aware_loss_weight:
            self.iou_pred = nn.Linear(self.cls_score.in_features, 1)
            nn.init.normal_(self.iou_pred.weight, std=0.01)
            nn.init.zeros_(self.iou_pred.bias)

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict:
        return super().from_config(cfg, input_shape) | {"soft_nms": SoftNMS.from_config(cfg)}

    def forward(self, x: Tensor) -> Predictions:
        """
        Args:
            x: features of R regions, R x ...
        """
        x = torch.flatten(x, start_dim=1)
        predictions = super().forward(x)
        if not self.iou_aware_loss_weight:
            return predictions
        return *predictions, self.iou_pred(x).squeeze(1)

    def losses(self, predictions: Predictions, proposals: list[Instances]) -> dict[str, Tensor]:
        """
        Returns:
            The losses of the base class and, if an IoU is predicted, "loss_iou_aware": the mean
            over all R regions of the binary cross-entropy with the IoU that the predicted box has
            with the object that its region is compared with, 0 in an image without objects.
        """
        losses = super().losses(predictions[:2], proposals)
        if self.iou_aware_loss_weight:
            ious = self._ious_with_objects(predictions[:2], proposals)
            loss = binary_cross_entropy_with_logits(predictions[2], ious, reduction="sum")
            losses["loss_iou_aware"] = self.iou_aware_loss_weight * loss / max(len(ious), 1)
        return losses

    @torch.no_grad()
    def _ious_with_objects(self, predictions: Predictions, proposals: list[Instances]) -> Tensor:
        found = self.predict_boxes(predictions, proposals)
        return torch.cat(
            [
                matched_pairwise_iou(Boxes(boxes), p.gt_boxes)
                if p.has("gt_boxes")
                else boxes.new_zeros(len(boxes))
                for boxes, p in zip(found, proposals, strict=True)
            ]
        )

    def inference(self, predictions, proposals):
        if self.soft_nms is None:
            return super().inference(predictions, proposals)
        return suppress(
            self.predict_boxes(predictions, proposals),
            self.predict_probs(predictions, proposals),
            [p.image_size for p in proposals],
            self.test_score_thresh,
            self.test_nms_thresh,
            self.test_topk_per_image,
            self.soft_nms,
        )

    def box_reg_loss(self, proposal_boxes, gt_boxes, pred_deltas, gt_classes):
        """As in the base class: summed over the foreground, divided by the number R of regions.

        Balanced L1 compares the deltas, as smooth L1 does, with the constants of its paper.

        Args:
            proposal_boxes, gt_boxes: R x 4.
            pred_deltas: R x 4, or R x 4K, of each class.
            gt_classes: R.
        """
        if self.box_reg_loss_type != BALANCED_L1:
            return super().box_reg_loss(proposal_boxes, gt_boxes, pred_deltas, gt_classes)
        foreground = ((gt_classes >= 0) & (gt_classes < self.num_classes)).nonzero()[:, 0]
        deltas = pred_deltas[foreground].unflatten(1, (-1, 4))
        of_class = gt_classes[foreground] if deltas.shape[1] > 1 else 0
        deltas = deltas[torch.arange(len(foreground), device=deltas.device), of_class]
        targets = self.box2box_transform.get_deltas(
            proposal_boxes[foreground], gt_boxes[foreground]
        )
        return balanced_l1(deltas, targets).sum() / max(gt_classes.numel(), 1)
