"""Detections of one-stage detectors that remember where they come from.

Shape shorthand: R anchors (or locations) of an image, over all levels; K classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from detectron2.config import CfgNode
from detectron2.layers import batched_nms
from detectron2.structures import Boxes, Instances
from torch import Tensor

from ..layers.matrix_nms import matrix_nms


def detect_as(cfg: CfgNode, node: CfgNode) -> Callable[..., tuple[Instances, Tensor]]:
    """:func:`detect` with the options in the node of a detector, such as MODEL.YOLO."""
    return partial(
        detect,
        score_thresh=node.SCORE_THRESH_TEST,
        topk=node.TOPK_CANDIDATES_TEST,
        nms_thresh=node.NMS_THRESH_TEST,
        max_detections=cfg.TEST.DETECTIONS_PER_IMAGE,
    )


def detect(
    scores: Sequence[Tensor],
    boxes_of: Callable[[Tensor], Tensor],
    image_size: tuple[int, int],
    *,
    score_thresh: float,
    topk: int,
    nms_thresh: float,
    max_detections: int,
    nms: str = "greedy",
) -> tuple[Instances, Tensor]:
    """The detections of an image: the best of each level, after NMS in each class.

    Args:
        scores: of the levels, R x K in all.
        boxes_of: from indices in [0, R) to as many boxes, n x 4.
        score_thresh, topk: as for :func:`best_candidates`; scores are above it after NMS too.
        nms_thresh: IoU above which "greedy" removes the worse box.
        max_detections: after NMS.
        nms: "greedy" removes what overlaps a better box; "matrix" lowers its score.

    Returns:
        Detections with ``pred_boxes``, ``scores`` and ``pred_classes``, best first, and the index
        in [0, R) that each is from.
    """
    index, classes, best = best_candidates(scores, score_thresh, topk)
    boxes = boxes_of(index)
    if nms == "matrix":
        best = matrix_nms(boxes, best, classes)
        kept = best.argsort(descending=True, stable=True)
        kept = kept[best[kept] > score_thresh]
    else:
        kept = batched_nms(boxes, best, classes, nms_thresh)
    kept = kept[:max_detections]
    detections = Instances(
        image_size, pred_boxes=Boxes(boxes[kept]), scores=best[kept], pred_classes=classes[kept]
    )
    return detections, index[kept]


def best_candidates(
    scores: Sequence[Tensor], score_thresh: float, topk: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The pairs of index and class that suppression begins with.

    Args:
        scores: of the levels, R x K in all.
        topk: at most this many of each level, those with the highest scores.

    Returns:
        Indices in [0, R), classes and scores, of the pairs whose score is above ``score_thresh``.
    """
    candidates, first = [], 0
    for level in scores:
        index, classes = (level > score_thresh).nonzero(as_tuple=True)
        best, order = level[index, classes].sort(descending=True, stable=True)
        candidates.append((index[order][:topk] + first, classes[order][:topk], best[:topk]))
        first += len(level)
    index, classes, best = (torch.cat(parts) for parts in zip(*candidates, strict=True))
    return index, classes, best
