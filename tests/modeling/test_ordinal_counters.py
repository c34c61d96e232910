import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from locount.counting import CountPartition
from locount.modeling import CountClassifier
from locount.modeling.ordinal_counters import CumulativeLinkClassifier, SoftCountClassifier


def soft(max_count, base, num_stages, stage, sharpness=1.0):
    return SoftCountClassifier(CountPartition(max_count, base, num_stages), stage, sharpness)


def linked(stage=1, num_stages=2):
    return CumulativeLinkClassifier(CountPartition(56, 10, num_stages), stage)


def wrong_by(classifier, gt_count, error):
    """Loss of outputs that are sure of a count beside the true one."""
    answer = torch.tensor([gt_count + error])
    if isinstance(classifier, CumulativeLinkClassifier):
        outputs = torch.where(answer[:, None] > torch.arange(classifier.num_outputs), 9.0, -9.0)
    else:
        outputs = 9.0 * torch.nn.functional.one_hot(answer, classifier.num_outputs).float()
    return classifier.loss(outputs, torch.tensor([gt_count])).item()


def test_shares_are_proportional_to_ac():
    # Numbers 0 ... 7, the true one 2: AC is 0, 1/2, 1, 1/2, 0 ..., which add up to 2. Squared they
    # are 0, 1/4, 1, 1/4, which add up to 3/2.
    expected = torch.tensor([[0, 1 / 4, 1 / 2, 1 / 4, 0, 0, 0, 0]])
    torch.testing.assert_close(soft(7, 2, 1, 0).targets(torch.tensor([2])), expected)
    expected = torch.tensor([[0, 1 / 6, 2 / 3, 1 / 6, 0, 0, 0, 0]])
    torch.testing.assert_close(soft(7, 2, 1, 0, 2.0).targets(torch.tensor([2])), expected)


@given(st.integers(2, 120), st.integers(2, 10), st.floats(0.5, 20), st.data())
@settings(deadline=None, max_examples=50)
def test_the_true_bin_has_the_largest_share_at_every_stage(max_count, base, sharpness, data):
    num_digits = next(d for d in range(1, 8) if base**d > max_count)
    num_stages = data.draw(st.integers(1, num_digits))
    stage = data.draw(st.integers(0, num_stages - 1))
    counts = torch.arange(1, max_count + 1)
    classifier = soft(max_count, base, num_stages, stage, sharpness)
    targets = classifier.targets(counts)
    bins = classifier.partition.encode(counts, stage)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones_like(targets[:, 0]))
    assert torch.equal(targets.argmax(dim=1), bins)


def test_targets_of_a_coarse_stage_are_those_of_the_fine_one_added_up():
    counts = torch.arange(1, 57)
    fine = soft(56, 10, 2, 1, 10.0).targets(counts)
    coarse = soft(56, 10, 2, 0, 10.0).targets(counts)
    torch.testing.assert_close(coarse, fine.view(56, 10, 10).sum(dim=2))


@pytest.mark.parametrize("stage", [0, 1])
def test_a_single_item_is_trained_as_with_plain_cross_entropy(stage):
    # No other number has AC > 0 for it.
    outputs, one = torch.randn(1, (10, 100)[stage]), torch.tensor([1])
    plain = CountClassifier(CountPartition(56, 10, 2), stage)
    torch.testing.assert_close(soft(56, 10, 2, stage).loss(outputs, one), plain.loss(outputs, one))


@pytest.mark.parametrize("classifier", [soft(56, 10, 2, 1, 10.0), linked()])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_near_miss_costs_less_than_a_far_one(classifier, sign):
    losses = [wrong_by(classifier, 20, sign * error) for error in (0, 1, 2, 5, 10)]
    assert losses == sorted(losses)
    assert len(set(losses)) == len(losses)


def test_soft_targets_pull_towards_near_counts_and_away_from_far_ones():
    outputs = torch.zeros(1, 100, requires_grad=True)
    soft(56, 10, 2, 1, 10.0).loss(outputs, torch.tensor([20])).sum().backward()
    # Descending the gradient raises 20 and its neighbours, and lowers 10 and 30.
    assert (outputs.grad[0, [19, 20, 21]] < 0).all()
    assert (outputs.grad[0, [10, 30]] > 0).all()


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


@pytest.mark.parametrize("classifier", [soft(56, 10, 2, 0), linked(0), linked(1)])
def test_no_object(classifier):
    outputs = torch.zeros(0, classifier.num_outputs, requires_grad=True)
    loss = classifier.loss(outputs, torch.zeros(0, dtype=torch.int64)).sum()
    loss.backward()
    assert loss == 0
    assert outputs.grad is not None
    counts, scores = classifier.decode(outputs)
    assert counts.shape == scores.shape == (0,)
    assert classifier.distribution(outputs).shape == (0, 56)


def test_a_sharpness_of_zero_is_refused():
    with pytest.raises(ValueError, match="sharpness must be above 0, not 0"):
        soft(56, 10, 2, 0, 0)
