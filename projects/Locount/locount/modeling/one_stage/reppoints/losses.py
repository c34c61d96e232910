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

from .assignment import IGNORED


def num_foreground(matches: Sequence[Tensor]) -> int:
    """Of all images, at least 1."""
    return max(sum(int((m >= 0).sum()) for m in matches), 1)


def of_matches(values: Sequence[Tensor], matches: Sequence[Tensor], otherwise: int) -> Tensor:
    """The class or count of the box that each location is matched with.

    Args:
        values: per image, M integers.
        matches: per image, R.
        otherwise: for the locations without a box.

    Returns:
        N x R.
    """
    targets = [m.new_full(m.shape, otherwise) for m in matches]
    for target, value, match in zip(targets, values, matches, strict=True):
        target[match >= 0] = value[match[match >= 0]]
    return torch.stack(targets)


def box_loss(
    boxes: Tensor, gt_boxes: Sequence[Boxes], matches: Sequence[Tensor], scales: Tensor, beta: float
) -> Tensor:
    """Smooth L1 of the foreground's four coordinates, in units of each location's scale.

    Args:
        boxes: N x R x 4.
        gt_boxes: per image, M.
        matches: per image, R.
        scales: R, in pixels.
        beta: where the loss turns from quadratic to linear.
    """
    foreground = torch.stack(list(matches)) >= 0
    targets = torch.cat([b.tensor[m[m >= 0]] for b, m in zip(gt_boxes, matches, strict=True)])
    scale = scales.expand(foreground.shape)[foreground][:, None]
    loss = smooth_l1_loss(boxes[foreground] / scale, targets / scale, beta, reduction="sum")
    return loss / num_foreground(matches)


def class_loss(
    logits: Tensor,
    gt_classes: Sequence[Tensor],
    matches: Sequence[Tensor],
    alpha: float,
    gamma: float,
) -> Tensor:
    """Focal loss of every class at every location that is not ignored.

    Args:
        logits: N x R x K.
        gt_classes: per image, M.
        matches: per image, R.
        alpha, gamma: as for :func:`sigmoid_focal_loss`.
    """
    num_classes = logits.shape[-1]
    trained = torch.stack(list(matches)) != IGNORED
    classes = of_matches(gt_classes, matches, num_classes)[trained]
    targets = logits.new_zeros(len(classes), num_classes + 1).scatter_(1, classes[:, None], 1)
    targets = targets[:, :-1]  # no column for the background
    loss = sigmoid_focal_loss(logits[trained], targets, alpha=alpha, gamma=gamma, reduction="sum")
    return loss / num_foreground(matches)
