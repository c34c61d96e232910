"""From predictions of YOLO to detections. Shapes are those of :mod:`.anchors`."""

from __future__ import annotations

from dataclasses import dataclass

from detectron2.structures import Boxes, Instances
from torch import Tensor
from torchvision.ops import batched_nms

from ...layers.matrix_nms import matrix_nms
from ..detections import best_candidates


def class_scores(
    objectness: Tensor, classes: Tensor, ious: Tensor | None, iou_exponent: float
) -> Tensor:
    """Probability that there is an object, times that of each class.

    With a predicted IoU the first becomes objectness ** (1 - α) * IoU ** α (PP-YOLO).

    Args:
        objectness: R logits.
        classes: R x K logits.
        ious: R logits, or None.
        iou_exponent: α, in [0, 1].

    Returns:
        R x K, in [0, 1].
    """
    scores = objectness.sigmoid()
    if ious is not None:
        scores = scores ** (1 - iou_exponent) * ious.sigmoid() ** iou_exponent
    return scores[:, None] * classes.sigmoid()


@dataclass(frozen=True, kw_only=True)
class DetectionFilter:
    """What is left of an image's predictions.

    Attributes:
        nms: "greedy" removes what overlaps a better box of its class; "matrix" lowers its score.
        score_thresh: a detection's score is above it, before NMS and after.
        nms_thresh: IoU above which "greedy" removes the worse box.
        num_candidates: before NMS, of all classes and levels together.
        max_detections: of an image.
    """

    nms: str
    score_thresh: float
    nms_thresh: float
    num_candidates: int
    max_detections: int

    def __call__(self, boxes: Tensor, scores: Tensor, image_size: tuple[int, int]) -> Instances:
        """Select and suppress the candidates of an image.

        Args:
            boxes: R x 4, XYXY.
            scores: R x K.
            image_size: height and width; boxes are clipped to it.

        Returns:
            Those with the highest scores first.
        """
        index, classes, scores = best_candidates([scores], self.score_thresh, self.num_candidates)
        found = Boxes(boxes[index])
        found.clip(image_size)
        if self.nms == "matrix":
            scores = matrix_nms(found.tensor, scores, classes)
            order = scores.argsort(descending=True, stable=True)
            kept = order[scores[order] > self.score_thresh]
        else:
            kept = batched_nms(found.tensor, scores, classes, self.nms_thresh)
        kept = kept[: self.max_detections]
        return Instances(
            image_size, pred_boxes=found[kept], scores=scores[kept], pred_classes=classes[kept]
        )
