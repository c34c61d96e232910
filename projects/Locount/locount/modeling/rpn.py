"""Region proposal network with the box losses of MODEL.BOX_LOSS, for images full of objects."""

from __future__ import annotations

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import cat
from detectron2.modeling.proposal_generator import PROPOSAL_GENERATOR_REGISTRY, RPN
from detectron2.structures import Boxes, Instances
from torch import Tensor

from .box_losses import BoxLoss
from .box_options import check_box_options
from .chunked_matching import match_boxes


@PROPOSAL_GENERATOR_REGISTRY.register()
class BoxLossRPN(RPN):
    """Detectron2's RPN, whose box loss is the one that MODEL.BOX_LOSS asks for.

    Anchors are matched in chunks, with the same result.
    """

    @configurable
    def __init__(self, *, box_loss: BoxLoss | None = None, **kwargs):
        """
        Args:
            box_loss: None for the base class's.
            kwargs: as for :class:`RPN`.
        """
        super().__init__(**kwargs)
        self.box_loss = box_loss

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape) -> dict:
        check_box_options(cfg)
        ret = super().from_config(cfg, input_shape)
        ret["box_loss"] = BoxLoss.from_config(cfg, "rpn")
        return ret

    @torch.no_grad()
    def label_and_sample_anchors(
        self, anchors: list[Boxes], gt_instances: list[Instances]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """As in the base class, in memory that does not grow with the number of objects."""
        if self.anchor_boundary_thresh >= 0:
            return super().label_and_sample_anchors(anchors, gt_instances)
        anchors = Boxes.cat(anchors)
        labels, boxes = [], []
        for objects in gt_instances:
            matches, label = match_boxes(self.anchor_matcher, objects.gt_boxes, anchors)
            labels.append(self._subsample_labels(label))
            boxes.append(
                objects.gt_boxes.tensor[matches]
                if len(objects)
                else torch.zeros_like(anchors.tensor)
            )
        return labels, boxes

    def losses(self, anchors, pred_objectness_logits, gt_labels, pred_anchor_deltas, gt_boxes):
        """As in the base class; "loss_rpn_loc" too is summed over the sampled foreground anchors
        and divided by the number of anchors that are sampled at most, N x batch_size_per_image.
        """
        if self.box_loss is None:
            return super().losses(
                anchors, pred_objectness_logits, gt_labels, pred_anchor_deltas, gt_boxes
            )
        # The base class also computes its own box loss, which is dropped.
        constants = [deltas.detach() for deltas in pred_anchor_deltas]
        losses = super().losses(anchors, pred_objectness_logits, gt_labels, constants, gt_boxes)

        foreground = torch.stack(gt_labels) == 1  # N x R
        boxes = Boxes.cat(anchors).tensor.expand(*foreground.shape, 4)
        loss = self.box_loss(
            self.box2box_transform,
            boxes[foreground],
            cat(pred_anchor_deltas, dim=1)[foreground],
            torch.stack(gt_boxes)[foreground],
        )
        loss = loss / (self.batch_size_per_image * len(gt_labels))
        losses["loss_rpn_loc"] = loss * self.loss_weight.get("loss_rpn_loc", 1.0)
        return losses
