from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from locount.counting import (
    AC_STEPS,
    AC_THRESHOLDS,
    COUNT_RANGES,
    CountPartition,
    counting_accuracy,
    num_passed_ac_thresholds,
)


def test_counting_accuracy_by_hand():
    # 1 - 1/4, 1 - 0, 1 - 5/5, and 1 - 9/3 < 0
    pred, gt = np.array([3, 7, 10, 12]), np.array([4, 7, 5, 3])
    np.testing.assert_array_equal(counting_accuracy(pred, gt), [0.75, 1, 0, 0])
    assert torch.equal(
        counting_accuracy(torch.from_numpy(pred), torch.from_numpy(gt)).double(),
        torch.tensor([0.75, 1, 0, 0], dtype=torch.float64),
    )
    assert counting_accuracy(3, 4) == 0.75


def test_17_of_20_passes_085_exactly():
    # AC is 0.85 to the digit: thresholds 0.50 ... 0.85 are passed, eight of ten.
    assert num_passed_ac_thresholds(17, 20) == 8
    assert num_passed_ac_thresholds(23, 20) == 8
    assert num_passed_ac_thresholds(20, 20) == 10
    assert num_passed_ac_thresholds(10, 20) == 1
    assert num_passed_ac_thresholds(9, 20) == 0


@given(st.integers(0, 200), st.integers(1, 200))
def test_passed_thresholds_equal_the_definition_in_fractions(pred, gt):
    accuracy = max(Fraction(0), 1 - Fraction(abs(pred - gt), gt))
    passed = sum(accuracy >= Fraction(k, AC_STEPS) for k in AC_THRESHOLDS)
    assert num_passed_ac_thresholds(pred, gt) == passed
    assert num_passed_ac_thresholds(np.array([pred]), np.array([gt])).tolist() == [passed]
    assert num_passed_ac_thresholds(torch.tensor([pred]), torch.tensor([gt])).tolist() == [passed]


def test_count_ranges_cover_every_count_once():
    for count in range(1, 100):
        assert sum(low <= count <= high for low, high in COUNT_RANGES.values()) == 1


@pytest.mark.parametrize(
    ("base", "num_bins"),
    [
        (2, (64,)),
        (2, (8, 64)),
        (2, (4, 16, 64)),
        (2, (2, 4, 8, 16, 32, 64)),
        (10, (100,)),
        (10, (10, 100)),
    ],
)
def test_locount_partitions(base, num_bins):
    assert CountPartition(56, base, len(num_bins)).num_bins == num_bins


def test_later_stages_take_the_extra_digits():
    # 100 has 7 binary digits; on 3 stages 2, 2, 3.
    assert CountPartition(100, 2, 3).num_bins == (4, 16, 128)


@pytest.mark.parametrize(
    ("max_count", "base", "digits"), [(124, 5, 3), (125, 5, 4), (1, 2, 1), (999, 10, 3)]
)
def test_digits_are_exact_at_powers(max_count, base, digits):
    # math.log(125, 5) > 3 in floats: 124 must have 3 digits and 125 four.
    assert CountPartition(max_count, base, 1).num_bins == (base**digits,)


@given(st.integers(1, 300), st.integers(2, 12), st.integers(1, 4))
def test_encode_range_and_nesting_agree_for_every_count(max_count, base, num_stages):
    digits = len(np.base_repr(max_count, base))
    if num_stages > digits:
        with pytest.raises(ValueError, match="too few"):
            CountPartition(max_count, base, num_stages)
        return
    partition = CountPartition(max_count, base, num_stages)
    counts = np.arange(max_count + 1)
    for stage in range(num_stages):
        bins = partition.encode(counts, stage)
        assert bins.min() >= 0
        assert bins.max() < partition.num_bins[stage]
        first, last = partition.count_range(stage, bins)
        assert ((first <= counts) & (counts <= last)).all()
        if stage > 0:
            # A coarse bin is a union of finer ones: the finer range lies inside the coarser one.
            coarse_first, coarse_last = partition.count_range(
                stage - 1, partition.encode(counts, stage - 1)
            )
            assert ((coarse_first <= first) & (last <= coarse_last)).all()
    np.testing.assert_array_equal(
        partition.decode(partition.encode(counts, num_stages - 1), num_stages - 1), counts
    )


@pytest.mark.parametrize("arguments", [(0, 2, 1), (56, 1, 1), (56, 2, 0)])
def test_values_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match="max_count >= 1, base >= 2 and num_stages >= 1"):
        CountPartition(*arguments)
