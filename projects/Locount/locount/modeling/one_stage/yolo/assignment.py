"""Which prediction of YOLO learns which object. Shapes are those of :mod:`.anchors`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from detectron2.structures import Boxes, Instances, pairwise_iou
from torch import Tensor
from torch.nn import functional as F

from .anchors import Levels


class Targets(NamedTuple):
    """What the predictions of a batch should be; P of them are matched with an object.

    Attributes:
        objectness: N x R, 1 for the matched ones and 0 for the others, float32.
        judged: N x R, 1 where objectness is trained and 0 where not, float32.
        images, predictions: P integers in [0, N) and [0, R).
        boxes: P x 4, XYXY.
        classes: P.
        weights: P, of :func:`size_weights`.
    """

    objectness: Tensor
    judged: Tensor
    images: Tensor
    predictions: Tensor
    boxes: Tensor
    classes: Tensor
    weights: Tensor


def shape_iou(sizes: Tensor, others: Tensor) -> Tensor:
    """IoU of boxes laid on one another: m x n, of widths and heights, m x 2 and n x 2."""
    return pairwise_iou(*(Boxes(F.pad(x, (2, 0))) for x in (sizes, others)))


def match_objects(boxes: Tensor, levels: Levels) -> tuple[Tensor, Tensor]:
    """Give each object one prediction, as YOLOv3 does.

    It is that of the anchor whose shape fits best, among those of all levels, in the cell that the
    center lies in. Where two objects want the same prediction the later one has it, as in the
    authors' program; no prediction learns the other.

    Args:
        boxes: M x 4, XYXY in pixels, of positive width and height, within the maps.

    Returns:
        P integers in [0, R) and P in [0, M), each at most once: predictions and their objects.
    """
    num_anchors = levels.anchors.shape[1]
    upper_left, lower_right = boxes.split(2, dim=1)
    best = shape_iou(lower_right - upper_left, levels.anchors.flatten(0, 1))
    # Without objects argmax has no value to give.
    best = best.argmax(dim=1) if len(boxes) else best.new_zeros(0, dtype=torch.long)
    level, anchor = best // num_anchors, best % num_anchors

    sizes = torch.tensor(levels.shapes, device=boxes.device)  # L x 2
    per_level = sizes.prod(dim=1) * num_anchors
    start = (per_level.cumsum(0) - per_level)[level]
    height, width = sizes[level].unbind(1)
    stride = torch.tensor(levels.strides, device=boxes.device)[level]
    column, row = ((upper_left + lower_right) / 2 / stride[:, None]).long().unbind(1)
    # A center on the right or lower edge of the maps belongs to the last cell.
    column, row = column.minimum(width - 1), row.minimum(height - 1)
    predictions = start + (row * width + column) * num_anchors + anchor

    later_too = (predictions[:, None] == predictions).triu(diagonal=1).any(dim=1)
    objects = torch.arange(len(boxes), device=boxes.device)[~later_too]
    return predictions[objects], objects


def find_objects(predicted: Tensor, boxes: Tensor, threshold: float) -> Tensor:
    """Which predictions overlap an object so much that they are not wrong, matched or not.

    Args:
        predicted: R x 4, XYXY.
        boxes: M x 4.
        threshold: of the IoU, in [0, 1].

    Returns:
        R booleans: whether the IoU with an object is above the threshold.
    """
    return (pairwise_iou(Boxes(boxes), Boxes(predicted)) > threshold).any(dim=0)


def size_weights(boxes: Tensor, image_size: tuple[int, int]) -> Tensor:
    """Weights of box losses that favor small objects: 2 less their share of the image's area.

    Args:
        boxes: P x 4, XYXY.
        image_size: height and width.

    Returns:
        P in [1, 2].
    """
    height, width = image_size
    return 2 - (boxes[:, 2:] - boxes[:, :2]).prod(dim=1) / (height * width)


def assign_targets(
    predicted: Tensor, objects: Sequence[Instances], levels: Levels, *, ignore_thresh: float
) -> Targets:
    """Match each image's objects and mark the predictions that are not judged.

    Args:
        predicted: N x R x 4, XYXY.
        objects: N, with gt_boxes and gt_classes.
        ignore_thresh: of :func:`find_objects`.
    """
    objectness, judged = torch.zeros_like(predicted[..., 0]), torch.ones_like(predicted[..., 0])
    parts = []
    for i, image in enumerate(objects):
        boxes = image.gt_boxes.tensor
        matched, learned = match_objects(boxes, levels)
        objectness[i, matched] = 1.0
        judged[i, find_objects(predicted[i], boxes, ignore_thresh)] = 0.0
        judged[i, matched] = 1.0
        boxes, classes = boxes[learned], image.gt_classes[learned]
        weights = size_weights(boxes, image.image_size)
        parts.append((torch.full_like(matched, i), matched, boxes, classes, weights))
    return Targets(objectness, judged, *map(torch.cat, zip(*parts, strict=True)))
