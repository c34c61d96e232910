"""Test-time augmentation that keeps the counts."""

from __future__ import annotations

import torch
from detectron2.modeling import GeneralizedRCNNWithTTA
from detectron2.structures import Boxes, Instances, pairwise_iou
from torch import Tensor, nn
from torch.nn import functional as F

from ..counting import num_passed_ac_thresholds
from ..errors import InputError
from .counting_inference import counting_inference


class CountingRCNNWithTTA(GeneralizedRCNNWithTTA):
    """:class:`GeneralizedRCNNWithTTA` whose detections have counts where those of the model do.

    Boxes, scores and classes are those of the base class: of the detections in all versions of the
    image, what non-maximum suppression leaves. The suppressed ones vote on the count of the one
    they yield to (:func:`vote_on_counts`), each with its score times its count score.
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
        nms_thresh = self.cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST
        (merged,), (winners,) = counting_inference(
            [all_boxes],
            [score_matrix],
            [counts],
            [count_scores],
            [shape_hw],
            1e-8,  # as in the base class: the model has applied its threshold
            nms_thresh,
            self.cfg.TEST.DETECTIONS_PER_IMAGE,
        )
        votes = pairwise_iou(merged.pred_boxes, Boxes(all_boxes)) > nms_thresh
        votes &= merged.pred_classes[:, None] == classes[None]
        votes.scatter_(1, winners[:, None], True)  # an empty box overlaps nothing, not even itself
        merged.pred_counts, merged.count_scores = vote_on_counts(
            votes * scores, counts, count_scores
        )
        return merged


def vote_on_counts(weights: Tensor, counts: Tensor, count_scores: Tensor) -> tuple[Tensor, Tensor]:
    """Of the counts voted for, the one that is expected to pass most AC thresholds.

    They are the thresholds 0.50:0.05:0.95 of the evaluation and 1, so that of two counts that pass
    the same the likelier one wins.

    Args:
        weights: D x R >= 0, how much vote r matters to detection d; each row has a positive one.
        counts: R integers >= 1, the counts voted for.
        count_scores: R numbers in [0, 1], how sure each vote is.

    Returns:
        D counts, and D scores in [0, 1]: the weighted mean of the count scores of the votes for the
        count, those of the other votes being 0.
    """
    candidates, index = counts.unique(return_inverse=True)
    if len(candidates) == 0:
        return counts.new_empty(0), count_scores.new_empty(0)
    voters = F.one_hot(index).to(weights.dtype)  # R x candidates
    shares = (weights * count_scores) @ voters
    passed = num_passed_ac_thresholds(candidates[None], candidates[:, None])  # true x reported
    expected = shares @ (passed.to(shares.dtype) + torch.eye(len(candidates)).to(shares))
    best = expected.masked_fill(weights @ voters == 0, -1).argmax(dim=1)
    scores = shares.gather(1, best[:, None]).squeeze(1) / weights.sum(dim=1)
    return candidates[best], scores
