import math

import numpy as np
import pytest

from locount.evaluation.analysis.image_counts import ImageCounts
from locount.evaluation.reading import read_detections, read_ground_truth

from ..cases import random_case


def make(true, detections):
    """``detections``: (place of the image, score, what it adds)."""
    image, scores, added = zip(*detections, strict=True) if detections else ((), (), ())
    return ImageCounts(
        np.array(true, float), np.array(image, int), np.array(scores), np.array(added, float)
    )


# Image 0 holds two products, image 1 one. By score: one found in 0 (error 1 left), one in 1 (0),
# the second in 0, then two that are too many.
FOUND = [(0, 0.9, 1), (1, 0.8, 1), (0, 0.7, 1), (1, 0.7, 1), (0, 0.2, 1)]


def test_errors_by_hand():
    # from 0.7 on two in each image: errors 0 and 1
    errors = make([2, 1], FOUND).errors(0.7)
    assert errors == {"MAE": 0.5, "RMSE": math.sqrt(0.5), "bias": 0.5}
    # from 0.9 on: -1 and -1
    assert make([2, 1], FOUND).errors(0.9) == {"MAE": 1, "RMSE": 1, "bias": -1}


def test_of_equal_errors_the_highest_score_is_taken():
    # 0.8 and 0.7 leave one error each; the two detections of 0.7 count together or not at all.
    assert make([2, 1], FOUND).best_threshold() == 0.8


def test_where_every_detection_is_one_too_many_nothing_counts():
    counts = make([0, 0], FOUND)
    assert counts.best_threshold() == float("inf")
    assert counts.errors(float("inf"))["MAE"] == 0


@pytest.mark.parametrize("items", [False, True])
@pytest.mark.parametrize("seed", range(40))
def test_best_threshold_equals_a_search_over_all_scores(seed, items):
    gt, dt = random_case(seed)
    gt = read_ground_truth(gt)
    counts = ImageCounts.of(gt, read_detections(dt, gt), items=items)
    candidates = [float("inf"), *counts.scores]
    least = min(counts.errors(t)["MAE"] for t in candidates)
    assert counts.errors(counts.best_threshold())["MAE"] == pytest.approx(least, abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_numbers_equal_those_counted_one_by_one(seed):
    raw, dt = random_case(seed)
    gt = read_ground_truth(raw)
    for items in (False, True):
        counts = ImageCounts.of(gt, read_detections(dt, gt), items=items)
        for place, image_id in enumerate(sorted(image["id"] for image in raw["images"])):
            true = [
                a["count"] if items else 1
                for a in raw["annotations"]
                if a["image_id"] == image_id and not a["iscrowd"]
            ]
            found = [
                d["count"] if items else 1
                for d in dt
                if d["image_id"] == image_id and d["score"] >= 0.25
            ]
            assert counts.true[place] == sum(true)
            assert counts.predicted(0.25)[place] == sum(found)


def test_each_half_is_judged_at_the_threshold_of_the_other():
    # Images 0 and 2 hold one product, found at 0.9, and have a false one at 0.4; images 1 and 3
    # hold two, at 0.9 and 0.4. So the even ones are best at 0.9, the odd ones at 0.4: judged at the
    # other's, each image is wrong by one, the even ones upwards.
    found = [(i, s, 1) for i in range(4) for s in (0.9, 0.4)]
    errors = make([1, 2, 1, 2], found).cross_fitted_errors()
    assert errors == {"MAE": 1, "RMSE": 1, "bias": 0}


def test_without_enough_images_errors_are_undefined():
    assert all(np.isnan(v) for v in make([], []).errors(0.5).values())
    assert all(np.isnan(v) for v in make([3], []).cross_fitted_errors().values())


def test_without_detections_everything_is_missed():
    assert make([3, 1], []).cross_fitted_errors() == {"MAE": 2, "RMSE": math.sqrt(5), "bias": -2}
