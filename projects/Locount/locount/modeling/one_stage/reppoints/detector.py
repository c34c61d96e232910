"""RepPoints, a detector whose boxes are spanned by points. Shapes as in points.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, build_backbone
from detectron2.modeling.backbone import Backbone
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.meta_arch.dense_detector import DenseDetector, permute_to_N_HWA_K
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor

from ....config.checks import check_config
from ....counting import IGNORED_COUNT
from ...counting.decoding import CountDecoder
from ...counting.dense import build_dense_counting, by_location, dense_count_loss, head_inputs
from ...counting.loss import CountLoss, check_counts_given
from ..detections import detect_as
from .assignment import assign_centers, assign_pseudo_boxes
from .head import LevelPredictions, RepPointsHead
from .losses import box_loss, class_loss, of_matches
from .points import PointsToBoxes, level_centers, points_of_offsets


@META_ARCH_REGISTRY.register()
class RepPoints(DenseDetector):
    """RepPoints (Yang et al., ICCV 2019), which also counts at each location if its head does.

    Points are placed around each location and then moved once; before and after, they span a pseudo
    box. The first stage is trained at the location nearest to an object's center; the second, and
    with it class and count, wherever the first stage's pseudo box overlaps an object.

    The paper leaves open, and this chooses:

    * Low-quality matches, as RetinaNet has them: the pseudo box that overlaps an object most is
      foreground in the second stage even below the IoU threshold. At first all pseudo boxes are
      small, and without these matches class and move would have nothing to learn from.
    * What each loss is divided by: the foreground locations of its stage in the minibatch.
    * Objects that meet at one location: see :func:`assign_centers`.
    """

    @configurable
    def __init__(
        self,
        *,
        backbone: Backbone,
        head: RepPointsHead,
        head_in_features: Sequence[str],
        matcher: Matcher,
        count_loss: CountLoss | None = None,
        count_decoder: CountDecoder | None = None,
        point_base_scale: float = 4.0,
        loss_weights: Mapping[str, float],
        focal_loss_alpha: float = 0.25,
        focal_loss_gamma: float = 2.0,
        smooth_l1_beta: float = 0.11,
        detect: Callable[..., tuple[Instances, Tensor]],
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ):
        """
        Args:
            head_in_features: from fine to coarse, each of twice the stride of the one before.
            matcher: of the second stage, as for :func:`assign_pseudo_boxes`.
            count_loss, count_decoder: of the head's counting layer; None if it has none.
            point_base_scale: in strides, the size of the smallest objects that a level is for, and
                the unit of the box losses.
            loss_weights: of "loss_cls", "loss_points_init" and "loss_points_refine".
            smooth_l1_beta: as for :func:`box_loss`.
            detect: :func:`..detections.detect` with its options.
            pixel_mean, pixel_std: as for :class:`DenseDetector`.
        """
        super().__init__(
            backbone, head, list(head_in_features), pixel_mean=pixel_mean, pixel_std=pixel_std
        )
        shapes = backbone.output_shape()
        self.strides = [shapes[f].stride for f in head_in_features]
        self.points_to_boxes = PointsToBoxes()
        self.matcher = matcher
        self.count_loss = count_loss
        self.count_decoder = count_decoder
        self.point_base_scale = point_base_scale
        self.loss_weights = loss_weights
        self.focal_loss_alpha = focal_loss_alpha
        self.focal_loss_gamma = focal_loss_gamma
        self.smooth_l1_beta = smooth_l1_beta
        self.detect = detect

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        check_config(cfg)
        node = cfg.MODEL.REPPOINTS
        backbone = build_backbone(cfg)
        in_channels = head_inputs(cfg, "MODEL.REPPOINTS.IN_FEATURES", backbone)[0].channels
        counting = build_dense_counting(cfg, node.CONV_DIM)
        return {
            "backbone": backbone,
            "head": RepPointsHead(cfg, in_channels, count_pred=counting.layer),
            "count_loss": counting.loss,
            "count_decoder": counting.decoder,
            "head_in_features": node.IN_FEATURES,
            "matcher": Matcher(node.IOU_THRESHOLDS, [0, -1, 1], allow_low_quality_matches=True),
            "point_base_scale": node.POINT_BASE_SCALE,
            "loss_weights": {
                "loss_cls": node.CLS_LOSS_WEIGHT,
                "loss_points_init": node.INIT_LOSS_WEIGHT,
                "loss_points_refine": node.REFINE_LOSS_WEIGHT,
            },
            "focal_loss_alpha": node.FOCAL_LOSS_ALPHA,
            "focal_loss_gamma": node.FOCAL_LOSS_GAMMA,
            "smooth_l1_beta": node.SMOOTH_L1_LOSS_BETA,
            "detect": detect_as(cfg, node),
            "pixel_mean": cfg.MODEL.PIXEL_MEAN,
            "pixel_std": cfg.MODEL.PIXEL_STD,
        }

    def forward_training(
        self,
        images: ImageList,
        features: Sequence[Tensor],
        predictions: Sequence[LevelPredictions],
        gt_instances: Sequence[Instances],
    ) -> dict[str, Tensor]:
        """Losses by name, weighted."""
        init_boxes = self._boxes([p.init for p in predictions])
        gt_boxes = [t.gt_boxes for t in gt_instances]
        sizes = [(f.shape[-2], f.shape[-1]) for f in features]
        init_matches = torch.stack(
            [assign_centers(b, sizes, self.strides, self.point_base_scale) for b in gt_boxes]
        )
        matches = torch.stack(
            [
                assign_pseudo_boxes(boxes, Boxes(pseudo_boxes), self.matcher)
                for boxes, pseudo_boxes in zip(gt_boxes, init_boxes.detach(), strict=True)
            ]
        )
        scales = torch.cat(
            [
                init_boxes.new_full((h * w,), self.point_base_scale * stride)
                for (h, w), stride in zip(sizes, self.strides, strict=True)
            ]
        )
        losses = {
            "loss_cls": class_loss(
                _logits(predictions),
                [t.gt_classes for t in gt_instances],
                matches,
                self.focal_loss_alpha,
                self.focal_loss_gamma,
            ),
            "loss_points_init": box_loss(
                init_boxes, gt_boxes, init_matches, scales, self.smooth_l1_beta
            ),
            "loss_points_refine": box_loss(
                self._boxes([p.refined for p in predictions]),
                gt_boxes,
                matches,
                scales,
                self.smooth_l1_beta,
            ),
        }
        losses = {name: loss * self.loss_weights[name] for name, loss in losses.items()}
        if self.count_loss is not None:
            check_counts_given(gt_instances)
            # An image without objects may lack the field.
            counts = [t.gt_counts if len(t) > 0 else t.gt_classes for t in gt_instances]
            gt_counts = torch.full_like(matches, IGNORED_COUNT)
            gt_counts[matches >= 0] = of_matches(counts, matches)
            maps = [p.counts for p in predictions if p.counts is not None]
            losses["loss_count"] = dense_count_loss(self.count_loss, maps, gt_counts)
        return losses

    def forward_inference(
        self, images: ImageList, features: Sequence[Tensor], predictions: Sequence[LevelPredictions]
    ) -> list[Instances]:
        """Per image, detections by falling score, in pixels of the resized image."""
        num_locations = [p.logits[0, 0].numel() for p in predictions]
        scores = _logits(predictions).sigmoid()
        boxes = self._boxes([p.refined for p in predictions])
        if self.count_decoder is not None:
            count_outputs = by_location([p.counts for p in predictions if p.counts is not None])
        results = []
        for i, image_size in enumerate(images.image_sizes):
            detections, location = self.detect(
                scores[i].split(num_locations), boxes[i].__getitem__, image_size
            )
            if self.count_decoder is not None:
                detections = self.count_decoder(detections, [count_outputs[i, location]])
            results.append(detections)
        return results

    def _boxes(self, offsets: Sequence[Tensor]) -> Tensor:
        """The pseudo boxes of each level's points in pixels, N x R x 4."""
        return torch.cat(
            [
                self.points_to_boxes(points_of_offsets(o)) * stride
                + level_centers((o.shape[-2], o.shape[-1]), stride, o.device).repeat(1, 2)
                for o, stride in zip(offsets, self.strides, strict=True)
            ],
            dim=1,
        )


def _logits(predictions: Sequence[LevelPredictions]) -> Tensor:
    """N x R x K."""
    num_classes = predictions[0].logits.shape[1]
    return torch.cat([permute_to_N_HWA_K(p.logits, num_classes) for p in predictions], dim=1)
