"""The RPN that matches in chunks. On images of 64 x 64 it has 60 anchors, and all are sampled."""

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.proposal_generator import RPN
from detectron2.structures import Boxes, ImageList, Instances
from detectron2.utils.events import EventStorage
from torch.testing import assert_close

from locount.modeling import ChunkedRPN

FEATURES = {"p4": torch.rand(2, 32, 4, 4), "p5": torch.rand(2, 32, 2, 2)}
IMAGES = ImageList(torch.zeros(2, 3, 64, 64), [(64, 64)] * 2)


def build(cls, cfg):
    torch.manual_seed(0)
    shapes = {"p4": ShapeSpec(channels=32, stride=16), "p5": ShapeSpec(channels=32, stride=32)}
    return cls(cfg, shapes)


def train(cls, cfg, targets):
    """Losses, and the gradient of that of the boxes in the layer that regresses them."""
    rpn = build(cls, cfg)
    with EventStorage():
        _, losses = rpn.train()(IMAGES, FEATURES, targets)
    (gradient,) = torch.autograd.grad(losses["loss_rpn_loc"], rpn.rpn_head.anchor_deltas.weight)
    return losses, gradient


@pytest.mark.parametrize("loss_type", ["smooth_l1", "ciou"])
@pytest.mark.parametrize("empty", [True, False])
def test_losses_are_detectron2s(tiny_cfg, batch, loss_type, empty):
    targets = [image["instances"][: 0 if empty else None] for image in batch]
    tiny_cfg.MODEL.RPN.BATCH_SIZE_PER_IMAGE = 500  # more than there are anchors
    tiny_cfg.MODEL.RPN.BBOX_REG_LOSS_TYPE = loss_type
    ours, theirs = (train(cls, tiny_cfg, targets) for cls in (ChunkedRPN, RPN))
    assert ours[0].keys() == theirs[0].keys()
    for name, loss in theirs[0].items():
        assert (loss > 0) == (name != "loss_rpn_loc" or not empty)
        assert_close(ours[0][name], loss)
    assert_close(ours[1], theirs[1])


@pytest.mark.parametrize("boundary", [-1, 0])
def test_the_rpn_samples_what_detectron2s_does(tiny_cfg, boundary):
    tiny_cfg.MODEL.RPN.BATCH_SIZE_PER_IMAGE = 20
    tiny_cfg.MODEL.RPN.BOUNDARY_THRESH = boundary
    corners = 4.0 * torch.randint(0, 12, (6, 2))  # on a coarse grid, so that IoUs tie
    boxes = torch.cat([corners, corners + 4.0 * torch.randint(1, 5, (6, 2))], dim=1)
    targets = [Instances((64, 64), gt_boxes=Boxes(boxes[:n])) for n in (6, 0)]
    features = [torch.zeros(2, 32, 4, 4), torch.zeros(2, 32, 2, 2)]
    sampled = []
    for cls in (RPN, ChunkedRPN):
        rpn = build(cls, tiny_cfg)
        torch.manual_seed(0)  # sampling is random
        sampled.append(rpn.label_and_sample_anchors(rpn.anchor_generator(features), targets))
    for theirs, ours in zip(*(labels + boxes for labels, boxes in sampled), strict=True):
        assert torch.equal(theirs, ours)
