"""torchvision's SSD as a Detectron2 meta architecture.

An SSD of 512 pixels, which has no builder there, is put together from torchvision's parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, GeneralizedRCNN
from detectron2.structures import Boxes, Instances
from torch import Tensor, nn
from torchvision import models
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.ssd import SSD, SSDFeatureExtractorVGG

from ...config.checks import check_config
from ...errors import InputError
from ..layers.precision import outputs_to_float32

# Boxes of a smaller side, in pixels, train nothing: resized, they may become empty in float32, and
# torchvision stops at an empty one.
MIN_SIDE = 0.01


@META_ARCH_REGISTRY.register()
class TorchvisionDetector(nn.Module):
    """An SSD of torchvision that takes and gives what Detectron2's detectors do.

    It resizes every image to its square itself, after INPUT.MIN_SIZE_* has; so these should not be
    much smaller than the square.
    """

    @configurable
    def __init__(self, *, detector: nn.Module, input_format: str):
        """
        Args:
            detector: takes images as C x H x W, RGB in [0, 1]; its label 0 is the background.
            input_format: of the images, "BGR" or "RGB".
        """
        super().__init__()
        self.detector = detector
        self.input_format = input_format
        # Under autocast: torchvision makes its anchors in the type of the features, and sums its
        # losses in that of the predictions.
        for name, module in detector.named_children():
            if name in ("backbone", "head"):
                module.register_forward_hook(outputs_to_float32)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict:
        check_config(cfg)
        if cfg.INPUT.FORMAT not in ("BGR", "RGB"):
            raise InputError(f'INPUT.FORMAT is {cfg.INPUT.FORMAT!r}; it must be "BGR" or "RGB".')
        node = cfg.MODEL.TORCHVISION
        detector = build_torchvision_detector(
            node.NAME,
            num_classes=node.NUM_CLASSES,
            pretrained_backbone=node.PRETRAINED_BACKBONE and not cfg.MODEL.WEIGHTS,
            score_thresh=node.SCORE_THRESH_TEST,
            nms_thresh=node.NMS_THRESH_TEST,
            detections_per_img=cfg.TEST.DETECTIONS_PER_IMAGE,
        )
        return {"detector": detector, "input_format": cfg.INPUT.FORMAT}

    @property
    def device(self) -> torch.device:
        return next(self.detector.parameters()).device

    def forward(self, batched_inputs: Sequence[dict]):
        """As of Detectron2's models: losses in training, else ``[{"instances": Instances}]``."""
        images = [self._image(x["image"]) for x in batched_inputs]
        if self.training:
            losses = self.detector(images, [self._target(x["instances"]) for x in batched_inputs])
            return {f"loss_{name.removeprefix('loss_')}": loss for name, loss in losses.items()}
        sizes = [tuple(image.shape[-2:]) for image in images]
        results = [
            Instances(
                size,
                pred_boxes=Boxes(found["boxes"]),
                scores=found["scores"],
                pred_classes=found["labels"] - 1,
            )
            for size, found in zip(sizes, self.detector(images), strict=True)
        ]
        return GeneralizedRCNN._postprocess(results, batched_inputs, sizes)

    def _image(self, image: Tensor) -> Tensor:
        """C x H x W, RGB in [0, 1], of uint8 in ``input_format``."""
        image = image.to(self.device)
        if self.input_format == "BGR":
            image = image.flip(0)
        return image.float() / 255

    def _target(self, instances: Instances) -> dict[str, Tensor]:
        instances = instances[instances.gt_boxes.nonempty(MIN_SIDE)].to(self.device)
        return {
            "boxes": instances.gt_boxes.tensor,
            "labels": instances.gt_classes + 1,  # 0 is the background
        }


def build_torchvision_detector(
    name: str,
    *,
    num_classes: int,
    pretrained_backbone: bool = False,
    score_thresh: float = 0.01,
    nms_thresh: float = 0.45,
    detections_per_img: int = 150,
) -> nn.Module:
    """An SSD of torchvision.

    Args:
        name: as in MODEL.TORCHVISION.NAME.
        num_classes: without the background.
        pretrained_backbone: whether the backbone starts from torchvision's ImageNet weights.
    """
    built_here = name == "ssd512_vgg16"
    build = _ssd512_vgg16 if built_here else partial(models.get_model, name, weights=None)
    detector = build(
        num_classes=num_classes + 1,
        score_thresh=score_thresh,
        nms_thresh=nms_thresh,
        detections_per_img=detections_per_img,
        **({} if pretrained_backbone else {"weights_backbone": None}),
    )
    # Of each class; 300 or 400 unless more detections are wanted.
    detector.topk_candidates = max(detector.topk_candidates, detections_per_img)
    return detector


def _ssd512_vgg16(
    *,
    num_classes: int,
    weights_backbone: models.VGG16_Weights | None = models.VGG16_Weights.IMAGENET1K_FEATURES,
    **options,
) -> SSD:
    """SSD512 (Liu et al., ECCV 2016), with its scales for COCO; otherwise as ssd300_vgg16."""
    vgg = models.vgg16(weights=weights_backbone)
    if weights_backbone is not None:
        vgg.features[:5].requires_grad_(False)  # the first block, as torchvision does for SSD300
    extractor = SSDFeatureExtractorVGG(vgg.features, highres=True)
    # torchvision shrinks the last maps without padding, to sides of 6, 4 and 1. The paper's are 4,
    # 2 and 1: it halves them, like those before.
    for block in extractor.extra[3:5]:
        block[2].stride, block[2].padding = (2, 2), (1, 1)
    extractor.extra[5][2].padding = (1, 1)
    boxes = DefaultBoxGenerator(
        [[2], [2, 3], [2, 3], [2, 3], [2, 3], [2], [2]],
        scales=[0.04, 0.1, 0.26, 0.42, 0.58, 0.74, 0.9, 1.06],
    )
    return SSD(
        extractor,
        boxes,
        (512, 512),
        num_classes,
        # The range that the weights were trained with: 0 ... 255 without a mean color.
        image_mean=[0.48235, 0.45882, 0.40784],
        image_std=[1 / 255] * 3,
        **options,
    )
