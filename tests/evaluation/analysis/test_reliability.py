import math

import numpy as np
import pytest

from locount.evaluation.analysis.reliability import Reliability


def test_bins_by_hand():
    # Of two at 0.9 and 1.0 one hits: 0.95 said, 0.5 right; of one at 0.25 none does.
    reliability = Reliability.of(np.array([0.9, 0.25, 1.0]), np.array([1, 0, 0]), num_bins=5)
    assert reliability.scores.tolist() == pytest.approx([0.25, 0.95])
    assert reliability.shares.tolist() == [0, 0.5]
    assert reliability.numbers.tolist() == [1, 2]
    assert reliability.error == pytest.approx((0.25 + 2 * 0.45) / 3)


def test_without_detections_nothing_is_known():
    assert math.isnan(Reliability.of(np.empty(0), np.empty(0)).error)
