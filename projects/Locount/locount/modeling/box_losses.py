"""Losses of box regression beside Detectron2's, and weighted sums of them.

Shapes: n is the number of pairs of a source box (an anchor or a proposal) and its ground truth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec, ciou_loss
from detectron2.modeling.box_regression import Box2BoxTransform
from torch import Tensor

from .suppression import SuppressingOutputLayers


def balanced_l1(
    input: Tensor,
    target: Tensor,
    alpha: float = 0.5,
    gamma: float = 1.5,
    beta: float = 1.0,
    reduction: str = "none",
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
        reduction: "none", "sum", or "mean", which is 0 of an empty input.

    Returns:
        Of the shape of the input with "none", else a scalar.
    """
    difference = (input - target).abs()
    b = math.expm1(gamma / alpha)
    accurate = alpha * ((difference + beta / b) * torch.log1p(difference * (b / beta)) - difference)
    inaccurate = gamma * difference + beta * (gamma / b - alpha)
    loss = torch.where(difference < beta, accurate, inaccurate)
    if reduction == "sum":
        return loss.sum()
    if reduction == "mean":
        return loss.mean() if loss.numel() > 0 else loss.sum()
    return loss


class BoxLoss:
    """The loss that MODEL.BOX_LOSS describes: a weighted sum of terms.

    * "balanced_l1" compares deltas, the encoding of the ground truth relative to its source box.
    * "ciou" (Zheng et al., AAAI 2020; Detectron2's) compares the decoded box with the ground truth.
    """

    def __init__(
        self,
        *,
        weights: Mapping[str, float],
        alpha: float = 0.5,
        gamma: float = 1.5,
        beta: float = 1.0,
    ):
        """
        Args:
            weights: of the terms, "balanced_l1" and "ciou".
            alpha, gamma, beta: as for :func:`balanced_l1`.
        """
        self.weights = dict(weights)
        self.alpha, self.gamma, self.beta = alpha, gamma, beta

    @classmethod
    def from_config(cls, cfg: CfgNode, part: str) -> BoxLoss | None:
        """
        Args:
            part: "rpn" or "roi".

        Returns:
            None where Detectron2's own keys decide.
        """
        node = cfg.MODEL.BOX_LOSS
        if len(node.TERMS) == 0 or part not in node.APPLY_TO:
            return None
        weights = node.WEIGHTS or [1.0] * len(node.TERMS)
        return cls(
            weights=dict(zip(node.TERMS, weights, strict=True)),
            alpha=node.ALPHA,
            gamma=node.GAMMA,
            beta=node.BETA,
        )

    def __call__(
        self, transform: Box2BoxTransform, boxes: Tensor, deltas: Tensor, gt_boxes: Tensor
    ) -> Tensor:
        """
        Args:
            transform: what encodes and decodes the part's boxes.
            boxes: source boxes, n x 4.
            deltas: predicted, n x 4.
            gt_boxes: n x 4.

        Returns:
            The sum over the pairs, a scalar; zero, with its graph, without any.
        """
        loss = deltas.new_zeros(())
        if "balanced_l1" in self.weights:
            targets = transform.get_deltas(boxes, gt_boxes)
            term = balanced_l1(deltas, targets, self.alpha, self.gamma, self.beta, "sum")
            loss = loss + self.weights["balanced_l1"] * term
        if "ciou" in self.weights:
            term = ciou_loss(transform.apply_deltas(deltas, boxes), gt_boxes, reduction="sum")
            loss = loss + self.weights["ciou"] * term
        return loss


class BoxLossFastRCNNOutputLayers(SuppressingOutputLayers):
    """Fast R-CNN's output layers with the box loss that MODEL.BOX_LOSS asks for."""

    @configurable
    def __init__(self, input_shape: ShapeSpec, *, box_loss: BoxLoss | None = None, **kwargs):
        """
        Args:
            box_loss: None for the base class's.
            kwargs: as for :class:`SuppressingOutputLayers`.
        """
        super().__init__(input_shape, **kwargs)
        self.box_loss = box_loss

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: ShapeSpec) -> dict:
        ret = super().from_config(cfg, input_shape)
        ret["box_loss"] = BoxLoss.from_config(cfg, "roi")
        return ret

    def box_reg_loss(self, proposal_boxes, gt_boxes, pred_deltas, gt_classes):
        """As in the base class: summed over the foreground, divided by the number R of regions.

        Args:
            proposal_boxes, gt_boxes: R x 4.
            pred_deltas: R x 4, or R x 4K, of each class.
            gt_classes: R.
        """
        if self.box_loss is None:
            return super().box_reg_loss(proposal_boxes, gt_boxes, pred_deltas, gt_classes)
        foreground = (gt_classes >= 0) & (gt_classes < self.num_classes)
        deltas = pred_deltas[foreground]
        if deltas.shape[1] > 4:
            classes = gt_classes[foreground]
            deltas = deltas.unflatten(1, (-1, 4))[
                torch.arange(len(classes), device=classes.device), classes
            ]
        loss = self.box_loss(
            self.box2box_transform, proposal_boxes[foreground], deltas, gt_boxes[foreground]
        )
        return loss / max(gt_classes.numel(), 1)
