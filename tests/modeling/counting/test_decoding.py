import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances
from hypothesis import given, settings
from hypothesis import strategies as st

from locount.counting import AC_STEPS, AC_THRESHOLDS, CountPartition
from locount.modeling import CountClassifier, CountDecoder, CountRegressor
from locount.modeling.counting.decoding import (
    expected_ac_shares,
    fused_distribution,
    most_expected_ac,
)


def distribution(max_count, probabilities):
    row = torch.zeros(1, max_count)
    for count, probability in probabilities.items():
        row[0, count - 1] = probability
    return row


def test_reporting_between_likely_counts_beats_the_most_probable_one():
    # Thresholds passed of ten, by hand from AC: reporting 10 passes 10, 9 (10 of 11: 0.909) and 7
    # (10 of 12: 0.833); reporting 11 passes 9 (9 of 10: 0.9), 10 and 9 (11 of 12: 0.917).
    shares = expected_ac_shares(distribution(12, {10: 0.4, 11: 0.35, 12: 0.25}))
    torch.testing.assert_close(shares[0, 9], torch.tensor(0.4 + 0.35 * 0.9 + 0.25 * 0.7))
    torch.testing.assert_close(shares[0, 10], torch.tensor(0.4 * 0.9 + 0.35 + 0.25 * 0.9))
    counts, best = most_expected_ac(shares)
    assert counts.tolist() == [11]
    torch.testing.assert_close(best, torch.tensor([0.935]))


def test_a_certain_count_is_reported_and_passes_everything():
    counts, best = most_expected_ac(expected_ac_shares(distribution(56, {7: 1.0})))
    assert (counts.tolist(), best.tolist()) == ([7], [1.0])


@given(st.lists(st.integers(0, 20), min_size=1, max_size=15).filter(any))
@settings(deadline=None)
def test_shares_equal_the_definition(weights):
    p = np.array(weights) / sum(weights)
    expected = [
        sum(
            p[true - 1]
            * sum(AC_STEPS * (true - abs(said - true)) >= k * true for k in AC_THRESHOLDS)
            / len(AC_THRESHOLDS)
            for true in range(1, len(p) + 1)
        )
        for said in range(1, len(p) + 1)
    ]
    shares = expected_ac_shares(torch.from_numpy(p)[None])
    np.testing.assert_allclose(shares[0].numpy(), expected, atol=1e-12)


def test_stages_are_averaged_and_coarse_bins_spread_over_their_counts():
    # Counts up to 12 in base 10, two stages. Stage 0 is sure of 10 ... 19, of which 10, 11 and 12
    # can be: 1/3 each. Stage 1 is sure of 11. The mean: 1/6, 2/3, 1/6.
    partition = CountPartition(12, 10, 2)
    counters = [CountClassifier(partition, stage) for stage in range(2)]
    coarse, fine = torch.full((1, 10), -99.0), torch.full((1, 100), -99.0)
    coarse[0, 1] = fine[0, 11] = 99.0
    fused = fused_distribution(counters, [coarse, fine])
    expected = distribution(12, {10: 1 / 6, 11: 2 / 3, 12: 1 / 6})
    torch.testing.assert_close(fused, expected)


def test_no_object():
    partition = CountPartition(12, 10, 2)
    counters = [CountClassifier(partition, stage) for stage in range(2)]
    fused = fused_distribution(counters, [torch.zeros(0, 10), torch.zeros(0, 100)])
    counts, best = most_expected_ac(expected_ac_shares(fused))
    assert counts.shape == best.shape == (0,)
    assert counts.dtype == torch.int64


def make_detections(scores):
    return Instances(
        (64, 64),
        pred_boxes=Boxes(torch.zeros(len(scores), 4)),
        scores=torch.tensor(scores),
        pred_classes=torch.zeros(len(scores), dtype=torch.int64),
    )


def certain_of(*bins, num_bins=100):
    """Logits of a classifier that is certain of each bin."""
    return 99.0 * torch.nn.functional.one_hot(torch.tensor(bins, dtype=torch.int64), num_bins)


def make_decoder(num_stages=1, **kwargs):
    partition = CountPartition(56, 10, num_stages)
    return CountDecoder(
        [CountClassifier(partition, stage) for stage in range(num_stages)], **kwargs
    )


def test_detections_get_the_counts_of_the_last_stage():
    outputs = [certain_of(5, 5, num_bins=10), certain_of(12, 1)]
    detections = make_decoder(num_stages=2)(make_detections([0.9, 0.8]), outputs)
    assert detections.pred_counts.tolist() == [12, 1]
    assert detections.pred_counts.dtype == torch.int64
    torch.testing.assert_close(detections.count_scores, torch.ones(2))


def test_regressed_counts_are_certain():
    decoder = CountDecoder([CountRegressor()])
    detections = decoder(make_detections([0.9]), [torch.tensor([[16.5]])])
    assert (detections.pred_counts.tolist(), detections.count_scores.tolist()) == ([17], [1.0])


def test_ranking_jointly_takes_doubtful_counts_to_the_end():
    # The first detection wavers between 1 and 4, which have no AC in common: 1 passes all
    # thresholds or none, an expected share of one half.
    outputs = certain_of(1, 2)
    outputs[0, 4] = 99.0
    detections = make_decoder(ranking="joint")(make_detections([0.9, 0.6]), [outputs])
    torch.testing.assert_close(detections.scores, torch.tensor([0.6, 0.45]))
    assert detections.pred_counts.tolist() == [2, 1]


def test_the_decoding_of_the_highest_expected_share():
    # 12 with 36 per cent, 15 and 16 with 32 each; 15 passes 6 of ten thresholds if there are 12,
    # all if there are 15 and 9 if there are 16.
    outputs = torch.full((1, 100), -99.0)
    outputs[0, [12, 15, 16]] = torch.tensor([0.36, 0.32, 0.32]).log()
    assert make_decoder()(make_detections([0.9]), [outputs]).pred_counts.tolist() == [12]
    detections = make_decoder(decode="expected_ac")(make_detections([0.9]), [outputs])
    assert detections.pred_counts.tolist() == [15]
    share = 0.36 * 0.6 + 0.32 + 0.32 * 0.9
    torch.testing.assert_close(detections.count_scores, torch.tensor([share]))


@pytest.mark.parametrize("decode", ["argmax", "expected_ac"])
@pytest.mark.parametrize("ranking", ["class", "joint"])
def test_no_detection(decode, ranking):
    decoder = make_decoder(decode=decode, ranking=ranking)
    detections = decoder(make_detections([]), [torch.zeros(0, 100)])
    assert len(detections.pred_counts) == len(detections.count_scores) == 0
    assert detections.pred_counts.dtype == torch.int64
