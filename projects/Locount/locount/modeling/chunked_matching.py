"""Matching of boxes with ground truth in memory that does not grow with the product of the two.

Shape shorthand: M boxes of ground truth, N boxes to be matched.
"""

from __future__ import annotations

import torch
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, pairwise_iou
from torch import Tensor

# IoUs that are held at a time; what computes them takes about ten times their memory.
MAX_IOUS = 2**22


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
    matches, ious, rescued = [], [], []
    start = 0
    for chunk in boxes.tensor.split(max(1, max_ious // len(gt_boxes))):
        iou = pairwise_iou(gt_boxes, Boxes(chunk))
        best, match = iou.max(dim=0)
        ious.append(best)
        matches.append(match)
        if matcher.allow_low_quality_matches:
            best_of_gt = torch.maximum(best_of_gt, iou.max(dim=1).values)
            # The best so far; a later chunk may have a better one.
            gt, box = ((iou == best_of_gt[:, None]) & (iou > 0)).nonzero(as_tuple=True)
            rescued.append((gt, box + start, best_of_gt[gt]))
        start += len(chunk)
    _, labels = bands(torch.cat(ious)[None])
    for gt, box, iou in rescued:
        labels[box[iou == best_of_gt[gt]]] = 1
    if rescued and (best_of_gt == 0).any():
        labels[:] = 1  # every box is as near as any other to what none overlaps
    return torch.cat(matches), labels
