"""One level of one row and two columns, stride 8, in an image of 8 x 16; one or two anchors."""

import math

import pytest
import torch
from detectron2.structures import Boxes, Instances

from locount.modeling.one_stage.yolo.anchors import Levels
from locount.modeling.one_stage.yolo.losses import Predictions, YOLOLoss

LN2, LN3 = math.log(2), math.log(3)

# In the middle of the left cell, 6 x 4: 2 - 24 / 128 is its weight, 24 / 64 its IoU with 8 x 8.
BOX = [1.0, 2, 7, 6]
WEIGHT, IOU = 1.8125, 0.375


def image(*boxes):
    instances = Instances((8, 16), gt_boxes=Boxes(torch.tensor(boxes).reshape(-1, 4)))
    instances.gt_classes = torch.ones(len(boxes), dtype=torch.long)
    return instances


def predictions(num_images=1, num_anchors=1, num_classes=3, logit=0.0):
    shape = num_images, 2 * num_anchors
    parts = [torch.full((*shape, 2), logit), torch.zeros(*shape, 2), torch.full(shape, 0.0)]
    parts += [torch.zeros(*shape, num_classes), torch.full(shape, logit)]
    return Predictions(*(part.requires_grad_() for part in parts))


def losses(said, images, anchors=((8.0, 8.0),), **options):
    return YOLOLoss(**options)(said, images, Levels(torch.tensor([anchors]), [8], [(1, 2)]))


def test_losses_of_yolov3():
    expected = {
        "loss_objectness": 2 * LN2,  # one right and one wrong answer at 0.5
        "loss_cls": 3 * LN2,
        "loss_xy": 2 * LN2 * WEIGHT,
        "loss_wh": math.log(8 / 6 * 8 / 4) * WEIGHT,
    }
    computed = losses(predictions(), [image(BOX)])
    assert {name: loss.item() for name, loss in computed.items()} == pytest.approx(expected)


def test_losses_that_ppyolo_adds():
    # A sigmoid of ln 3 is 3/4. Offsets: 1.05 * 0.75 - 0.025 = 0.7625, and should be 0.5. The box
    # is moved by 8 * 0.2625 = 2.1 and covers the object from column and row 2.1 on.
    common = 4.9 * 3.9
    iou = common / (64 + 24 - common)
    computed = losses(
        predictions(logit=LN3),
        [image(BOX)],
        scale_xy=1.05,
        iou_loss_weight=2.5,
        iou_aware_loss_weight=2.0,
    )
    assert computed["loss_xy"].item() == pytest.approx(2 * 0.2625 * WEIGHT)
    assert computed["loss_iou"].item() == pytest.approx(2.5 * (1 - iou**2) * WEIGHT)
    cross_entropy = -(iou * math.log(0.75) + (1 - iou) * math.log(0.25))
    assert computed["loss_iou_aware"].item() == pytest.approx(2.0 * cross_entropy)


def test_the_predicted_iou_does_not_move_the_box():
    said = predictions()
    losses(said, [image(BOX)], iou_aware_loss_weight=1.0)["loss_iou_aware"].backward()
    assert said.ious.grad[0, 0] == pytest.approx(0.5 - IOU)
    assert said.offsets.grad is None or not said.offsets.grad.any()


@pytest.mark.parametrize(("threshold", "answers"), [(0.7, 3), (0.95, 4)])
def test_a_second_anchor_that_finds_the_object_is_not_taught_otherwise(threshold, answers):
    # The object is the first anchor's. The second, 8 x 7.5, has IoU 0.9375 with it.
    computed = losses(
        predictions(num_anchors=2),
        [image([0.0, 0, 8, 8])],
        anchors=((8.0, 8.0), (8.0, 7.5)),
        ignore_thresh=threshold,
    )
    assert computed["loss_objectness"].item() == pytest.approx(answers * LN2)


def test_losses_are_averaged_over_images():
    one = losses(predictions(), [image(BOX)])
    two = losses(predictions(num_images=2), [image(BOX), image(BOX)])
    assert {k: v.item() for k, v in two.items()} == pytest.approx(
        {k: v.item() for k, v in one.items()}
    )


def test_without_objects_only_objectness_is_lost_but_all_has_a_gradient():
    said = predictions()
    computed = losses(said, [image()], iou_loss_weight=1.0, iou_aware_loss_weight=1.0)
    assert computed.pop("loss_objectness").item() == pytest.approx(2 * LN2)
    assert all(loss.item() == 0 for loss in computed.values())
    sum(computed.values()).backward()
    assert all(part.grad is not None for part in said if part is not said.objectness)
