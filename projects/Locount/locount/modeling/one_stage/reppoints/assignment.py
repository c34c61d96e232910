"""Which ground-truth box each location learns from, in both stages. Shapes as in points.py.

Both functions give R integers: the index in [0, M) of the location's box, or one of the constants.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, pairwise_iou
from torch import Tensor

BACKGROUND = -1
IGNORED = -2


@torch.no_grad()
def assign_centers(
    gt_boxes: Boxes, sizes: Sequence[tuple[int, int]], strides: Sequence[int], base_scale: float
) -> Tensor:
    """The first stage: each box goes to the one location that is nearest to its center.

    Its level is that of stride 2 ** floor(log2(sqrt(width * height) / base_scale)), or the first or
    last one if there is none so fine or so coarse.

    The paper does not say what happens if two boxes meet at one location. It goes to the one whose
    center is nearer, of equally near ones to the first; the other box trains nothing in this stage.

    Args:
        gt_boxes: M.
        sizes: height and width of each level.
        strides: of each level, each twice the one before.

    Returns:
        R; BACKGROUND where no box is assigned.
    """
    size_of, stride_of = (torch.tensor(x, device=gt_boxes.device) for x in (sizes, strides))
    num_locations = size_of.prod(dim=1)
    first_location = num_locations.cumsum(0) - num_locations

    level = (gt_boxes.area().sqrt() / base_scale / strides[0]).log2().floor()
    # Before the conversion, because the logarithm of an empty box is not finite.
    level = level.clamp(0, len(strides) - 1).long()
    size, stride = size_of[level], stride_of[level, None]
    center = gt_boxes.get_centers().flip(1)  # (y, x), as sizes
    cell = (center / stride).round().long().clamp(min=0).minimum(size - 1)
    location = first_location[level] + cell[:, 0] * size[:, 1] + cell[:, 1]
    distance = (center - cell * stride).norm(dim=1)

    index = torch.arange(len(gt_boxes), device=gt_boxes.device)
    nearest = distance.new_full((int(num_locations.sum()),), torch.inf)
    nearest = nearest.scatter_reduce(0, location, distance, "amin")
    wins = distance == nearest[location]
    assigned = index.new_full(nearest.shape, len(gt_boxes))
    assigned = assigned.scatter_reduce(0, location[wins], index[wins], "amin")
    return assigned.masked_fill(assigned == len(gt_boxes), BACKGROUND)


@torch.no_grad()
def assign_pseudo_boxes(gt_boxes: Boxes, pseudo_boxes: Boxes, matcher: Matcher) -> Tensor:
    """The second stage: each location goes to the box that its first pseudo box overlaps most.

    Args:
        gt_boxes: M.
        pseudo_boxes: R, of the first stage.
        matcher: with the labels 1 foreground, 0 background and -1 ignored. If it allows low-quality
            matches, they still need an IoU above 0.

    Returns:
        R; BACKGROUND or IGNORED where no box is assigned.
    """
    iou = pairwise_iou(gt_boxes, pseudo_boxes)
    # Matcher takes the best IoU of a box for a low-quality match even if it is 0, as it then is at
    # every location.
    touched = (iou > 0).any(dim=1).nonzero().squeeze(1)
    matches, labels = matcher(iou[touched])
    assigned = torch.full_like(matches, BACKGROUND)
    assigned[labels == 1] = touched[matches[labels == 1]]
    return assigned.masked_fill(labels == -1, IGNORED)
