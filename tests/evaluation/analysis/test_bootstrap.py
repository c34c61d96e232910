import numpy as np
import pytest

from locount.evaluation import evaluate_detections, match
from locount.evaluation.analysis.bootstrap import NAMES, Resampled, compare_systems

from ..cases import random_case


def repeated(gt, dt, times):
    """The files with each photo as often as ``times`` says, in the order of ids, under new ids."""
    copies = {}
    for place, image_id in enumerate(sorted(image["id"] for image in gt["images"])):
        copies[image_id] = [1000 * place + copy for copy in range(times[place])]

    def copied(entries):
        return [e | {"image_id": new} for e in entries for new in copies[e["image_id"]]]

    annotations = [a | {"id": i} for i, a in enumerate(copied(gt["annotations"]))]
    images = [{"id": new} for news in copies.values() for new in news]
    return gt | {"images": images, "annotations": annotations}, copied(dt)


def slow_figures(gt, dt, times, max_dets):
    metrics = evaluate_detections(*repeated(gt, dt, times), max_dets).metrics
    return {name: metrics[name] for name in NAMES}


@pytest.mark.parametrize("seed", range(150))
def test_figures_equal_those_of_repeated_files(seed):
    """Cases full of equal scores, with crowds, and photos that no draw took."""
    gt, dt = random_case(seed)
    rng = np.random.default_rng(seed)
    max_dets = (2, 150)[seed % 2]
    resampled = Resampled(match(gt, dt, max_dets))
    for _ in range(3):
        times = rng.integers(0, 5, len(gt["images"]))
        expected = slow_figures(gt, dt, times, max_dets)
        assert resampled.figures(times) == pytest.approx(expected, abs=1e-9, nan_ok=True)


BOX = [0, 0, 100, 100]


def photos(*counts):
    """A photo with one box for each count."""
    return {
        "images": [{"id": i} for i in range(len(counts))],
        "categories": [{"id": 1}],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 1, "bbox": BOX, "count": count}
            for i, count in enumerate(counts)
        ],
    }


def found(*counts):
    """That box found in each photo, with this count; with None it is not."""
    return [
        {"image_id": i, "category_id": 1, "bbox": BOX, "count": count, "score": 0.5}
        for i, count in enumerate(counts)
        if count
    ]


def row(differences, name):
    return next(r for r in differences.figures if r["figure"] == name)


def test_a_system_does_not_differ_from_itself():
    gt, dt = random_case(4)
    differences = compare_systems(match(gt, dt, 150), match(gt, dt, 150), draws=20)
    for r in differences.figures:
        assert (r["difference"], r["low"], r["high"]) == (0, 0, 0)


def test_a_difference_that_every_photo_has_is_sure():
    # Both find every box; the other is wrong by half in each count, which passes AC 0.50 alone.
    gt = photos(2, 2, 2)
    dt, other = (match(gt, found(n, n, n), 150) for n in (2, 1))
    differences = compare_systems(dt, other, draws=20)
    for name, difference in {"AP": 0, "AP50": 0, "APlc50": 0, "APlc75": 100, "APlc": 90}.items():
        r = row(differences, name)
        assert [r["difference"], r["low"], r["high"]] == pytest.approx([difference] * 3)
    assert row(differences, "APlc")["other"] == pytest.approx(10)


def test_a_difference_of_one_photo_is_not_sure():
    # Of two photos a draw takes only the first, only the second, or both: the second system misses
    # the second box, so that it lacks 0, 100, or, at half of the recall, 50 of 101 points.
    gt = photos(1, 1)
    dt, other = match(gt, found(1, 1), 150), match(gt, found(1, None), 150)
    r = row(compare_systems(dt, other, draws=200), "AP")
    assert r["difference"] == pytest.approx(100 * 50 / 101)
    assert [r["low"], r["high"]] == pytest.approx([0, 100])


def test_draws_depend_on_nothing_but_the_seed():
    gt, dt = random_case(3)
    other = found()
    several = [
        compare_systems(match(gt, dt, 150), match(gt, other, 150), draws=30, seed=seed)
        for seed in (1, 1, 2)
    ]
    assert several[0] == several[1]
    assert several[0] != several[2]


def test_draws_without_ground_truth_are_left_out_and_told():
    # One of two photos is empty: a quarter of the draws takes that twice.
    gt = photos(1, 1) | {"annotations": photos(1)["annotations"]}
    matcher = match(gt, found(1), 150)
    differences = compare_systems(matcher, match(gt, [], 150), draws=100)
    assert 0 < differences.undefined < 100
    assert row(differences, "AP")["low"] == pytest.approx(100)


def test_nothing_at_all_is_undefined():
    empty = match({"images": [], "categories": [], "annotations": []}, [], 150)
    differences = compare_systems(empty, empty, draws=3)
    assert differences.undefined == 3
    assert np.isnan([r["low"] for r in differences.figures]).all()
