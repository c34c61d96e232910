import math

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_model
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from torch.testing import assert_close

from locount.modeling import BoxLossFastRCNNOutputLayers, balanced_l1

B = math.exp(3) - 1  # b of the paper's α = 0.5 and γ = 1.5


@pytest.mark.parametrize(
    ("difference", "value", "gradient"),
    [
        (0.0, 0.0, 0.0),
        # ln(b d + 1) = 1, so α ((d + 1 / b) - d).
        ((math.e - 1) / B, 0.5 / B, 0.5),
        # ln(b d + 1) = 2, so α (2 (d + 1 / b) - d).
        ((math.e**2 - 1) / B, 0.5 * ((math.e**2 - 1) / B + 2 / B), 1.0),
        # ln(b + 1) = 3: α (3 (1 + 1 / b) - 1) = 1 + 1.5 / b. From here on a line with slope γ.
        (1.0, 1 + 1.5 / B, 1.5),
        (3.0, 4 + 1.5 / B, 1.5),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_value_and_gradient_of_balanced_l1(difference, value, gradient, sign):
    x = torch.tensor([7 + sign * difference], dtype=torch.float64, requires_grad=True)
    loss = balanced_l1(x, torch.full_like(x, 7))
    loss.sum().backward()
    assert_close(loss.item(), value)
    assert_close(x.grad.item(), sign * gradient)


@pytest.mark.parametrize("beta", [0.2, 1.0, 3.0])
@pytest.mark.parametrize(("alpha", "gamma"), [(0.5, 1.5), (0.2, 1.0)])
def test_balanced_l1_and_its_gradient_are_continuous_at_beta(alpha, gamma, beta):
    around = [beta - 1e-9, beta, beta + 1e-9]
    x = torch.tensor(around, dtype=torch.float64, requires_grad=True)
    loss = balanced_l1(x, torch.zeros_like(x), alpha, gamma, beta)
    loss.sum().backward()
    assert_close(loss, loss[1].expand(3), rtol=0, atol=1e-8)
    assert_close(x.grad, torch.full_like(x, gamma), rtol=0, atol=1e-6)


TRANSFORM = Box2BoxTransform(weights=(10.0, 10.0, 5.0, 5.0))


def random_regions(num_classes, agnostic):
    """Six regions, two of them background and one ignored, as arguments of box_reg_loss."""
    corners = 50 * torch.rand(2, 6, 2)
    proposals, gt = torch.cat([corners, corners + 10 + 40 * torch.rand(2, 6, 2)], dim=2)
    deltas = torch.randn(6, 4 if agnostic else 4 * num_classes, requires_grad=True)
    return proposals, gt, deltas, torch.tensor([0, num_classes, 2, -1, 1, num_classes])


def output_layers(agnostic, loss_type="balanced_l1", cls=BoxLossFastRCNNOutputLayers):
    return cls(
        ShapeSpec(channels=8),
        box2box_transform=TRANSFORM,
        num_classes=3,
        cls_agnostic_bbox_reg=agnostic,
        box_reg_loss_type=loss_type,
        smooth_l1_beta=1.0,
    )


@pytest.mark.parametrize("agnostic", [True, False])
def test_balanced_l1_of_a_region(agnostic):
    # A square of side 10 that should be 1 further right: encoded that is 10 * 1 / 10 = 1 in x, at
    # which the loss is 1 + 1.5 / b. Over two regions, of which the other is background.
    boxes, gt_boxes = torch.tensor([[0.0, 0, 10, 10]] * 2), torch.tensor([[1.0, 0, 11, 10]] * 2)
    deltas = torch.zeros(2, 4) if agnostic else torch.full((2, 12), 9.0)
    if not agnostic:
        deltas[0, 4:8] = 0  # of class 1
    loss = output_layers(agnostic).box_reg_loss(boxes, gt_boxes, deltas, torch.tensor([1, 3]))
    assert_close(loss.item(), (1 + 1.5 / B) / 2, rtol=1e-5, atol=0)


@pytest.mark.parametrize("agnostic", [True, False])
def test_balanced_l1_takes_the_pairs_that_detectron2s_losses_take(agnostic):
    regions = random_regions(3, agnostic)
    (ours,) = torch.autograd.grad(output_layers(agnostic).box_reg_loss(*regions), regions[2])
    theirs = output_layers(agnostic, "smooth_l1", FastRCNNOutputLayers).box_reg_loss(*regions)
    (expected,) = torch.autograd.grad(theirs, regions[2])
    assert torch.equal(ours.sign(), expected.sign())
    assert (ours.abs() >= expected.abs()).all()  # α ln(b d + 1) ≥ d below β, and 1.5 ≥ 1 above


@pytest.mark.parametrize("loss_type", ["smooth_l1", "giou", "diou", "ciou"])
def test_other_losses_are_detectron2s(loss_type):
    regions = random_regions(3, True)
    ours = output_layers(True, loss_type).box_reg_loss(*regions)
    assert_close(ours, output_layers(True, loss_type, FastRCNNOutputLayers).box_reg_loss(*regions))


@pytest.mark.parametrize("agnostic", [True, False])
@pytest.mark.parametrize("num_regions", [6, 0])
def test_without_foreground_the_loss_is_zero_with_a_gradient(agnostic, num_regions):
    proposals, gt, deltas, _ = random_regions(3, agnostic)
    n = num_regions
    loss = output_layers(agnostic).box_reg_loss(
        proposals[:n], gt[:n], deltas[:n], torch.full((n,), 3)
    )
    loss.backward()
    assert loss == 0
    assert torch.equal(deltas.grad, torch.zeros_like(deltas))


def test_half_precision_deltas_give_nearly_the_same_loss():
    proposals, gt, deltas, classes = random_regions(3, True)
    layers = output_layers(True)
    expected = layers.box_reg_loss(proposals, gt, deltas, classes)
    with torch.autocast("cpu", torch.bfloat16):
        loss = layers.box_reg_loss(proposals, gt, deltas.bfloat16(), classes)
    assert loss.dtype == torch.float32
    assert_close(loss, expected, rtol=0.02, atol=0)


@pytest.mark.parametrize("strategy", ["classification", "none"])
def test_the_keys_reach_every_stage(tiny_cfg, strategy):
    tiny_cfg.MODEL.COUNT_HEAD.STRATEGY = strategy
    tiny_cfg.MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE = "balanced_l1"
    tiny_cfg.MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_WEIGHT = 2.0
    model = build_model(tiny_cfg)
    for predictor in model.roi_heads.box_predictor:
        assert predictor.box_reg_loss_type == "balanced_l1"
        assert predictor.loss_weight["loss_box_reg"] == 2.0
    weights = [p.box2box_transform.weights for p in model.roi_heads.box_predictor]
    assert weights == list(tiny_cfg.MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS)


def test_training_in_half_precision_is_finite_and_repeats_under_a_seed(tiny_cfg, batch):
    tiny_cfg.MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE = "balanced_l1"
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


def iou_aware_layers():
    """Layers whose outputs are all zero."""
    layers = BoxLossFastRCNNOutputLayers(
        ShapeSpec(channels=4),
        box2box_transform=TRANSFORM,
        num_classes=2,
        cls_agnostic_bbox_reg=True,
        iou_aware_loss_weight=2.0,
    )
    for parameter in layers.parameters():
        torch.nn.init.zeros_(parameter)
    return layers


@pytest.mark.parametrize("objects", [True, False])
def test_loss_of_a_predicted_iou(objects):
    layers = iou_aware_layers()
    torch.nn.init.constant_(layers.iou_pred.bias, math.log(3))  # IoU 0.75
    # With zero deltas boxes stay where they are. They cover all of an object, half of it, a third
    # of a larger one and nothing; the last two are background.
    regions = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 10, 5], [0.0, 0, 10, 4], [50.0, 50, 60, 60]])
    proposals = Instances((80, 80), proposal_boxes=Boxes(regions))
    proposals.gt_classes = torch.tensor([0, 1, 2, 2])
    ious = [0.0] * 4
    if objects:
        found = torch.tensor([[0.0, 0, 10, 10], [0.0, 0, 10, 10], [0.0, 0, 10, 12], [0.0, 0, 9, 9]])
        proposals.gt_boxes = Boxes(found)
        ious = [1, 1 / 2, 1 / 3, 0]
    else:
        proposals.gt_classes[:] = 2
    with EventStorage():
        losses = layers.losses(layers(torch.ones(4, 4)), [proposals])
    expected = -sum(v * math.log(0.75) + (1 - v) * math.log(0.25) for v in ious) / 4
    assert_close(losses["loss_iou_aware"].item(), 2 * expected)


def test_loss_of_a_predicted_iou_without_a_region():
    layers = iou_aware_layers()
    proposals = Instances((80, 80), proposal_boxes=Boxes(torch.zeros(0, 4)))
    proposals.gt_classes = torch.zeros(0, dtype=torch.int64)
    with EventStorage():
        losses = layers.losses(layers(torch.ones(0, 4)), [proposals])
    assert losses["loss_iou_aware"] == 0
    losses["loss_iou_aware"].backward()
    assert layers.iou_pred.weight.grad is not None
