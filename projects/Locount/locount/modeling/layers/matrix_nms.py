"""Matrix NMS (Wang et al., SOLOv2, NeurIPS 2020)."""

from __future__ import annotations

import torch
from detectron2.structures import Boxes, pairwise_iou
from torch import Tensor


def matrix_nms(boxes: Tensor, scores: Tensor, classes: Tensor) -> Tensor:
    """Lower the score of each box by how much better boxes of its class overlap it.

    With the linear kernel: box j keeps the least share (1 - IoU(i, j)) / (1 - c_i) over the better
    boxes i, where c_i is the largest IoU of i with a box better than i, for what suppresses j may
    itself be suppressed. All at once instead of one box after another.

    Args:
        boxes: R x 4, XYXY.
        scores: R in [0, 1]. Of equal ones the first is the better.
        classes: R integers.

    Returns:
        R scores, none above the score it comes from. No box is removed. Memory is quadratic in R.
    """
    if len(scores) == 0:
        return scores
    order = scores.argsort(descending=True, stable=True)
    classes = classes[order]
    ious = pairwise_iou(Boxes(boxes[order]), Boxes(boxes[order]))
    # Element i, j with i < j, of one class; all others overlap nothing.
    ious = torch.where(classes[:, None] == classes, ious, 0.0).triu(diagonal=1)
    covered = ious.max(dim=0).values
    # Where a better box hides i altogether, i suppresses nothing. Not 0, for 0 / 0 is not a number.
    kept = (1 - ious) / (1 - covered).clamp(min=1e-9)[:, None]
    kept = kept.min(dim=0).values.clamp(max=1.0)
    return torch.empty_like(scores).index_copy_(0, order, scores[order] * kept)
