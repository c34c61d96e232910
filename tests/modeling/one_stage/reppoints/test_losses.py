import math

import torch
from detectron2.structures import Boxes

from locount.modeling.one_stage.reppoints.assignment import BACKGROUND, IGNORED
from locount.modeling.one_stage.reppoints.losses import (
    box_loss,
    class_loss,
    num_foreground,
    of_matches,
)

# Two images of three locations; the first has two boxes, the second none.
MATCHES = torch.tensor([[1, BACKGROUND, IGNORED], [BACKGROUND] * 3])
GT_BOXES = [Boxes(torch.tensor([[0.0, 0, 8, 8], [0, 0, 64, 64]])), Boxes(torch.zeros(0, 4))]
NOTHING = torch.full((2, 3), BACKGROUND)


def test_each_foreground_location_gets_the_value_of_its_match():
    values = [torch.tensor([7, 5]), torch.tensor([], dtype=torch.int64)]
    assert of_matches(values, MATCHES).tolist() == [5]
    matches = torch.tensor([[BACKGROUND, 0, 1], [1, IGNORED, 0]])
    assert of_matches([values[0], values[0] + 1], matches).tolist() == [7, 5, 6, 8]


def test_box_loss_is_smooth_l1_in_units_of_the_scale():
    # Scale 32. Corners (0, 0, 64, 48) of the box (0, 0, 64, 64): off by 16 / 32 = 0.5 in one
    # coordinate. With beta 0.25 that is 0.5 - 0.125; then off by 0.125: 0.125 ** 2 / 2 / 0.25.
    boxes = torch.zeros(2, 3, 4)
    boxes[0, 0] = torch.tensor([0.0, 0, 64, 48])
    scales = torch.tensor([32.0, 1, 1])
    assert box_loss(boxes, GT_BOXES, MATCHES, scales, 0.25).item() == 0.375
    boxes[0, 0, 3] = 60
    assert box_loss(boxes, GT_BOXES, MATCHES, scales, 0.25).item() == 0.03125


def test_box_loss_is_a_mean_over_the_foreground_of_all_images():
    # Three foreground locations, each off by 1 in each of four coordinates; beta 0: 12 / 3.
    gt_boxes = [Boxes(torch.tensor([[1.0, 1, 2, 2]]))] * 2
    matches = torch.tensor([[0, BACKGROUND, IGNORED], [0, 0, BACKGROUND]])
    boxes = torch.tensor([0.0, 0, 1, 1]).expand(2, 3, 4)
    assert num_foreground(matches) == 3
    assert box_loss(boxes, gt_boxes, matches, torch.ones(3), 0.0).item() == 4.0


def test_class_loss_by_hand():
    # All logits 0: p = 1 / 2, cross-entropy log 2. With gamma 1 every term is halved. Five trained
    # locations of two classes: one positive (weight 0.25) and nine negatives (0.75), over one
    # foreground location.
    gt_classes = [torch.tensor([0, 1]), torch.tensor([], dtype=torch.int64)]
    loss = class_loss(torch.zeros(2, 3, 2), gt_classes, MATCHES, alpha=0.25, gamma=1.0)
    torch.testing.assert_close(loss.item(), (0.25 + 9 * 0.75) * math.log(2) / 2)


def test_class_loss_pushes_up_the_class_of_the_match_alone():
    logits = torch.zeros(2, 3, 2, requires_grad=True)
    gt_classes = [torch.tensor([0, 1]), torch.tensor([], dtype=torch.int64)]
    class_loss(logits, gt_classes, MATCHES, alpha=0.25, gamma=2.0).backward()
    assert (logits.grad < 0).nonzero().tolist() == [[0, 0, 1]]
    assert logits.grad[0, 2].tolist() == [0, 0]  # ignored


def test_without_foreground_box_loss_is_zero_and_keeps_its_graph():
    boxes = torch.zeros(2, 3, 4, requires_grad=True)
    loss = box_loss(boxes, [GT_BOXES[1]] * 2, NOTHING, torch.ones(3), 0.11)
    loss.backward()
    assert loss.item() == 0
    assert boxes.grad.eq(0).all()


def test_without_objects_every_location_learns_background():
    # Six locations of two classes, divided by 1.
    none = torch.tensor([], dtype=torch.int64)
    loss = class_loss(torch.zeros(2, 3, 2), [none, none], NOTHING, alpha=-1, gamma=0.0)
    torch.testing.assert_close(loss.item(), 12 * math.log(2))
