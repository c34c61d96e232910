import numpy as np
import pytest

from locount.evaluation import evaluate_detections, match
from locount.evaluation.analysis.causes import analyze_errors
from locount.evaluation.protocol import WHOLE

from ..cases import random_case

A, B, C = [0, 0, 100, 100], [500, 0, 100, 100], [0, 500, 100, 100]


def scene(*boxes):
    """Ground truth in one image: (box, count) of category 1, or with another category third."""
    return {
        "images": [{"id": 1}],
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "bottle"}],
        "annotations": [
            {"image_id": 1, "category_id": (*b, 1)[2], "bbox": b[0], "count": b[1]} for b in boxes
        ],
    }


def found(*boxes):
    """Detections in that image, best first: (box, count), or with another category third."""
    return [
        {"image_id": 1, "category_id": (*b, 1)[2], "bbox": b[0], "count": b[1], "score": 1 - i / 10}
        for i, b in enumerate(boxes)
    ]


def lost(gt, dt) -> dict[str, float]:
    """Points of APlc lost by cause, without the causes that cost nothing."""
    points = analyze_errors(match(gt, dt, 150), max_dets=150).lost
    return {cause: pytest.approx(value) for cause, value in points.items() if value > 1e-9}


def test_perfect_detections_lose_nothing():
    assert lost(scene((A, 10), (B, 3)), found((A, 10), (B, 3))) == {}


def test_localization():
    # IoU 0.6 passes three of ten thresholds; with the right box all of them
    assert lost(scene((A, 10)), found(([0, 0, 60, 100], 10))) == {"localization": 70}


def test_counts():
    # AC 0.8 passes seven of ten thresholds
    assert lost(scene((A, 10)), found((A, 8))) == {"count too low": 30}
    assert lost(scene((A, 10)), found((A, 12))) == {"count too high": 30}


def test_category():
    # Category 1 is not found, category 2 has a miss below its hit, which costs nothing: (100 + 0) /
    # 2.
    assert lost(scene((A, 10), (B, 3, 2)), found((B, 3, 2), (A, 10, 2))) == {"category": 50}


def test_background():
    # the miss above the hit halves its precision
    assert lost(scene((A, 10)), found((B, 10), (A, 10))) == {"background": 50}


def test_duplicate():
    # hit, miss, hit: precision 1 at 51 of 101 recall points, 2/3 at the other 50
    gt, dt = scene((A, 10), (B, 3)), found((A, 10), (A, 10), (B, 3))
    assert lost(gt, dt) == {"duplicate": 100 * 50 / 3 / 101}


def test_missed():
    # one of two found: precision 1 at 51 of 101 recall points
    assert lost(scene((A, 10), (B, 3)), found((A, 10))) == {"missed": 100 * 50 / 101}
    # a category of which nothing is found is perfect without what was missed
    assert lost(scene((A, 10)), []) == {"missed": 100}


def test_several_at_once():
    # The first detection has IoU 0.6 and AC 0.25 with A, which the second takes. At the three IoU
    # thresholds that it passes only its count is wrong; above, its box too. Without it AP is 100
    # for 50.
    gt, dt = scene((A, 20)), found(([0, 0, 60, 100], 5), (A, 20))
    assert lost(gt, dt) == {"count too low": 15, "several at once": 35}


def test_one_ground_truth_is_repaired_once():
    # Two wrong counts on A and one on B, with no hit: the repaired first takes A and the second is
    # left out, else a false positive would stand between the hits.
    gt, dt = scene((A, 20), (B, 20)), found((A, 5), (A, 4), (B, 5))
    assert lost(gt, dt) == {"count too low": 100}


def test_overlap_of_another_category_is_no_background():
    # IoU 0.2 with a box of another category: neither background nor a wrong category alone
    analysis = analyze_errors(
        match(scene((A, 10), (B, 3, 2)), found(([0, 0, 20, 100], 10, 2)), 150), max_dets=150
    )
    assert analysis.errors_at_50["several at once"] == 1


def test_nothing_to_analyze_is_undefined():
    analysis = analyze_errors(match(scene(), found((A, 1)), 150), max_dets=150)
    assert np.isnan(list(analysis.lost.values())).all()
    assert analysis.errors_at_50["background"] == 1


@pytest.mark.parametrize("seed", range(60))
def test_grid_without_repair_is_the_evaluations(seed):
    gt, dt = random_case(seed)
    grid = analyze_errors(match(gt, dt, 150), max_dets=150).grid
    np.testing.assert_allclose(grid[..., 0], evaluate_detections(gt, dt).grid, rtol=0, atol=1e-9)
    # no repair makes anything worse
    assert (np.isnan(grid) | (grid >= grid[..., :1] - 1e-9)).all()


@pytest.mark.parametrize("seed", range(20))
def test_every_detection_and_ground_truth_is_accounted_for(seed):
    gt, dt = random_case(seed)
    for annotation in gt["annotations"]:
        annotation["iscrowd"] = 0
    matcher = match(gt, dt, 150)
    scores = matcher.score(WHOLE, max_dets=150)
    hits = np.nansum(scores.recall[:, 1, 0] * scores.num_gt)
    errors = analyze_errors(matcher, max_dets=150).errors_at_50
    missed = errors.pop("missed")
    assert hits + sum(errors.values()) == pytest.approx(len(dt))
    assert missed <= len(gt["annotations"]) - hits + 1e-9
