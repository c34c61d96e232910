"""From the predictions of regions to detections, by NMS or soft-NMS. Shapes as in counters.py."""

from __future__ import annotations

from collections.abc import Sequence

from detectron2.modeling.roi_heads.fast_rcnn import fast_rcnn_inference
from detectron2.structures import Instances
from torch import Tensor

from .soft_nms import SoftNMS


def suppress(
    boxes: Sequence[Tensor],
    scores: Sequence[Tensor],
    image_shapes: Sequence[tuple[int, int]],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
    soft_nms: SoftNMS | None = None,
) -> tuple[list[Instances], list[Tensor]]:
    """:func:`fast_rcnn_inference`, with soft-NMS in place of its NMS if asked for.

    Args:
        boxes, scores: per image, Ri x 4 (or Ri x 4K) and Ri x (K + 1), as for
            :func:`fast_rcnn_inference`.
        image_shapes, score_thresh, nms_thresh, topk_per_image: likewise.
        soft_nms: None for NMS.

    Returns:
        Per image, the detections with ``pred_boxes``, ``scores`` and ``pred_classes``, best first,
        and the index in [0, Ri) of the region of each.
    """
    # All that is above the score threshold is left to soft-NMS: no IoU is above 1.
    hard = (nms_thresh, topk_per_image) if soft_nms is None else (1.0, -1)
    found, kept = fast_rcnn_inference(boxes, scores, image_shapes, score_thresh, *hard)
    # It drops regions that are not finite and renumbers the rest.
    regions = [
        (b.isfinite().all(dim=1) & s.isfinite().all(dim=1)).nonzero().squeeze(1)[k]
        for b, s, k in zip(boxes, scores, kept, strict=True)
    ]
    if soft_nms is None:
        return found, regions
    rescored = [soft_nms(d, nms_thresh, score_thresh, topk_per_image) for d in found]
    return (
        [detections for detections, _ in rescored],
        [r[k] for r, (_, k) in zip(regions, rescored, strict=True)],
    )
