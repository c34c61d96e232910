import msgspec
import numpy as np
import pytest

from locount.calibration.isotonic import LEAST_IN_STEP, Isotonic


def test_shares_that_rise_stay_as_they_are():
    # 20 of score 0.1 with 5 hits, 20 of 0.6 with 15.
    scores = np.repeat([0.1, 0.6], 20)
    hits = np.concatenate([np.arange(20) < 5, np.arange(20) < 15])
    fitted = Isotonic.fit(scores, hits)
    assert fitted == Isotonic([0.1, 0.6], [0.25, 0.75])
    assert fitted(np.array([0.0, 0.1, 0.59, 0.6, 1.0])).tolist() == [0.25, 0.25, 0.25, 0.75, 0.75]


def test_shares_that_fall_are_pooled():
    # 10 of 20 hit at 0.1, 16 at 0.2, 12 at 0.3, 20 at 0.4: the middle two become 28 of 40.
    numbers = [10, 16, 12, 20]
    scores = np.repeat([0.1, 0.2, 0.3, 0.4], 20)
    hits = np.concatenate([np.arange(20) < n for n in numbers])
    assert Isotonic.fit(scores, hits) == Isotonic([0.1, 0.2, 0.4], [0.5, 0.7, 1.0])


def test_equal_scores_are_in_one_step():
    # 30 equal ones, 10 more than a step holds, then 20.
    scores = np.repeat([0.5, 0.7], [30, 20])
    fitted = Isotonic.fit(scores, np.repeat([0, 1], [30, 20]))
    assert fitted == Isotonic([0.5, 0.7], [0.0, 1.0])


def test_few_scores_are_one_step():
    assert Isotonic.fit(np.array([0.2, 0.9]), np.array([0, 1])) == Isotonic([0.2], [0.5])


@pytest.mark.parametrize("seed", range(20))
def test_least_squares_among_steps_that_do_not_fall(seed):
    # A minimum has no better neighbor: no step can be moved towards any other fit.
    rng = np.random.default_rng(seed)
    scores = rng.random(400)
    hits = (rng.random(400) < scores**2).astype(float)
    fitted = Isotonic.fit(scores, hits)
    values = np.array(fitted.values)
    assert (np.diff(fitted.starts) > 0).all()
    assert (np.diff(values) > 0).all()
    assert len(values) <= 400 // LEAST_IN_STEP
    place = np.searchsorted(fitted.starts, scores, side="right") - 1
    means = np.bincount(place, hits) / np.bincount(place)
    np.testing.assert_allclose(values, means)


def test_a_damaged_one_is_an_error():
    with pytest.raises(msgspec.ValidationError, match="as many"):
        msgspec.convert({"starts": [0.1], "values": []}, Isotonic)
