"""The counting layer that one-stage detectors carry."""

import math

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.utils.events import EventStorage

from locount import add_locount_config
from locount.counting import IGNORED_COUNT
from locount.modeling.counting.dense import (
    DenseCounting,
    build_dense_counting,
    by_location,
    dense_count_loss,
)


def make_counting(**count_head):
    cfg = get_cfg()
    add_locount_config(cfg)
    for key, value in {"STRATEGY": "classification", **count_head}.items():
        cfg.MODEL.COUNT_HEAD[key] = value
    return build_dense_counting(cfg, in_channels=2)


def loss_of(counting, levels, gt_counts):
    with EventStorage():
        return dense_count_loss(counting.loss, levels, torch.tensor(gt_counts))


def test_a_location_has_the_outputs_of_one_stage():
    # As many bins as the numbers of two decimal digits, whatever the cascade's stages.
    assert make_counting().layer(torch.zeros(1, 2, 4, 5)).shape == (1, 100, 4, 5)


def test_outputs_by_location_go_row_by_row_and_level_by_level():
    levels = torch.arange(12.0).view(1, 2, 2, 3), torch.tensor([[[[20.0]], [[21.0]]]])
    assert by_location(levels)[0].tolist() == [*([float(i), i + 6.0] for i in range(6)), [20, 21]]


def test_the_loss_is_the_mean_over_the_counts_to_be_trained():
    # Two of three locations. Of equal logits one costs log 100, a sure one nothing.
    counting = make_counting(LOSS_WEIGHT=0.5)
    outputs = torch.zeros(1, 100, 1, 3)
    outputs[0, 7, 0, 0] = 99.0
    loss = loss_of(counting, [outputs], [[7, IGNORED_COUNT, 56]])
    torch.testing.assert_close(loss, torch.tensor(0.5 * math.log(100) / 2))


def test_anchors_of_a_location_share_its_outputs():
    # Two locations of two anchors each: the first one is sure of 7, the second of 3.
    outputs = torch.zeros(1, 100, 1, 2)
    outputs[0, 7, 0, 0] = outputs[0, 3, 0, 1] = 99.0
    none = IGNORED_COUNT
    assert loss_of(make_counting(), [outputs], [[7, 7, none, 3]]) < 1e-6
    # One wrong one of three costs 99.
    loss = loss_of(make_counting(LOSS_WEIGHT=1.0), [outputs], [[7, none, 7, 3]])
    torch.testing.assert_close(loss, torch.tensor(99.0 / 3))


def test_a_regressed_count_costs_its_distance():
    # Smooth L1 of an error of 3 is 3 - 1/2.
    counting = make_counting(STRATEGY="regression", LOSS_WEIGHT=1.0)
    assert loss_of(counting, [torch.full((1, 1, 1, 1), 4.0)], [[7]]) == 2.5


@pytest.mark.parametrize("strategy", ["classification", "regression"])
def test_without_a_count_to_train_the_loss_is_zero_with_its_graph(strategy):
    counting = make_counting(STRATEGY=strategy)
    loss = loss_of(counting, [counting.layer(torch.zeros(1, 2, 1, 3))], [[IGNORED_COUNT] * 3])
    assert loss == 0
    loss.backward()
    assert (counting.layer.weight.grad == 0).all()


def test_without_a_strategy_nothing_counts():
    assert make_counting(STRATEGY="none") == DenseCounting(None, None, None)
