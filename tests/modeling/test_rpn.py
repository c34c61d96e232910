"""The RPN with MODEL.BOX_LOSS. On images of 64 x 64 it has 60 anchors, and all are sampled."""

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_model
from detectron2.modeling.proposal_generator import RPN
from detectron2.structures import ImageList
from detectron2.utils.events import EventStorage
from torch.testing import assert_close

from locount.modeling import BoxLossRPN

FEATURES = {"p4": torch.rand(2, 32, 4, 4), "p5": torch.rand(2, 32, 2, 2)}
IMAGES = ImageList(torch.zeros(2, 3, 64, 64), [(64, 64)] * 2)


def build(cls, cfg):
    torch.manual_seed(0)
    shapes = {"p4": ShapeSpec(channels=32, stride=16), "p5": ShapeSpec(channels=32, stride=32)}
    return cls(cfg, shapes)


def train(rpn, targets):
    """Losses, and the gradient of that of the boxes in the layer that regresses them."""
    with EventStorage():
        _, losses = rpn.train()(IMAGES, FEATURES, targets)
    layer = rpn.rpn_head.anchor_deltas
    (gradient,) = torch.autograd.grad(losses["loss_rpn_loc"], layer.weight)
    return losses, gradient


@pytest.mark.parametrize("loss_type", ["smooth_l1", "ciou"])
def test_losses_and_their_normalization_are_detectron2s(tiny_cfg, batch, loss_type):
    targets = [image["instances"] for image in batch]
    tiny_cfg.MODEL.RPN.BATCH_SIZE_PER_IMAGE = 500  # more than there are anchors
    tiny_cfg.MODEL.RPN.BBOX_REG_LOSS_WEIGHT = 3.0
    if loss_type != "smooth_l1":
        tiny_cfg.MODEL.BOX_LOSS.TERMS = (loss_type,)
    ours = train(build(BoxLossRPN, tiny_cfg), targets)
    tiny_cfg.MODEL.RPN.BBOX_REG_LOSS_TYPE = loss_type
    theirs = train(build(RPN, tiny_cfg), targets)
    assert ours[0].keys() == theirs[0].keys()
    for name, loss in theirs[0].items():
        assert loss > 0
        assert_close(ours[0][name], loss)
    assert_close(ours[1], theirs[1])


@pytest.mark.parametrize("term", ["balanced_l1", "ciou"])
def test_without_objects_the_box_loss_is_zero_with_a_gradient(tiny_cfg, batch, term):
    tiny_cfg.MODEL.BOX_LOSS.TERMS = (term,)
    nothing = batch[1]["instances"]
    losses, gradient = train(build(BoxLossRPN, tiny_cfg), [nothing, nothing])
    assert losses["loss_rpn_loc"] == 0
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_training_in_half_precision_is_finite_and_repeats_under_a_seed(tiny_cfg, batch):
    tiny_cfg.MODEL.BOX_LOSS.TERMS = ("balanced_l1", "ciou")
    tiny_cfg.MODEL.BOX_SAMPLING.STRATEGY = "iou_balanced"
    tiny_cfg.MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE = 24
    model = build_model(tiny_cfg).train()

    def step():
        torch.manual_seed(1)
        model.zero_grad()
        with EventStorage(), torch.autocast("cpu", torch.bfloat16):
            losses = model(batch)
        sum(losses.values()).backward()
        return losses, [p.grad for p in model.parameters()]

    (losses, gradients), again = step(), step()
    assert {"loss_rpn_loc", "loss_box_reg_stage0", "loss_box_reg_stage1"} <= losses.keys()
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert all(torch.isfinite(g).all() for g in gradients if g is not None)
    assert losses == again[0]
