"""Region proposal network for images full of objects."""

from __future__ import annotations

import torch
from detectron2.modeling.proposal_generator import PROPOSAL_GENERATOR_REGISTRY, RPN
from detectron2.structures import Boxes, Instances
from torch import Tensor

from .chunked_matching import match_boxes


@PROPOSAL_GENERATOR_REGISTRY.register()
class ChunkedRPN(RPN):
    """Detectron2's RPN, which compares anchors and objects in chunks, with the same result."""

    @torch.no_grad()
    def label_and_sample_anchors(
        self, anchors: list[Boxes], gt_instances: list[Instances]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """As in the base class, in memory that does not grow with the number of objects."""
        if self.anchor_boundary_thresh >= 0:
            return super().label_and_sample_anchors(anchors, gt_instances)
        every = Boxes.cat(anchors)
        labels, boxes = [], []
        for objects in gt_instances:
            matches, label = match_boxes(self.anchor_matcher, objects.gt_boxes, every)
            labels.append(self._subsample_labels(label))
            boxes.append(
                objects.gt_boxes.tensor[matches] if len(objects) else torch.zeros_like(every.tensor)
            )
        return labels, boxes
