"""What a detection transformer is taught: the losses of all its layers, matched anew in each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from detectron2.utils import comm
from torch import Tensor

from ...counting import IGNORED_COUNT
from ..counting.loss import CountLoss
from .matching import match

Layer = dict[str, Tensor]
Targets = Sequence[dict[str, Tensor]]
Indices = list[tuple[Tensor, Tensor]]


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
        self.num_objects = _mean_over_processes(_number(targets), targets)
        self.sums: dict[str, Tensor] = defaultdict(float)  # type: ignore[arg-type]  # 0.0 + a tensor is one

    def add_layer(
        self,
        layer: Layer,
        count_outputs: Tensor | None = None,
        count_loss: CountLoss | None = None,
        *,
        suffix: str = "",
    ) -> None:
        """Match a layer's queries with the objects of each image, and add its losses.

        Args:
            count_outputs, count_loss: of a layer that counts, N x Q x B.
            suffix: of the names of the losses. "_enc" is of the encoder.
        """
        indices = []
        for i, objects in enumerate(self.targets):
            discount: Tensor | float = 0.0
            if count_loss is not None and count_outputs is not None and self.count_cost > 0:
                agreement = count_loss.counter.agreement(
                    count_outputs[i].detach(), objects["counts"].clamp(min=1)
                )
                known = objects["counts"] != IGNORED_COUNT
                discount = self.count_cost * (agreement * known[:, None]).T
            indices.append(match(layer["logits"][i], layer["pred_boxes"][i], objects, discount))
        self._add(layer, self.targets, indices, self.num_objects, suffix)
        if count_loss is not None and count_outputs is not None:
            pairs = list(zip(count_outputs, self.targets, indices, strict=True))
            outputs = torch.cat([o[queries] for o, _, (queries, _) in pairs])
            counts = torch.cat([t["counts"][objects] for _, t, (_, objects) in pairs])
            known = counts != IGNORED_COUNT
            self.sums["loss_count"] += count_loss(outputs[known], counts[known])

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
        self, layer: Layer, targets: Targets, indices: Indices, number: float, suffix: str
    ) -> None:
        for kind in self.criterion.losses:
            losses = self.criterion.get_loss(kind, layer, targets, indices, number)
            for name, loss in losses.items():
                self.sums[f"{name}{suffix}"] += self.criterion.weight_dict[name] * loss


def _number(targets: Targets) -> int:
    return sum(len(t["boxes"]) for t in targets)


def _mean_over_processes(number: int, targets: Targets) -> float:
    """Objects of a minibatch, at least 1."""
    if comm.get_world_size() > 1:
        total = torch.tensor(float(number), device=targets[0]["boxes"].device)
        torch.distributed.all_reduce(total)
        number = total.item() / comm.get_world_size()
    return max(float(number), 1.0)
