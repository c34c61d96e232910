import math

import numpy as np
import pytest

from locount.calibration.conformal import (
    LEVELS,
    Quantiles,
    Spread,
    check_level,
    photos_needed,
)
from locount.errors import InputError


def of_photos(errors):
    return Quantiles.of(np.asarray(errors, float), np.arange(len(errors)))


def test_quantile_by_hand():
    # Of 9 photos the 9th smallest of 10 with the new one is at 90 %, the 8th at 80 %.
    quantiles = of_photos([5, 1, 9, 3, 7, 2, 8, 4, 6])
    assert quantiles.at(0.9) == 9
    assert quantiles.at(0.8) == 8
    assert quantiles.at(0.85) == 9
    assert quantiles.at(0.91) == math.inf


def test_each_photo_weighs_the_same():
    # Weights 1/3 a photo: errors 1 and 1 of the first have 1/6 each, 3 of the second has 1/3.
    quantiles = Quantiles.of(np.array([1.0, 1, 3]), np.array([7, 7, 4]))
    assert quantiles.photos == 2
    assert [quantiles.at(level) for level in (0.1, 0.33, 0.34, 0.66, 0.67)] == [
        1,
        1,
        3,
        3,
        math.inf,
    ]


def test_without_photos_nothing_is_covered():
    assert of_photos([]).at(0.01) == math.inf


@pytest.mark.parametrize(
    ("level", "photos"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)]
)
def test_photos_needed(level, photos):
    # n / (n + 1) >= level
    assert photos_needed(level) == photos
    assert of_photos(range(photos)).at(level) == photos - 1
    assert of_photos(range(photos - 1)).at(level) == math.inf


@pytest.mark.parametrize("num", [3, 50, 5000])
def test_what_is_kept_answers_for_every_level(num):
    errors = np.random.default_rng(num).exponential(size=num)
    quantiles = of_photos(errors)
    assert len(quantiles.errors) <= len(LEVELS) + 1
    padded = np.append(np.sort(errors), math.inf)

    def exact(level):
        return padded[min(math.ceil(level * (num + 1) - 1e-9), num + 1) - 1]

    assert [quantiles.at(level) for level in LEVELS] == [exact(level) for level in LEVELS]
    # Between two of them the next one answers, which covers more.
    between = LEVELS[:-1] + 0.002
    assert all(quantiles.at(level) >= exact(level) for level in between)


@pytest.mark.parametrize(("num", "level"), [(9, 0.9), (12, 0.8), (40, 0.5)])
def test_new_photos_are_covered(num, level):
    # A new photo's error is among the k = ceil(level (n + 1)) smallest of n + 1 with probability
    # k / (n + 1), as all orders are equally likely. 4,000 draws: 4 standard deviations.
    rng, draws = np.random.default_rng(1), 4000
    errors = rng.lognormal(size=(draws, num + 1))
    covered = np.mean([row[-1] <= of_photos(row[:-1]).at(level) for row in errors])
    expected = math.ceil(level * (num + 1) - 1e-9) / (num + 1)
    assert expected >= level
    assert abs(covered - expected) < 4 * math.sqrt(expected * (1 - expected) / draws)


def test_boxes_of_new_photos_are_covered_where_photos_differ():
    # Half of the photos have one box with an error of 1 to 2, half have 20 below 1. Of all boxes
    # 90 % are below 1; of boxes of a photo drawn first, half are.
    rng, draws, num, level = np.random.default_rng(2), 2000, 19, 0.8
    together = grouped = 0
    for _ in range(draws):
        sizes = np.where(rng.random(num + 1) < 0.5, 1, 20)
        photo = np.repeat(np.arange(num + 1), sizes)
        errors = rng.random(len(photo)) + (sizes[photo] == 1)
        old = photo < num
        new = rng.choice(errors[~old])
        grouped += new <= Quantiles.of(errors[old], photo[old]).at(level)
        together += new <= of_photos(errors[old]).at(level)
    margin = 4 * math.sqrt(level * (1 - level) / draws)
    assert grouped / draws > level - margin
    assert together / draws < level - margin


def test_totals_of_new_photos_are_covered_by_whole_numbers():
    # The unit is learnt from other photos. A tenth of the items is missed, so errors have a side.
    rng, draws, num, level = np.random.default_rng(3), 1000, 19, 0.9
    covered = []
    for _ in range(draws):
        true = rng.poisson(30, 2 * num + 1)
        predicted = rng.binomial(true, 0.9).astype(float)
        spread = Spread.fit(predicted[:num], true[:num], 0.5)
        error = of_photos(spread.errors(predicted[num:-1], true[num:-1])).at(level)
        low, high = spread.bounds(predicted[-1:], error, 0)
        covered.append(low[0] <= true[-1] <= high[0])
    assert np.mean(covered) > level - 4 * math.sqrt(level * (1 - level) / draws)


@pytest.mark.parametrize("least", [0, 1])
def test_bounds_are_what_has_no_larger_error(least):
    spread = Spread(0.5, 0.3, 0.7)
    predicted = np.arange(least, 60)
    low, high = spread.bounds(predicted, 1.7, least)
    for number, first, last in zip(predicted, low, high, strict=True):
        true = np.arange(least, 200)
        inside = spread.errors(np.full(len(true), number), true) <= 1.7
        assert true[inside].tolist() == list(range(first, last + 1))
        assert first <= number <= last


def test_bounds_widen_with_the_error():
    # 9 - 0.5 · 10 · e, at least 1, and 9 + 0.5 · 10 · e
    low, high = Spread(1, 0.5, 0.5).bounds(np.full(4, 9), np.array([0, 0.5, 1, 4]), 1)
    assert low.tolist() == [9, 7, 4, 1]
    assert high.tolist() == [9, 11, 14, 29]


def test_the_unit_has_the_sides_of_the_errors():
    def fit(distances):
        predicted = np.full(len(distances), 5.0)
        spread = Spread.fit(predicted, predicted + distances, 0)
        return spread.below, spread.above

    # Sums 1 and 3, and of ten more numbers with the mean 4 / 3 half on either side: 20 / 3.
    assert fit([-1, 3, 0]) == pytest.approx((23 / 52, 29 / 52))
    # Always too few: that is not taken for more than four times as far.
    assert fit([3] * 500) == pytest.approx((0.2, 0.8))
    assert fit([0, 0]) == (0.5, 0.5)


@pytest.mark.parametrize("level", [0, 1, -1, 90, math.nan])
def test_a_level_lies_between_0_and_1(level):
    with pytest.raises(InputError, match="must be between 0 and 1"):
        check_level(level)
