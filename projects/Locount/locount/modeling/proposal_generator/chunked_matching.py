"""Matching of boxes with ground truth in memory that does not grow with the product of the two.

Shape shorthand: M boxes of ground truth, N boxes to be matched.
"""

from __future__ import annotations

import torch
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, pairwise_iou
from torch import Tensor

# IoUs that are held at a time: 64 MB, and several times that to compute them. Of blocks below 32 MB
# the C library gives less back, and they add up.
MAX_IOUS = 2**24


@torch.no_grad()
def match_boxes(
    matcher: Matcher, gt_boxes: Boxes, boxes: Boxes, max_ious: int = MAX_IOUS
) -> tuple[Tensor, Tensor]:
    """``matcher(pairwise_iou(gt_boxes, boxes))``, value by value, without the M x N matrix.

    Returns:
        Of each box, the ground truth in [0, M) that it matches, int64, and its label, int8: (N,)
        each. Without ground truth they are 0 and the label of IoU 0.
    """
    bands = Matcher(matcher.thresholds[1:-1], matcher.labels)  # every box by itself
    if len(gt_boxes) * len(boxes) == 0:
        return bands(pairwise_iou(gt_boxes, boxes))
    best_of_gt = gt_boxes.tensor.new_zeros(len(gt_boxes))
    # Allocated before the loop: results that stay between freed chunks would keep their memory.
    ious = gt_boxes.tensor.new_empty(len(boxes))
    matches = torch.empty(len(boxes), dtype=torch.int64, device=ious.device)
    rescued = []
    start = 0
    for chunk in boxes.tensor.split(max(1, max_ious // len(gt_boxes))):
        iou, end = pairwise_iou(gt_boxes, Boxes(chunk)), start + len(chunk)
        torch.max(iou, dim=0, out=(ious[start:end], matches[start:end]))
        if matcher.allow_low_quality_matches:
            best_of_gt = torch.maximum(best_of_gt, iou.max(dim=1).values)
            # The best so far; a later chunk may have a better one.
            gt, box = ((iou == best_of_gt[:, None]) & (iou > 0)).nonzero(as_tuple=True)
            rescued.append((gt, box + start, best_of_gt[gt]))
        start = end
    _, labels = bands(ious[None])
    for gt, box, iou in rescued:
        labels[box[iou == best_of_gt[gt]]] = 1
    if rescued and (best_of_gt == 0).any():
        labels[:] = 1  # every box is as near as any other to what none overlaps
    return matches, labels
