"""What a detection transformer is taught: the losses of all its layers, matched anew in each.

Shapes as in counters.py, and Q queries an image.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from detectron2.utils import comm
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import (
    box_convert,
    generalized_box_iou,
    generalized_box_iou_loss,
    sigmoid_focal_loss,
)

from ...counting import IGNORED_COUNT
from ..counting.loss import CountLoss

Layer = dict[str, Tensor]
Targets = Sequence[dict[str, Tensor]]
Indices = list[tuple[Tensor, Tensor]]

# Weights of the parts of a cost, the same in all three detectors.
CLASS, BOX, GIOU = 2.0, 5.0, 2.0


class SetLosses:
    """Sums of the losses over layers, by kind, each divided by the number of objects.

    Attributes:
        sums: by name.
    """

    def __init__(self, criterion: Any, targets: Targets, *, count_cost: float = 0.0):
        """
        Args:
            criterion: the library's losses of a layer, with weights.
            targets: the objects of each image: "class_labels", "boxes" and, for layers that count,
                "counts".
            count_cost: by which a pair is cheaper whose counts agree fully.
        """
        self.criterion, self.targets, self.count_cost = criterion, targets, count_cost
        number = sum(comm.all_gather(_number(targets))) / comm.get_world_size()
        self.num_objects = max(number, 1.0)
        self.sums: dict[str, Tensor] = defaultdict(float)  # type: ignore[arg-type]  # 0.0 + a tensor is one

    def add_layer(
        self, layer: Layer, count_loss: CountLoss | None = None, *, suffix: str = ""
    ) -> None:
        """Match a layer's queries with the objects of each image, and add its losses.

        Args:
            layer: "logits" N x Q x K, "pred_boxes" N x Q x 4 as center, width and height in
                [0, 1], what else the criterion wants, and with ``count_loss`` "counts" N x Q x B.
            suffix: of the names of the losses. "_enc" is of the encoder.
        """
        indices = []
        for i, objects in enumerate(self.targets):
            discount: Tensor | float = 0.0
            if count_loss is not None and self.count_cost > 0:
                agreement = count_loss.counter.agreement(
                    layer["counts"][i].detach(), objects["counts"].clamp(min=1)
                )
                known = objects["counts"] != IGNORED_COUNT
                discount = self.count_cost * (agreement * known[:, None]).T
            indices.append(match(layer["logits"][i], layer["pred_boxes"][i], objects, discount))
        self._add(layer, self.targets, indices, self.num_objects, suffix, count_loss)

    def add_denoised(self, layer: Layer, targets: Targets, about: dict) -> None:
        """Add the losses of queries that each know which object they are to repair.

        Args:
            targets: some of the objects of each image.
            about: the library's description of the queries.
        """
        indices = self.criterion.get_cdn_matched_indices(about, targets)
        share = _number(targets) / max(_number(self.targets), 1)
        self._add(layer, targets, indices, share * self.num_objects * about["dn_num_group"], "_dn")

    def _add(
        self,
        layer: Layer,
        targets: Targets,
        indices: Indices,
        number: float,
        suffix: str,
        count_loss: CountLoss | None = None,
    ) -> None:
        matched = self.criterion._get_source_permutation_idx(indices)
        boxes, true = layer["pred_boxes"][matched], _of_objects("boxes", targets, indices)
        corners = (box_convert(b, "cxcywh", "xyxy") for b in (boxes, true))
        losses = {  # pair by pair, where the library's own take a table of all pairs
            "loss_bbox": F.l1_loss(boxes, true, reduction="sum") / number,
            "loss_giou": generalized_box_iou_loss(*corners, reduction="sum") / number,
        }
        for kind in self.criterion.losses:
            if kind != "boxes":
                losses |= self.criterion.get_loss(kind, layer, targets, indices, number)
        for name, loss in losses.items():
            self.sums[f"{name}{suffix}"] += self.criterion.weight_dict[name] * loss
        if count_loss is not None:
            counts = _of_objects("counts", targets, indices)
            known = counts != IGNORED_COUNT
            loss = count_loss(layer["counts"][matched][known], counts[known])
            self.sums[f"loss_count{suffix}"] += loss


def _number(targets: Targets) -> int:
    return sum(len(t["boxes"]) for t in targets)


def _of_objects(key: str, targets: Targets, indices: Indices) -> Tensor:
    """What is true of the objects of all images that a query is matched with."""
    return torch.cat([t[key][objects] for t, (_, objects) in zip(targets, indices, strict=True)])


@torch.no_grad()
def match(
    logits: Tensor, boxes: Tensor, objects: dict[str, Tensor], discount: Tensor | float = 0.0
) -> tuple[Tensor, Tensor]:
    """Which query finds which object: the one-to-one assignment of the least total cost.

    A pair costs what a focal loss of the class would be more than that of background, L1 of the
    boxes, and minus their GIoU.

    Args:
        logits: Q x K.
        boxes: Q x 4, center, width and height in [0, 1].
        objects: "class_labels" and "boxes" of M objects.
        discount: Q x M, by which pairs are cheaper whose counts agree.

    Returns:
        Indices of min(Q, M) queries, and of the objects that they are to find.
    """
    from scipy.optimize import linear_sum_assignment  # of an extra

    of_class = logits[:, objects["class_labels"]]
    focal = sigmoid_focal_loss(of_class, torch.ones_like(of_class))
    focal -= sigmoid_focal_loss(of_class, torch.zeros_like(of_class))
    distance = torch.cdist(boxes, objects["boxes"], p=1)
    corners = (box_convert(b, "cxcywh", "xyxy") for b in (boxes, objects["boxes"]))
    giou = generalized_box_iou(*corners)
    cost = CLASS * focal + BOX * distance - GIOU * giou - discount
    # A broken prediction is matched last, and its loss then says what is broken.
    worst = torch.finfo(cost.dtype).max
    pairs = linear_sum_assignment(cost.nan_to_num(worst, worst, worst).cpu())
    queries, found = (torch.as_tensor(i, device=cost.device) for i in pairs)
    return queries, found
