"""From per-region predictions to detections that carry counts. Shapes as in counters.py."""

from __future__ import annotations

from collections.abc import Sequence

from detectron2.modeling.roi_heads.fast_rcnn import fast_rcnn_inference
from detectron2.structures import Instances
from torch import Tensor


def counting_inference(
    boxes: Sequence[Tensor],
    scores: Sequence[Tensor],
    counts: Sequence[Tensor],
    count_scores: Sequence[Tensor],
    image_shapes: Sequence[tuple[int, int]],
    score_thresh: float,
    nms_thresh: float,
    topk_per_image: int,
) -> tuple[list[Instances], list[Tensor]]:
    """:func:`fast_rcnn_inference`, whose detections also get the count of their region.

    Args:
        boxes, scores: per image, Ri x 4 (or Ri x 4K) and Ri x (K + 1), as for
            :func:`fast_rcnn_inference`.
        counts: per image, Ri integers.
        count_scores: per image, Ri numbers in [0, 1].
        image_shapes, score_thresh, nms_thresh, topk_per_image: as for :func:`fast_rcnn_inference`.

    Returns:
        Per image, the detections with ``pred_boxes``, ``scores``, ``pred_classes``, ``pred_counts``
        and ``count_scores``, and the index in [0, Ri) of the region of each.
    """
    # fast_rcnn_inference drops regions that are not finite and numbers the rest anew.
    finite = [
        (b.isfinite().all(dim=1) & s.isfinite().all(dim=1)).nonzero().squeeze(1)
        for b, s in zip(boxes, scores, strict=True)
    ]
    instances, kept = fast_rcnn_inference(
        [b[i] for b, i in zip(boxes, finite, strict=True)],
        [s[i] for s, i in zip(scores, finite, strict=True)],
        image_shapes,
        score_thresh,
        nms_thresh,
        topk_per_image,
    )
    regions = [i[k] for i, k in zip(finite, kept, strict=True)]
    for detections, region, count, count_score in zip(
        instances, regions, counts, count_scores, strict=True
    ):
        detections.pred_counts = count[region]
        detections.count_scores = count_score[region]
    return instances, regions
