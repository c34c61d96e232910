import math

import pytest
import torch

from locount.counting import CountPartition
from locount.modeling import CountClassifier, CountRegressor

# Counts up to 56 as two decimal digits: stage 0 has 10 bins of 10 numbers, stage 1 has 100 bins of
# one number.
COARSE, FINE = (CountClassifier(CountPartition(56, 10, 2), stage) for stage in range(2))
REGRESSOR = CountRegressor()


def logits_for(classifier, bin_logits):
    logits = torch.zeros(1, classifier.num_outputs)
    for index, value in bin_logits.items():
        logits[0, index] = value
    return logits


def test_outputs_are_the_bins_of_the_stage():
    assert (COARSE.num_outputs, FINE.num_outputs) == (10, 100)


def test_prior_of_a_count_is_one_by_the_count():
    shares = FINE.prior().exp()[[0, 1, 2, 56, 57]]
    torch.testing.assert_close(shares, torch.tensor([0.001, 1, 1 / 2, 1 / 56, 0.001]))
    # Bin 0 of the tens holds 1 ... 9, bin 5 holds 50 ... 56, bin 6 nothing.
    shares = COARSE.prior().exp()[[0, 5, 6]]
    expected = [sum(1 / c for c in counts) for counts in (range(1, 10), range(50, 57))]
    torch.testing.assert_close(shares, torch.tensor([*expected, 0.001]))
    assert CountRegressor().prior().tolist() == [1.0]


def test_loss_is_the_negative_log_probability_of_the_true_bin():
    # Uniform over 10 bins: each object costs log 10, whatever its count.
    loss = COARSE.loss(torch.zeros(3, 10), torch.tensor([1, 17, 56]))
    torch.testing.assert_close(loss, torch.full((3,), math.log(10)))


def test_loss_looks_at_the_bin_of_the_count():
    # 17 is in bin 1 of ten; a large logit there makes the loss vanish.
    assert COARSE.loss(logits_for(COARSE, {1: 50.0}), torch.tensor([17])) < 1e-6
    assert FINE.loss(logits_for(FINE, {17: 50.0}), torch.tensor([17])) < 1e-6


@pytest.mark.parametrize("counter", [COARSE, REGRESSOR])
def test_loss_of_no_object_is_zero_and_keeps_the_graph(counter):
    outputs = torch.zeros(0, counter.num_outputs, requires_grad=True)
    loss = counter.loss(outputs, torch.zeros(0, dtype=torch.int64)).sum()
    loss.backward()
    assert loss == 0
    assert outputs.grad is not None


def test_decoded_count_is_the_most_probable_one_with_its_probability():
    # e^2 against 99 ones: the probability of 7 is e^2 / (e^2 + 99).
    counts, scores = FINE.decode(logits_for(FINE, {7: 2.0}))
    assert counts.tolist() == [7]
    assert counts.dtype == torch.int64
    torch.testing.assert_close(scores, torch.tensor([math.exp(2) / (math.exp(2) + 99)]))


def test_scores_of_half_precision_are_float32():
    # As of a counting layer that runs under autocast.
    _, scores = FINE.decode(logits_for(FINE, {7: 2.0}).bfloat16())
    torch.testing.assert_close(scores, torch.tensor([math.exp(2) / (math.exp(2) + 99)]))


def test_impossible_counts_are_never_predicted():
    # 0 and 57 ... 99 exist as bins only; the best legal one is 56.
    counts, _ = FINE.decode(logits_for(FINE, {0: 9.0, 57: 8.0, 99: 7.0, 56: 1.0}))
    assert counts.tolist() == [56]
    assert COARSE.hypothesize(logits_for(COARSE, {6: 9.0, 5: 1.0})).tolist() == [5]


def test_bin_zero_of_a_coarse_stage_is_legal():
    # It holds 1 ... 9.
    assert COARSE.hypothesize(logits_for(COARSE, {0: 1.0})).tolist() == [0]


def test_no_object_decodes_to_nothing():
    counts, scores = FINE.decode(torch.zeros(0, 100))
    assert counts.shape == scores.shape == (0,)


def test_bins_admit_the_counts_that_they_hold():
    # Objects of 5 and 17 instances; proposals of the tens 0, 1, 2.
    admitted = COARSE.admits(torch.tensor([0, 1, 2]), torch.tensor([5, 17]))
    assert admitted.tolist() == [[True, False, False], [False, True, False]]


def test_distribution_leaves_impossible_counts_out():
    # Uniform outputs over 100 bins: 56 of them hold a count, 1/56 each.
    torch.testing.assert_close(FINE.distribution(torch.zeros(1, 100)), torch.full((1, 56), 1 / 56))


def test_distribution_spreads_a_bin_over_its_counts():
    # Sure of bin 0, whose counts are 1 ... 9.
    probabilities = COARSE.distribution(logits_for(COARSE, {0: 99.0}))
    expected = torch.zeros(1, 56)
    expected[0, :9] = 1 / 9
    torch.testing.assert_close(probabilities, expected)


def test_regression_loss_is_smooth_l1():
    # Errors of 0.5 and 3: 0.5 * 0.5^2 and 3 - 0.5.
    loss = REGRESSOR.loss(torch.tensor([[2.5], [9.0]]), torch.tensor([2, 12]))
    torch.testing.assert_close(loss, torch.tensor([0.125, 2.5]))


def test_regressed_numbers_are_rounded_half_up_and_at_least_one():
    # torch.round would take 2.5 to the even 2.
    counts, scores = REGRESSOR.decode(torch.tensor([[2.5], [3.5], [3.49], [0.2], [-7.0], [80.0]]))
    assert counts.tolist() == [3, 4, 3, 1, 1, 80]
    assert counts.dtype == torch.int64
    assert scores.tolist() == [1.0] * 6


def test_a_regressed_number_admits_counts_that_it_is_half_right_about():
    # For 4 objects 2 and 6 have AC 0.5, 1 and 7 have 0.25.
    admitted = REGRESSOR.admits(torch.tensor([1, 2, 6, 7]), torch.tensor([4]))
    assert admitted.tolist() == [[False, True, True, False]]


def test_statistics_of_regression():
    # 4 of 4 and 4 of 8: half are exact, and AC is 1 and 0.5.
    figures = REGRESSOR.statistics(torch.tensor([[4.2], [3.9]]), torch.tensor([4, 8]))
    assert figures == {"accuracy": 0.5, "ac": 0.75}


def test_agreement_is_the_probability_of_the_bin_of_a_count_or_the_ac_of_a_number():
    # e^2 against 9 ones in bin 1, that of 17; 3 is in bin 0.
    agreement = COARSE.agreement(logits_for(COARSE, {1: 2.0}), torch.tensor([17, 3]))
    total = math.exp(2) + 9
    torch.testing.assert_close(agreement, torch.tensor([[math.exp(2) / total], [1 / total]]))
    # 4 of 4, 4 of 8 and, at worst, 4 of 1.
    agreement = REGRESSOR.agreement(torch.tensor([[4.2], [8.0]]), torch.tensor([4, 8, 1]))
    assert agreement.tolist() == [[1.0, 0.0], [0.5, 1.0], [0.0, 0.0]]
