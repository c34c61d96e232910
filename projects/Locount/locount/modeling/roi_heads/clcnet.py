"""The cascade that localizes and counts. Shapes as in counters.py."""

from __future__ import annotations

from functools import partial

import torch
from detectron2.config import configurable
from detectron2.modeling.roi_heads import ROI_HEADS_REGISTRY, CascadeROIHeads
from detectron2.structures import Boxes, Instances, pairwise_iou
from detectron2.utils.events import get_event_storage
from torch import Tensor

from ...config.checks import check_config
from ...counting import IGNORED_COUNT
from ..counting.build import build_counting
from ..counting.decoding import CountDecoder
from ..counting.loss import check_counts_given
from ..counting.matcher import CountAwareMatcher
from ..layers.suppression import suppress
from .box_losses import BoxLossFastRCNNOutputLayers, Predictions
from .output_layers import CountingFastRCNNOutputLayers


@ROI_HEADS_REGISTRY.register()
class CLCNetROIHeads(CascadeROIHeads):
    """The ROI heads of CLCNet (Cai et al., AAAI 2021): each stage classifies, regresses and counts.

    Counts are digits, and each stage holds some more of them than the one before
    (:class:`CountPartition`). Scores are averaged over the stages and boxes come from the last one,
    as in Cascade R-CNN; so does the count.

    With MODEL.COUNT_HEAD.STRATEGY "none" these are the heads of Cascade R-CNN, with balanced L1
    loss and MODEL.SOFT_NMS.
    """

    @configurable
    def __init__(
        self, *, count_decoder: CountDecoder | None = None, iou_exponent: float = 0.5, **kwargs
    ):
        """
        Args:
            count_decoder: of all stages; then the predictors are
                :class:`CountingFastRCNNOutputLayers` and the matchers :class:`CountAwareMatcher`.
                None for Cascade R-CNN, with :class:`BoxLossFastRCNNOutputLayers`.
            iou_exponent: α in [0, 1]: if the last stage predicts the IoU of its boxes, a score is
                what it would be to the power of 1 - α, times that IoU to the power of α.
            kwargs: as for :class:`CascadeROIHeads`.
        """
        super().__init__(**kwargs)
        self.count_decoder = count_decoder
        self.iou_exponent = iou_exponent

    @classmethod
    def from_config(cls, cfg, input_shape) -> dict:
        check_config(cfg, features=False)
        ret = super().from_config(cfg, input_shape)
        return ret | {"iou_exponent": cfg.MODEL.IOU_AWARE.EXPONENT}

    @classmethod
    def _init_box_head(cls, cfg, input_shape) -> dict:
        ret = super()._init_box_head(cfg, input_shape)
        ious = cfg.MODEL.ROI_BOX_CASCADE_HEAD.IOUS
        output_layers: list = [BoxLossFastRCNNOutputLayers] * len(ious)
        losses, ret["count_decoder"] = build_counting(cfg, len(ious))
        if losses:
            output_layers = [partial(CountingFastRCNNOutputLayers, count_loss=x) for x in losses]
            matching = cfg.MODEL.COUNT_HEAD.MATCHING
            ret["proposal_matchers"] = [CountAwareMatcher(iou, matching) for iou in ious]
        weight = cfg.MODEL.IOU_AWARE.LOSS_WEIGHT
        output_layers[-1] = partial(output_layers[-1], iou_aware_loss_weight=weight)
        ret["box_predictors"] = [
            build(cfg, box_head.output_shape, box2box_transform=predictor.box2box_transform)
            for build, box_head, predictor in zip(
                output_layers, ret["box_heads"], ret["box_predictors"], strict=True
            )
        ]
        return ret

    def _forward_box(self, features, proposals, targets=None):
        """As in the base class, and counting.

        The base method is not called because two things are lost in it that counts need: which
        region a detection comes from, and which prediction a proposal of a later stage comes from.
        """
        if self.training and self.count_decoder is not None:
            check_counts_given(targets)
        features = [features[name] for name in self.box_in_features]
        outputs: list[tuple[Predictions, list[Instances]]] = []
        for stage in range(self.num_cascade_stages):
            if stage > 0:
                proposals = self._refine_proposals(*outputs[-1], stage - 1)
                if self.training:
                    proposals = self._match_and_label_boxes(proposals, stage, targets)
            outputs.append((self._run_stage(features, proposals, stage), proposals))
        return self._losses(outputs) if self.training else self._inference(outputs)

    def _refine_proposals(
        self, predictions: Predictions, proposals: list[Instances], stage: int
    ) -> list[Instances]:
        """The output of a stage as proposals of the next one, without gradients.

        In training a proposal is a hypothesis about box *and* count, and has ``count_hypotheses``
        (of ``stage``) beside ``proposal_boxes``.
        """
        predictor = self.box_predictor[stage]
        boxes = predictor.predict_boxes(predictions[:2], proposals)
        if not self.training or self.count_decoder is None:
            return self._create_proposals_from_boxes(boxes, [p.image_size for p in proposals])
        hypotheses = predictor.count_loss.counter.hypothesize(predictions[-1].detach())
        hypotheses = hypotheses.split([len(p) for p in proposals])
        refined = []
        for p, b, h in zip(proposals, boxes, hypotheses, strict=True):
            q = Instances(p.image_size, proposal_boxes=Boxes(b.detach()), count_hypotheses=h)
            q.proposal_boxes.clip(q.image_size)
            refined.append(q[q.proposal_boxes.nonempty()])
        return refined

    @torch.no_grad()
    def _match_and_label_boxes(self, proposals, stage, targets):
        """As in the base class, but by IoU and count, and with ``gt_counts``.

        Proposals of an image without ground truth get only ``gt_classes``, as from
        ``label_and_sample_proposals``.
        """
        if self.count_decoder is None:
            return super()._match_and_label_boxes(proposals, stage, targets)
        matcher = self.proposal_matchers[stage]
        previous = self.count_decoder.counters[stage - 1]
        num_fg = 0
        for p, t in zip(proposals, targets, strict=True):
            if len(t) == 0:
                p.gt_classes = torch.full_like(p.count_hypotheses, self.num_classes)
                continue
            agrees = previous.admits(p.count_hypotheses, t.gt_counts)
            agrees |= (t.gt_counts == IGNORED_COUNT)[:, None]
            matches, labels = matcher(pairwise_iou(t.gt_boxes, p.proposal_boxes), agrees)
            p.gt_boxes = t.gt_boxes[matches]
            p.gt_classes = t.gt_classes[matches].masked_fill(labels == 0, self.num_classes)
            p.gt_counts = matcher.count_targets(t.gt_counts, matches, agrees)
            num_fg += int((labels == 1).sum())
        storage, num_images = get_event_storage(), len(proposals)
        storage.put_scalar(f"stage{stage}/roi_head/num_fg_samples", num_fg / num_images)
        num_bg = sum(map(len, proposals)) - num_fg
        storage.put_scalar(f"stage{stage}/roi_head/num_bg_samples", num_bg / num_images)
        return proposals

    def _losses(self, outputs: list[tuple[Predictions, list[Instances]]]) -> dict[str, Tensor]:
        losses = {}
        for stage, (predictor, output) in enumerate(zip(self.box_predictor, outputs, strict=True)):
            with get_event_storage().name_scope(f"stage{stage}"):
                stage_losses = predictor.losses(*output)
            losses.update({f"{name}_stage{stage}": loss for name, loss in stage_losses.items()})
        return losses

    def _inference(self, outputs: list[tuple[Predictions, list[Instances]]]) -> list[Instances]:
        per_stage = [
            predictor.predict_probs(predictions[:2], proposals)
            for predictor, (predictions, proposals) in zip(self.box_predictor, outputs, strict=True)
        ]
        scores = [torch.stack(stages).mean(dim=0) for stages in zip(*per_stage, strict=True)]
        last, (predictions, proposals) = self.box_predictor[-1], outputs[-1]
        boxes = last.predict_boxes(predictions[:2], proposals)
        lengths = [len(p) for p in proposals]
        ranks = scores
        if self.count_decoder is not None:
            stages = [predictions[-1].split(lengths) for predictions, _ in outputs]
            counting = list(zip(*stages, strict=True))  # per image
            # NMS keeps the box that is ranked first; soft-NMS lowers scores before the count does.
            if last.soft_nms is None:
                decoded = [self.count_decoder.decode(stages) for stages in counting]
                ranks = [
                    r * weights[:, None] for r, (_, _, weights) in zip(ranks, decoded, strict=True)
                ]
        if last.iou_aware_loss_weight:
            ious = predictions[2].sigmoid().pow(self.iou_exponent).split(lengths)
            exponent = 1 - self.iou_exponent
            ranks = [r**exponent * iou[:, None] for r, iou in zip(ranks, ious, strict=True)]
        # Whatever detections are ranked by, the threshold is one of the class score.
        found, regions = suppress(
            boxes,
            [r.where(s > last.test_score_thresh, 0) for r, s in zip(ranks, scores, strict=True)],
            [p.image_size for p in proposals],
            0.0 if last.soft_nms is None else last.test_score_thresh,
            last.test_nms_thresh,
            last.test_topk_per_image,
            last.soft_nms,
        )
        if self.count_decoder is None:
            return found
        if last.soft_nms is not None:
            return [
                self.count_decoder(detections, [stage[region] for stage in stages])
                for detections, region, stages in zip(found, regions, counting, strict=True)
            ]
        for detections, region, (counts, count_scores, _) in zip(
            found, regions, decoded, strict=True
        ):
            detections.pred_counts, detections.count_scores = counts[region], count_scores[region]
        return found
