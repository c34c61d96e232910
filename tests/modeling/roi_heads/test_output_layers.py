import math

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from locount.counting import CountPartition
from locount.modeling import CountClassifier, CountingFastRCNNOutputLayers, CountLoss
from locount.modeling.counting.matcher import IGNORED_COUNT

NUM_CLASSES = 2


def make_layers(weight=0.1, balance="none"):
    """Layers for counts up to 9 whose outputs are all zero: every bin has probability 1 / 10."""
    layers = CountingFastRCNNOutputLayers(
        ShapeSpec(channels=4),
        box2box_transform=Box2BoxTransform((10.0, 10.0, 5.0, 5.0)),
        num_classes=NUM_CLASSES,
        cls_agnostic_bbox_reg=True,
        count_loss=CountLoss(
            CountClassifier(CountPartition(9, 10, 1), 0), weight=weight, balance=balance
        ),
    )
    for parameter in layers.parameters():
        torch.nn.init.zeros_(parameter)
    return layers


def make_proposals(gt_classes, gt_counts=None):
    boxes = Boxes(torch.tensor([[0.0, 0, 10, 10]]).repeat(len(gt_classes), 1))
    proposals = Instances((20, 20), proposal_boxes=boxes, gt_classes=torch.tensor(gt_classes))
    if gt_counts is not None:
        proposals.gt_boxes = boxes
        proposals.gt_counts = torch.tensor(gt_counts)
    return proposals


def losses(layers, proposals, features=None):
    if features is None:
        features = torch.ones(sum(map(len, proposals)), 4)
    with EventStorage() as storage:
        return layers.losses(layers(features), proposals), storage


def test_count_loss_is_the_mean_over_the_foreground():
    # Of equal logits every count costs log 10. With output 5 at log 11 the bin of count 5 has the
    # probability 11 / 20 and each other one 1 / 20. Two of four ROIs are foreground, of the counts
    # 5 and 1; the background's counts and its number do not matter.
    layers = make_layers(0.1)
    with torch.no_grad():
        layers.count_pred.bias[5] = math.log(11)
    result, _ = losses(layers, [make_proposals([0, 2, 1, 2], [5, 5, 1, 1])])
    expected = 0.1 * (math.log(20 / 11) + math.log(20)) / 2
    torch.testing.assert_close(result["loss_count"], torch.tensor(expected))


def test_classification_and_box_losses_are_those_of_the_base_class():
    proposals = [make_proposals([0, 2], [5, 5])]
    result, _ = losses(make_layers(), proposals)
    # Zero logits over two classes and background; boxes equal to the proposals with zero deltas.
    torch.testing.assert_close(result["loss_cls"], torch.tensor(math.log(3)))
    assert result["loss_box_reg"] == 0


def test_an_ignored_count_is_not_in_the_mean():
    result, _ = losses(make_layers(1.0), [make_proposals([0, 1], [5, IGNORED_COUNT])])
    torch.testing.assert_close(result["loss_count"], torch.tensor(math.log(10)))


def test_an_image_without_ground_truth_beside_one_with_it():
    # As Detectron2 gives it: gt_classes is the background, no other gt_* field.
    result, _ = losses(make_layers(1.0), [make_proposals([2, 2]), make_proposals([0, 1], [5, 6])])
    torch.testing.assert_close(result["loss_count"], torch.tensor(math.log(10)))


def test_no_ground_truth_and_no_proposal_give_zero_losses_that_keep_the_graph():
    layers = make_layers()
    for proposals in (make_proposals([2, 2]), make_proposals([])):
        proposals.gt_classes = proposals.gt_classes.long()
        result, _ = losses(layers, [proposals])
        layers.zero_grad()
        sum(result.values()).backward()
        assert result["loss_count"] == 0
        assert layers.count_pred.weight.grad is not None
        assert (layers.count_pred.weight.grad == 0).all()


def test_balanced_losses_are_weighted_by_the_bin():
    # Counts 5 and 1, of the weights 3 and 0.5; each costs log 10, the background nothing.
    layers = make_layers(1.0, balance="inverse_sqrt")
    weights = torch.ones(10)
    weights[5], weights[1] = 3.0, 0.5
    layers.count_loss.bin_weights = weights
    result, _ = losses(layers, [make_proposals([0, 1, 2], [5, 1, 5])])
    torch.testing.assert_close(result["loss_count"], torch.tensor(3.5 * math.log(10) / 2))


def test_balance_without_the_counts_of_the_data_is_refused():
    with pytest.raises(ValueError, match=r"BALANCE.*balance_counts\(model, counts\)"):
        losses(make_layers(balance="inverse_sqrt"), [make_proposals([0], [5])])


def test_logged_accuracy_and_ac():
    # The layer says 4 to everything: right for the first of two objects, AC of the second is 1 - |4
    # - 8| / 8.
    layers = make_layers()
    with torch.no_grad():
        layers.count_pred.bias[4] = 9.0
    _, storage = losses(layers, [make_proposals([0, 1, 2], [4, 8, 1])])
    latest = {name: value for name, (value, _) in storage.latest().items()}
    assert latest["count/accuracy"] == 0.5
    assert latest["count/ac"] == 0.75
