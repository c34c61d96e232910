import math

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_model
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.roi_heads.fast_rcnn import FastRCNNOutputLayers
from torch.testing import assert_close

from locount.modeling import BoxLossFastRCNNOutputLayers, balanced_l1
from locount.modeling.box_losses import BoxLoss

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


def test_reductions_of_balanced_l1():
    input, target = torch.rand(3, 4), torch.rand(3, 4)
    each = balanced_l1(input, target)
    assert each.shape == (3, 4)
    assert_close(balanced_l1(input, target, reduction="sum"), each.sum())
    assert_close(balanced_l1(input, target, reduction="mean"), each.mean())


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_balanced_l1_of_nothing_is_zero_with_a_gradient(reduction):
    x = torch.zeros(0, 4, requires_grad=True)
    loss = balanced_l1(x, x.detach(), reduction=reduction)
    loss.backward()
    assert loss == 0
    assert x.grad.shape == (0, 4)


TRANSFORM = Box2BoxTransform(weights=(10.0, 10.0, 5.0, 5.0))


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"balanced_l1": 2.0}, 2 * (1 + 1.5 / B)),
        ({"ciou": 3.0}, 3 * (2 / 11 + 1 / 221)),
        ({"balanced_l1": 2.0, "ciou": 3.0}, 2 * (1 + 1.5 / B) + 3 * (2 / 11 + 1 / 221)),
    ],
)
def test_terms_are_added_up_with_their_weights(weights, expected):
    # A square of side 10 that should be 1 further right. Encoded that is 10 * 1 / 10 = 1 in x.
    # Decoded 9 x 10 of 11 x 10 overlap, the centres are 1 apart and the diagonal of the enclosing
    # box is sqrt(121 + 100). The aspect ratios are equal.
    boxes, gt_boxes = torch.tensor([[0.0, 0, 10, 10]]), torch.tensor([[1.0, 0, 11, 10]])
    loss = BoxLoss(weights=weights)(TRANSFORM, boxes, torch.zeros(1, 4), gt_boxes)
    assert_close(loss.item(), expected, rtol=1e-5, atol=0)


def random_regions(num_classes, agnostic):
    """Six regions, two of them background and one ignored, as arguments of box_reg_loss."""
    corners = 50 * torch.rand(2, 6, 2)
    proposals, gt = torch.cat([corners, corners + 10 + 40 * torch.rand(2, 6, 2)], dim=2)
    deltas = torch.randn(6, 4 if agnostic else 4 * num_classes, requires_grad=True)
    return proposals, gt, deltas, torch.tensor([0, num_classes, 2, -1, 1, num_classes])


def output_layers(cls, agnostic, **kwargs):
    return cls(
        ShapeSpec(channels=8),
        box2box_transform=TRANSFORM,
        num_classes=3,
        cls_agnostic_bbox_reg=agnostic,
        **kwargs,
    )


@pytest.mark.parametrize("agnostic", [True, False])
@pytest.mark.parametrize("loss_type", ["ciou", "smooth_l1"])
def test_box_loss_is_normalized_as_detectron2s(agnostic, loss_type):
    regions = random_regions(3, agnostic)
    box_loss = BoxLoss(weights={"ciou": 1.0}) if loss_type == "ciou" else None
    ours = output_layers(BoxLossFastRCNNOutputLayers, agnostic, box_loss=box_loss)
    theirs = output_layers(FastRCNNOutputLayers, agnostic, box_reg_loss_type=loss_type)
    losses = [layers.box_reg_loss(*regions) for layers in (ours, theirs)]
    assert_close(*losses)
    assert losses[0] > 0
    assert_close(*(torch.autograd.grad(loss, regions[2])[0] for loss in losses))


@pytest.mark.parametrize("weights", [{"balanced_l1": 1.0}, {"ciou": 1.0}])
@pytest.mark.parametrize("agnostic", [True, False])
@pytest.mark.parametrize("num_regions", [6, 0])
def test_without_foreground_the_loss_is_zero_with_a_gradient(weights, agnostic, num_regions):
    proposals, gt, deltas, _ = random_regions(3, agnostic)
    layers = output_layers(BoxLossFastRCNNOutputLayers, agnostic, box_loss=BoxLoss(weights=weights))
    n = num_regions
    loss = layers.box_reg_loss(proposals[:n], gt[:n], deltas[:n], torch.full((n,), 3))
    loss.backward()
    assert loss == 0
    assert torch.equal(deltas.grad, torch.zeros_like(deltas))


@pytest.mark.parametrize("weights", [{"balanced_l1": 1.0}, {"ciou": 1.0}])
def test_half_precision_deltas_give_nearly_the_same_loss(weights):
    proposals, gt, deltas, _ = random_regions(3, True)
    box_loss = BoxLoss(weights=weights)
    expected = box_loss(TRANSFORM, proposals, deltas, gt)
    with torch.autocast("cpu", torch.bfloat16):
        loss = box_loss(TRANSFORM, proposals, deltas.bfloat16(), gt)
    assert loss.dtype == torch.float32
    assert_close(loss, expected, rtol=0.02, atol=0)


@pytest.mark.parametrize("strategy", ["classification", "none"])
@pytest.mark.parametrize("part", ["rpn", "roi"])
def test_the_key_reaches_the_part_it_applies_to(tiny_cfg, strategy, part):
    tiny_cfg.MODEL.COUNT_HEAD.STRATEGY = strategy
    tiny_cfg.MODEL.BOX_LOSS.TERMS = ("balanced_l1", "ciou")
    tiny_cfg.MODEL.BOX_LOSS.WEIGHTS = (1.0, 2.0)
    tiny_cfg.MODEL.BOX_LOSS.APPLY_TO = (part,)
    model = build_model(tiny_cfg)
    layers = {"rpn": [model.proposal_generator], "roi": model.roi_heads.box_predictor}
    for name in layers:
        for layer in layers[name]:
            if name == part:
                assert layer.box_loss.weights == {"balanced_l1": 1.0, "ciou": 2.0}
            else:
                assert getattr(layer, "box_loss", None) is None
    weights = [p.box2box_transform.weights for p in model.roi_heads.box_predictor]
    assert weights == list(tiny_cfg.MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS)
