"""Which query finds which object: the cheapest one-to-one assignment.

Shape shorthand, beside that of counters.py:

    Q: number of queries of an image
    M: number of objects of an image
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import box_convert, generalized_box_iou

# Weights of the parts of a cost, the same in all three detectors.
CLASS, BOX, GIOU = 2.0, 5.0, 2.0


@torch.no_grad()
def match(
    logits: Tensor, boxes: Tensor, objects: dict[str, Tensor], discount: Tensor | float = 0.0
) -> tuple[Tensor, Tensor]:
    """The assignment of the least total cost in an image.

    Args:
        logits: Q x K.
        boxes: Q x 4, center, width and height in [0, 1].
        objects: "class_labels" and "boxes" of M objects.
        discount: Q x M, by which pairs are cheaper whose counts agree.

    Returns:
        Indices of min(Q, M) queries, and of the objects that they are to find.
    """
    from scipy.optimize import linear_sum_assignment  # of an extra

    cost = pair_costs(logits, boxes, objects) - discount
    # A broken prediction is matched last, and its loss then says what is broken.
    worst = torch.finfo(cost.dtype).max
    pairs = linear_sum_assignment(cost.nan_to_num(worst, worst, worst).cpu())
    queries, found = (torch.as_tensor(i, device=cost.device) for i in pairs)
    return queries, found


def pair_costs(logits: Tensor, boxes: Tensor, objects: dict[str, Tensor]) -> Tensor:
    """Q x M: what a focal loss (α = 0.25, γ = 2) of the class would be more than that of
    background, L1 of the boxes, and minus their GIoU; arguments as for :func:`match`."""
    p = logits.sigmoid()[:, objects["class_labels"]]
    focal = 0.25 * (1 - p) ** 2 * -(p + 1e-8).log() - 0.75 * p**2 * -(1 - p + 1e-8).log()
    corners = (box_convert(b, "cxcywh", "xyxy") for b in (boxes, objects["boxes"]))
    distance = torch.cdist(boxes, objects["boxes"], p=1)
    return CLASS * focal + BOX * distance - GIOU * generalized_box_iou(*corners)
