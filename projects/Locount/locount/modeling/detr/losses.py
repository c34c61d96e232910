"""What a detection transformer is taught: the losses of all its layers, matched anew in each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from detectron2.utils import comm
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn

from ...counting import IGNORED_COUNT
from ..count_loss import CountLoss
from .matching import Costs, match

Layer = dict[str, Tensor]
Targets = Sequence[dict[str, Tensor]]
Indices = list[tuple[Tensor, Tensor]]


class LayerCounting:
    """The counting of one decoder layer: its outputs, and the loss of its stage."""

    def __init__(self, outputs: Tensor, loss: CountLoss, scope: str):
        """
        Args:
            outputs: N x Q x B.
            scope: before the names in the training log; "" for none.
        """
        self.outputs, self.loss, self.scope = outputs, loss, scope

    def loss_of(self, targets: Targets, indices: Indices) -> Tensor:
        """The counting loss of the matched queries whose object's count is known."""
        outputs = [o[queries] for o, (queries, _) in zip(self.outputs, indices, strict=True)]
        counts = [t["counts"][objects] for t, (_, objects) in zip(targets, indices, strict=True)]
        outputs, counts = torch.cat(outputs), torch.cat(counts)
        known = counts != IGNORED_COUNT
        with get_event_storage().name_scope(self.scope) if self.scope else nullcontext():
            return self.loss(outputs[known], counts[known])


class SetLosses:
    """Sums of the losses over layers, by kind."""

    def __init__(self, criterion: nn.Module, costs: Costs):
        """
        Args:
            criterion: the library's losses of a layer, with weights.
        """
        self.criterion, self.costs = criterion, costs
        self.sums: dict[str, Tensor] = defaultdict(float)

    def add_layer(
        self,
        layer: Layer,
        targets: Targets,
        *,
        suffix: str = "",
        counting: LayerCounting | None = None,
    ) -> None:
        """Match a layer's queries with the objects of each image, and add its losses.

        Args:
            suffix: of the names of the losses.
            counting: then the count may also have a say in the matching.
        """
        indices = []
        for i, objects in enumerate(targets):
            outputs = (counting.loss.counter, counting.outputs[i].detach()) if counting else None
            predicted = layer["logits"][i], layer["pred_boxes"][i]
            indices.append(match(*predicted, objects, self.costs, outputs))
        self._add(layer, targets, indices, suffix)
        if counting is not None:
            self.sums["loss_count"] += counting.loss_of(targets, indices)

    def add_denoised(self, layer: Layer, targets: Targets, about: dict[str, Any]) -> None:
        """Add the losses of queries that each know which object they are to repair.

        Args:
            about: the library's description of them.
        """
        indices = self.criterion.get_cdn_matched_indices(about, targets)
        self._add(layer, targets, indices, "_dn", about["dn_num_group"])

    def finished(self, network: nn.Module) -> dict[str, Tensor]:
        """The sums. All weights have a share in them, as several processes must have it."""
        unused = getattr(network.model, "denoising_class_embed", None)
        if unused is not None:  # without objects nothing is denoised
            self.sums["loss_vfl"] += 0 * unused.weight.sum()
        return dict(self.sums)

    def _add(
        self, layer: Layer, targets: Targets, indices: Indices, suffix: str, groups: int = 1
    ) -> None:
        number = groups * _mean_over_processes(sum(len(t["boxes"]) for t in targets), layer)
        for kind in self.criterion.losses:
            losses = self.criterion.get_loss(kind, layer, targets, indices, number)
            for name, loss in losses.items():
                self.sums[f"{name}{suffix}"] += self.criterion.weight_dict[name] * loss


def _mean_over_processes(number: int, layer: Layer) -> float:
    """Objects of a minibatch, at least 1."""
    if comm.get_world_size() > 1:
        total = torch.tensor(float(number), device=layer["logits"].device)
        torch.distributed.all_reduce(total)
        number = total.item() / comm.get_world_size()
    return max(number, 1.0)
