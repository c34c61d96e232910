import math

import pytest
import torch

from locount.counting import CountPartition
from locount.modeling.counting.ordinal_counters import CumulativeLinkClassifier


def linked(stage=1, num_stages=2):
    return CumulativeLinkClassifier(CountPartition(56, 10, num_stages), stage)


def wrong_by(classifier, gt_count, error):
    """Loss of outputs that are sure of a count beside the true one."""
    answer = torch.tensor([[gt_count + error]])
    outputs = torch.where(answer > torch.arange(classifier.num_outputs), 9.0, -9.0)
    return classifier.loss(outputs, torch.tensor([gt_count])).item()


def test_prior_of_a_count_is_one_by_the_count():
    shares = linked().distribution(linked().prior()[None])[0]
    expected = 1 / torch.arange(1, 57)
    torch.testing.assert_close(shares, expected / expected.sum(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_near_miss_costs_less_than_a_far_one(sign):
    losses = [wrong_by(linked(), 20, sign * error) for error in (0, 1, 2, 5, 10)]
    assert losses == sorted(losses)
    assert len(set(losses)) == len(losses)


def test_cumulative_link_pulls_every_answer_to_its_side():
    # The loss of a logit 0 has the slope -1/2 where the answer is yes, 1/2 where it is no, times
    # 1 / (k + 1); three is above 0, 1 and 2.
    outputs = torch.zeros(1, 99, requires_grad=True)
    linked().loss(outputs, torch.tensor([3])).sum().backward()
    sides = torch.where(torch.arange(99) < 3, -0.5, 0.5)
    torch.testing.assert_close(outputs.grad[0], sides / torch.arange(1, 100))


def test_cumulative_link_loss_by_hand():
    # Tens of 17: above 0, not above 1, 2 ... 8. Each answer of logit 0 costs log 2.
    classifier = linked(stage=0)
    loss = classifier.loss(torch.zeros(1, 9), torch.tensor([17]))
    torch.testing.assert_close(loss, torch.tensor([math.log(2) * sum(1 / k for k in range(1, 10))]))
    # With a sure answer of either sign only the wrong ones cost, their logit each: those above 0
    # and 3, weighted 1 and 1/4.
    answers = [-50.0, -50, -50, 50, -50, -50, -50, -50, -50]
    loss = classifier.loss(torch.tensor([answers]), torch.tensor([17]))
    torch.testing.assert_close(loss, torch.tensor([50 * 1 + 50 / 4]))


def test_cumulative_link_distribution_takes_differences_of_falling_probabilities():
    # Counts up to 3 in base 2. The outputs say: above 0 for sure, above 1 with 0.6, above 2 with
    # 0.9; the last contradicts the one before and becomes 0.6. So 1, 2, 3 have 0.4, 0, 0.6.
    classifier = CumulativeLinkClassifier(CountPartition(3, 2, 1), 0)
    outputs = torch.logit(torch.tensor([[1 - 1e-6, 0.6, 0.9]]))
    torch.testing.assert_close(
        classifier.distribution(outputs), torch.tensor([[0.4, 0, 0.6]]), atol=1e-5, rtol=0
    )


def test_cumulative_link_believes_the_median():
    # 1 with 0.4, 2 with 0.2 and 3 with 0.4.
    classifier = CumulativeLinkClassifier(CountPartition(3, 2, 1), 0)
    counts, scores = classifier.decode(torch.logit(torch.tensor([[1 - 1e-6, 0.6, 0.4]])))
    assert counts.tolist() == [2]
    torch.testing.assert_close(scores, torch.tensor([0.2]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("logit", "count"), [(-200.0, 1), (200.0, 56)])
def test_cumulative_link_stays_between_one_and_the_largest_count(logit, count):
    # Sure of 0, or of 99: no object has that many.
    outputs = torch.full((1, 99), logit)
    counts, _ = linked().decode(outputs)
    assert counts.tolist() == [count]
    torch.testing.assert_close(linked().distribution(outputs).sum(dim=1), torch.ones(1))


@pytest.mark.parametrize("classifier", [linked(0), linked(1)])
def test_no_object(classifier):
    outputs = torch.zeros(0, classifier.num_outputs, requires_grad=True)
    loss = classifier.loss(outputs, torch.zeros(0, dtype=torch.int64)).sum()
    loss.backward()
    assert loss == 0
    assert outputs.grad is not None
    counts, scores = classifier.decode(outputs)
    assert counts.shape == scores.shape == (0,)
    assert classifier.distribution(outputs).shape == (0, 56)
