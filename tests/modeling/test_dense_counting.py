"""The counting layer that one-stage detectors carry."""

import math

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from locount import add_locount_config
from locount.counting import IGNORED_COUNT
from locount.modeling import CountRegressor, DenseCounting, balance_counts
from locount.modeling.dense_counting import build_dense_counting


def make_counting(in_channels=2, num_anchors=1, **count_head):
    cfg = get_cfg()
    add_locount_config(cfg)
    for key, value in {"STRATEGY": "classification", **count_head}.items():
        cfg.MODEL.COUNT_HEAD[key] = value
    return build_dense_counting(cfg, in_channels=in_channels, num_anchors=num_anchors)


def make_detections(scores):
    return Instances(
        (64, 64),
        pred_boxes=Boxes(torch.zeros(len(scores), 4)),
        scores=torch.tensor(scores),
        pred_classes=torch.zeros(len(scores), dtype=torch.int64),
    )


def certain_of(*counts, num_bins=100):
    """Logits of a classifier that is certain of each count."""
    return 99.0 * torch.nn.functional.one_hot(torch.tensor(counts, dtype=torch.int64), num_bins)


def loss_of(counting, outputs, gt_counts, normalizer=1.0):
    with EventStorage():
        return counting.loss(outputs, torch.tensor(gt_counts), normalizer)


def test_each_anchor_of_a_location_has_its_own_outputs():
    # One stage: as many bins as the numbers of two decimal digits, whatever the cascade's stages.
    counting = make_counting(num_anchors=3)
    assert counting(torch.zeros(1, 2, 4, 5)).shape == (1, 3, 100, 4, 5)
    with torch.no_grad():
        counting.count_pred.bias.copy_(torch.arange(300))
    outputs = counting(torch.zeros(1, 2, 1, 1))
    assert outputs[0, 1, :, 0, 0].tolist() == list(range(100, 200))


def test_the_loss_is_that_of_the_counts_over_the_normalizer():
    # Two anchors of an image of three are to be trained. Of equal logits each costs log 100.
    counting = make_counting(LOSS_WEIGHT=0.5)
    loss = loss_of(counting, torch.zeros(1, 3, 100), [[7, IGNORED_COUNT, 56]], normalizer=4.0)
    torch.testing.assert_close(loss, torch.tensor(0.5 * 2 * math.log(100) / 4))


def test_a_right_count_costs_nothing_and_a_regressed_one_its_distance():
    outputs = certain_of(7, 3)[None]
    assert loss_of(make_counting(), outputs, [[7, IGNORED_COUNT]]) < 1e-6
    counting = DenseCounting(in_channels=2, counter=CountRegressor())
    # Smooth L1 of an error of 3 is 3 - 1/2.
    assert loss_of(counting, torch.tensor([[[4.0]]]), [[7]]) == 2.5


@pytest.mark.parametrize("strategy", ["classification", "regression"])
def test_without_a_count_to_train_the_loss_is_zero_with_its_graph(strategy):
    counting = make_counting(STRATEGY=strategy)
    outputs = counting(torch.zeros(1, 2, 1, 3)).permute(0, 1, 3, 4, 2)
    loss = loss_of(counting, outputs, [[[[IGNORED_COUNT] * 3]]])
    assert loss == 0
    loss.backward()
    assert (counting.count_pred.weight.grad == 0).all()


def test_balanced_losses_are_weighted_by_the_bin():
    # Four objects of count 1 and one of count 11: weights 5/6 and 5/3 (test_count_balance.py).
    counting = make_counting(BALANCE="inverse_sqrt", LOSS_WEIGHT=1.0)
    with pytest.raises(ValueError, match="balance_counts"):
        loss_of(counting, torch.zeros(1, 1, 100), [[1]])
    balance_counts(counting, torch.tensor([1, 1, 1, 1, 11]))
    loss = loss_of(counting, torch.zeros(1, 2, 100), [[1, 11]])
    torch.testing.assert_close(loss, torch.tensor((5 / 6 + 5 / 3) * math.log(100)))


def test_detections_get_the_counts_of_their_outputs():
    detections = make_counting().decode(make_detections([0.9, 0.8]), certain_of(12, 1))
    assert detections.pred_counts.tolist() == [12, 1]
    assert detections.pred_counts.dtype == torch.int64
    torch.testing.assert_close(detections.count_scores, torch.ones(2))


def test_joint_ranking_sorts_doubtful_counts_behind():
    # The first detection wavers between 1 and 4, which have no AC in common: 1 passes all
    # thresholds or none, an expected share of one half.
    outputs = certain_of(1, 2)
    outputs[0, 4] = 99.0
    detections = make_counting(RANKING="joint").decode(make_detections([0.9, 0.6]), outputs)
    torch.testing.assert_close(detections.scores, torch.tensor([0.6, 0.45]))
    assert detections.pred_counts.tolist() == [2, 1]


def test_expected_ac_reports_what_passes_more_thresholds():
    # As in test_roi_heads.py: 12 with 36 per cent, 15 and 16 with 32 each; 15 passes most.
    outputs = torch.full((1, 100), -99.0)
    outputs[0, [12, 15, 16]] = torch.tensor([0.36, 0.32, 0.32]).log()
    assert make_counting().decode(make_detections([0.9]), outputs).pred_counts.tolist() == [12]
    counting = make_counting(DECODE="expected_ac")
    assert counting.decode(make_detections([0.9]), outputs).pred_counts.tolist() == [15]


@pytest.mark.parametrize("decode", ["argmax", "expected_ac"])
@pytest.mark.parametrize("ranking", ["class", "joint"])
def test_no_detection(decode, ranking):
    counting = make_counting(DECODE=decode, RANKING=ranking)
    detections = counting.decode(make_detections([]), torch.zeros(0, 100))
    assert len(detections.pred_counts) == len(detections.count_scores) == 0
    assert detections.pred_counts.dtype == torch.int64


def test_without_a_strategy_there_is_no_layer():
    assert make_counting(STRATEGY="none") is None
