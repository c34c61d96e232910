"""CLCNet's heads on a feature map of 16 x 16, and what goes into them."""

import torch
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils.events import EventStorage

from locount import add_locount_config
from locount.modeling import CLCNetROIHeads

NUM_CLASSES = 3
IMAGE_SIZE = (64, 64)
WEIGHTS = ((10.0, 10.0, 5.0, 5.0), (20.0, 20.0, 10.0, 10.0), (30.0, 30.0, 15.0, 15.0))


def make_cfg(ious=(0.5, 0.7), **count_head):
    cfg = get_cfg()
    add_locount_config(cfg)
    model = cfg.MODEL
    model.DEVICE = "cpu"
    model.ROI_HEADS.NAME = "CLCNetROIHeads"
    model.ROI_HEADS.IN_FEATURES = ["p2"]
    model.ROI_HEADS.NUM_CLASSES = NUM_CLASSES
    model.ROI_HEADS.BATCH_SIZE_PER_IMAGE = 16
    model.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    model.ROI_BOX_HEAD.NAME = "FastRCNNConvFCHead"
    model.ROI_BOX_HEAD.NUM_FC = 1
    model.ROI_BOX_HEAD.FC_DIM = 8
    model.ROI_BOX_HEAD.POOLER_RESOLUTION = 3
    model.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG = True
    model.ROI_BOX_CASCADE_HEAD.IOUS = ious
    model.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS = WEIGHTS[: len(ious)]
    for key, value in {"STRATEGY": "classification", **count_head}.items():
        model.COUNT_HEAD[key] = value
    return cfg


def make_heads(cfg):
    return CLCNetROIHeads(cfg, {"p2": ShapeSpec(channels=4, stride=4)})


def make_inputs(num_images=1):
    images = ImageList(torch.zeros(num_images, 3, *IMAGE_SIZE), [IMAGE_SIZE] * num_images)
    return images, {"p2": torch.rand(num_images, 4, 16, 16)}


def make_proposals(boxes):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Instances(
        IMAGE_SIZE, proposal_boxes=Boxes(boxes), objectness_logits=torch.ones(len(boxes))
    )


def make_targets(boxes, classes, counts):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    return Instances(
        IMAGE_SIZE,
        gt_boxes=Boxes(boxes),
        gt_classes=torch.tensor(classes, dtype=torch.int64),
        gt_counts=torch.tensor(counts, dtype=torch.int64),
    )


PROPOSALS = make_proposals([[0, 0, 20, 20], [30, 30, 60, 60], [1, 1, 21, 20]])
TARGETS = make_targets([[0, 0, 20, 20], [32, 30, 60, 60]], [0, 2], [12, 3])


def train(heads, proposals, targets):
    heads.train()
    with EventStorage() as storage:
        _, losses = heads(*make_inputs(len(proposals)), proposals, targets)
    return losses, storage


def predict(heads, proposals):
    heads.eval()
    with torch.no_grad():
        instances, losses = heads(*make_inputs(len(proposals)), proposals)
    assert losses == {}
    return instances
