"""Test-time augmentation that keeps the counts."""

from __future__ import annotations

import torch
from detectron2.modeling import GeneralizedRCNNWithTTA
from detectron2.structures import Instances
from torch import nn

from ..errors import InputError
from .layers.suppression import suppress


class CountingRCNNWithTTA(GeneralizedRCNNWithTTA):
    """:class:`GeneralizedRCNNWithTTA` whose detections have counts where those of the model do.

    Of the detections in all versions of the image those are left that non-maximum suppression
    leaves, as in the base class, and each keeps its own count (docs/training.md says why).
    """

    def __init__(self, cfg, model: nn.Module, **kwargs):
        """
        Raises:
            InputError: for a model that Detectron2 can't augment, such as a one-stage detector.
        """
        try:
            super().__init__(cfg, model, **kwargs)
        except AssertionError as error:
            raise InputError(f"{error} Set TEST.AUG.ENABLED False.") from error

    def _batch_inference(self, batched_inputs, detected_instances=None):
        outputs = super()._batch_inference(batched_inputs, detected_instances)
        if detected_instances is None:
            # The base class hands boxes, scores and classes on to be merged, but not the counts.
            self._detections = outputs
        return outputs

    def _merge_detections(self, all_boxes, all_scores, all_classes, shape_hw) -> Instances:
        if not all(d.has("pred_counts") for d in self._detections):
            return super()._merge_detections(all_boxes, all_scores, all_classes, shape_hw)
        scores, classes, counts, count_scores = (
            torch.cat([d.get(name) for d in self._detections])
            for name in ("scores", "pred_classes", "pred_counts", "count_scores")
        )
        score_matrix = scores.new_zeros(len(scores), self.cfg.MODEL.ROI_HEADS.NUM_CLASSES + 1)
        score_matrix.scatter_(1, classes[:, None], scores[:, None])
        (merged,), (places,) = suppress(
            [all_boxes],
            [score_matrix],
            [shape_hw],
            1e-8,  # as in the base class: the model has applied its threshold
            self.cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST,
            self.cfg.TEST.DETECTIONS_PER_IMAGE,
        )
        merged.pred_counts, merged.count_scores = counts[places], count_scores[places]
        return merged
