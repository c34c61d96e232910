"""Soft-NMS (Bodla et al., ICCV 2017): what overlaps a better detection loses score, not existence.

Shape shorthand: N detections.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.structures import Boxes, Instances, pairwise_iou
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class SoftNMS:
    """Soft-NMS of one image, in each class by itself.

    Attributes:
        method: "linear" or "gaussian", as MODEL.SOFT_NMS.METHOD.
        iou_threshold: for "linear", the least IoU at which a score falls.
        sigma: for "gaussian", above 0.
        score_threshold: in [0, 1); only a higher score stays.
        max_detections: of highest score that stay; all if negative.
    """

    method: str
    iou_threshold: float
    sigma: float
    score_threshold: float
    max_detections: int

    @classmethod
    def from_config(cls, cfg: CfgNode) -> SoftNMS | None:
        """What a two-stage detector's config asks for; None for plain NMS."""
        node = cfg.MODEL.SOFT_NMS
        if node.METHOD == "none":
            return None
        return cls(
            method=node.METHOD,
            iou_threshold=cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST,
            sigma=node.SIGMA,
            score_threshold=cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST,
            max_detections=cfg.TEST.DETECTIONS_PER_IMAGE,
        )

    @torch.no_grad()
    def __call__(self, detections: Instances) -> tuple[Instances, Tensor]:
        """
        Args:
            detections: with ``pred_boxes``, ``scores`` and ``pred_classes``.

        Returns:
            Those that stay, best first, with their new scores and all other fields as they were;
            and their places in ``detections``. None stay of none.
        """
        scores = torch.zeros_like(detections.scores)
        for k in detections.pred_classes.unique():
            of_class = (detections.pred_classes == k).nonzero().squeeze(1)
            rescored = suppress(
                detections.scores[of_class].cpu().numpy(),
                self.factors(detections.pred_boxes[of_class]).cpu().numpy(),
                self.score_threshold,
            )
            scores[of_class] = torch.from_numpy(rescored).to(scores)
        kept = scores.argsort(descending=True, stable=True)
        kept = kept[scores[kept] > 0]
        if self.max_detections >= 0:
            kept = kept[: self.max_detections]
        result = detections[kept]
        result.scores = scores[kept]
        return result, kept

    def factors(self, boxes: Boxes) -> Tensor:
        """By what each box multiplies the score of each other one: (N, N), in [0, 1]."""
        iou = pairwise_iou(boxes, boxes)
        if self.method == "gaussian":
            return torch.exp(-iou.square() / self.sigma)
        return torch.where(iou >= self.iou_threshold, 1 - iou, 1.0)


def suppress(scores: np.ndarray, factors: np.ndarray, score_threshold: float) -> np.ndarray:
    """Take the best score again and again, and let it lower those that are left.

    Args:
        scores: (N,), at least 0.
        factors: (N, N), in [0, 1]; row i is what box i, once taken, multiplies the others' by.
        score_threshold: at least 0.

    Returns:
        The score at which each is taken, 0 where it is not above ``score_threshold``: (N,).
    """
    left, taken = scores.copy(), np.zeros_like(scores)
    for _ in range(len(scores)):
        best = left.argmax()
        if not left[best] > score_threshold:  # nor is any other, for scores only fall
            break
        taken[best] = left[best]
        left *= factors[best]
        left[best] = 0
    return taken


class SoftNMSMixin:
    """For :class:`StandardROIHeads` and :class:`CascadeROIHeads`: soft-NMS in place of NMS."""

    def __init__(self, *, soft_nms: SoftNMS | None = None, **kwargs):
        """
        Args:
            soft_nms: None for plain NMS.
            kwargs: as for the heads.
        """
        super().__init__(**kwargs)
        self.soft_nms = soft_nms
        if soft_nms is not None:
            predictor = self.box_predictor
            last = predictor[-1] if isinstance(predictor, nn.ModuleList) else predictor
            # The heads leave everything to soft-NMS: no IoU is above 1.
            last.test_nms_thresh, last.test_topk_per_image = 1.0, -1

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape) -> dict:
        return super().from_config(cfg, input_shape) | {"soft_nms": SoftNMS.from_config(cfg)}

    def _forward_box(self, *args):
        outputs = super()._forward_box(*args)
        if self.training or self.soft_nms is None:
            return outputs
        return [self.soft_nms(detections)[0] for detections in outputs]
