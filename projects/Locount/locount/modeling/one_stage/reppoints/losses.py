"""The losses of both stages. Shapes as in points.py, matches as in assignment.py.

Each is a sum divided by the number of foreground locations in the minibatch, at least 1, and zero
with its graph where nothing is trained.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from detectron2.structures import Boxes
from fvcore.nn import sigmoid_focal_loss, smooth_l1_loss
from torch import Tensor
from torch.nn import functional as F

from .assignment import IGNORED


def num_foreground(matches: Tensor) -> int:
    """Of all images, at least 1."""
    return max(int((matches >= 0).sum()), 1)


def of_matches(values: Sequence[Tensor], matches: Tensor) -> Tensor:
    """What is true of the boxes that foreground locations are matched with, image by image.

    Args:
        values: per image, of M boxes.
        matches: N x R.
    """
    return torch.cat([v[m[m >= 0]] for v, m in zip(values, matches, strict=True)])


def box_loss(
    boxes: Tensor, gt_boxes: Sequence[Boxes], matches: Tensor, scales: Tensor, beta: float
) -> Tensor:
    """Smooth L1 of the foreground's four coordinates, in units of each location's scale.

    Args:
        boxes: N x R x 4.
        gt_boxes: per image, M.
        matches: N x R.
        scales: R, in pixels.
        beta: where the loss turns from quadratic to linear.
    """
    foreground = matches >= 0
    targets = of_matches([b.tensor for b in gt_boxes], matches)
    scale = scales.expand(foreground.shape)[foreground][:, None]
    loss = smooth_l1_loss(boxes[foreground] / scale, targets / scale, beta, reduction="sum")
    return loss / num_foreground(matches)


def class_loss(
    logits: Tensor, gt_classes: Sequence[Tensor], matches: Tensor, alpha: float, gamma: float
) -> Tensor:
    """Focal loss of every class at every location that is not ignored.

    Args:
        logits: N x R x K.
        gt_classes: per image, M.
        matches: N x R.
        alpha, gamma: as for :func:`sigmoid_focal_loss`.
    """
    trained, targets = matches != IGNORED, torch.zeros_like(logits)
    targets[matches >= 0] = F.one_hot(of_matches(gt_classes, matches), logits.shape[2]).to(targets)
    loss = sigmoid_focal_loss(
        logits[trained], targets[trained], alpha=alpha, gamma=gamma, reduction="sum"
    )
    return loss / num_foreground(matches)
