"""Which query finds which object: the cheapest assignment, in which the count can have a say.

Shape shorthand, beside that of counters.py:

    Q: number of queries of an image
    M: number of objects of an image
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_convert, generalized_box_iou

from ...counting import IGNORED_COUNT
from ..counters import Counter


class Costs(NamedTuple):
    """Weights of the parts of a cost, those of Deformable DETR by default."""

    category: float = 2.0
    box: float = 5.0
    giou: float = 2.0
    count: float = 0.0


@torch.no_grad()
def match(
    logits: Tensor,
    boxes: Tensor,
    objects: dict[str, Tensor],
    costs: Costs,
    counting: tuple[Counter, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """The one-to-one assignment of the least total cost in an image.

    Args:
        logits: Q x K.
        boxes: Q x 4, center, width and height in [0, 1].
        objects: "class_labels" and "boxes" of M objects, and "counts" where ``counting`` is given.
        counting: counter and outputs, Q x B; None where the count has no say.

    Returns:
        Indices of min(Q, M) queries, and of the objects that they are to find.
    """
    from scipy.optimize import linear_sum_assignment  # of an extra

    cost = pair_costs(logits, boxes, objects, costs, counting)
    # A broken prediction is matched last, and its loss then says what is broken.
    worst = torch.finfo(cost.dtype).max
    cost = cost.nan_to_num(nan=worst, posinf=worst, neginf=worst)
    queries, found = linear_sum_assignment(cost.cpu())
    return tuple(torch.as_tensor(i, dtype=torch.int64, device=logits.device) for i in (queries, found))


def pair_costs(
    logits: Tensor,
    boxes: Tensor,
    objects: dict[str, Tensor],
    costs: Costs,
    counting: tuple[Counter, Tensor] | None = None,
) -> Tensor:
    """Q x M: of class (as a focal loss, α = 0.25, γ = 2), of L1 and GIoU of boxes, and of the count,
    which is minus its agreement; arguments as for :func:`match`."""
    p = logits.sigmoid()[:, objects["class_labels"]]
    as_object = 0.25 * (1 - p) ** 2 * -(p + 1e-8).log()
    as_background = 0.75 * p**2 * -(1 - p + 1e-8).log()
    cost = costs.category * (as_object - as_background)
    cost = cost + costs.box * torch.cdist(boxes, objects["boxes"], p=1)
    corners = (box_convert(b, "cxcywh", "xyxy") for b in (boxes, objects["boxes"]))
    cost = cost - costs.giou * generalized_box_iou(*corners)
    if counting is not None and costs.count > 0:
        counter, outputs = counting
        known = objects["counts"] != IGNORED_COUNT
        cost[:, known] -= costs.count * counter.agreement(outputs, objects["counts"][known]).T
    return cost
