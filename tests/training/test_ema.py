from types import SimpleNamespace

import pytest
from detectron2.checkpoint import DetectionCheckpointer
from torch import nn

from locount.training.ema import WeightAverage


def averaged(decay, weights):
    """The average after steps from 0 that leave these scalar weights."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = WeightAverage(DetectionCheckpointer(model), decay)
    for step, weight in enumerate(weights):
        average.trainer = SimpleNamespace(start_iter=0, iter=step)
        if step == 0:
            average.before_train()
        nn.init.constant_(model.weight, weight)
        average.after_step()
    return average.model.weight.item()


def test_the_average_after_two_steps():
    # The first keeps 1/10, of 0, and takes 9/10 of 11: 9.9. The second keeps 2/11 of that, 1.8, and
    # takes 9/11 of 22.
    assert averaged(0.9998, [11.0]) == pytest.approx(9.9)
    assert averaged(0.9998, [11.0, 22.0]) == pytest.approx(19.8)


def test_a_step_keeps_no_more_than_the_decay():
    # 0.95 * 11 = 10.45, then 0.05 * 10.45 + 0.95 * 22.
    assert averaged(0.05, [11.0, 22.0]) == pytest.approx(21.4225)


def test_statistics_are_those_of_the_model_in_training():
    model = nn.BatchNorm1d(1)
    average = WeightAverage(DetectionCheckpointer(model), 0.5)
    average.trainer = SimpleNamespace(start_iter=0, iter=0)
    average.before_train()
    model.running_mean.fill_(3.0)
    average.after_step()
    assert average.model.running_mean.item() == 3.0
