"""The engine against the plain reference, and against figures derived by hand."""

import numpy as np
import pytest

from locount.evaluation import evaluate_detections, match, score_matches
from locount.evaluation.matching.engine import Matcher
from locount.evaluation.protocol import LOCOUNT_SUBSETS, WHOLE
from locount.evaluation.reading import read_detections, read_ground_truth

from . import reference
from .cases import random_case

WHOLE_RANGE = ((0, reference.INF), (1, reference.INF))


@pytest.mark.parametrize("first_seed", range(0, 3000, 500))
def test_cells_equal_reference(first_seed):
    """AP and recall of every category in eight cells a case: the whole set, the subsets, COCO."""
    for seed in range(first_seed, first_seed + 500):
        rng = np.random.default_rng(seed)
        gt, dt = random_case(seed)
        truth = read_ground_truth(gt)
        max_dets = int(rng.choice([1, 2, 4, 150]))
        matcher = Matcher(truth, read_detections(dt, truth), max_dets=150, num_threads=1)
        cells = [(WHOLE, 0)] + [(s, rng.integers(1, 11)) for s in (WHOLE, *LOCOUNT_SUBSETS)]
        for subset, row in cells:
            column = rng.integers(10)
            min_ac = reference.ACS[row - 1] if row else 0
            ranges = reference.SUBSETS.get(subset.name, WHOLE_RANGE)
            expected = reference.cell(gt, dt, reference.IOUS[column], min_ac, ranges, max_dets)
            scores = matcher.score(subset, max_dets=max_dets)
            for k, category_id in enumerate(truth.category_ids.tolist()):
                ours = (
                    scores.average_precision[k, row, column],
                    scores.recall[k, row, column],
                )
                theirs = expected.get(category_id, (np.nan, np.nan))
                np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9, err_msg=f"{seed=}")


@pytest.mark.parametrize("seed", range(25))
def test_metrics_equal_reference(seed):
    gt, dt = random_case(seed)
    max_dets = (3, 150)[seed % 2]
    expected, grid = reference.evaluate(gt, dt, max_dets)
    result = evaluate_detections(gt, dt, max_dets)
    assert result.metrics == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert list(result.metrics) == list(expected)
    np.testing.assert_allclose(result.grid, grid, rtol=0, atol=1e-9)


def test_several_max_dets_equal_single_runs():
    gt, dt = random_case(1)
    matcher = match(gt, dt, 150)
    for max_dets in (1, 2, 150):
        np.testing.assert_equal(
            score_matches(matcher, max_dets).metrics, evaluate_detections(gt, dt, max_dets).metrics
        )


@pytest.mark.parametrize("seed", range(10))
def test_threads_do_not_change_figures(seed):
    gt, dt = random_case(seed)
    truth = read_ground_truth(gt)
    found = read_detections(dt, truth)
    one, four = (Matcher(truth, found, max_dets=150, num_threads=n) for n in (1, 4))
    np.testing.assert_equal(score_matches(one, 150).metrics, score_matches(four, 150).metrics)


def ground_truth(*boxes, num_images=1):
    """Each box (x, y, w, h, count) or (x, y, w, h, count, more keys), of category 1 in image 1."""
    return {
        "images": [{"id": i + 1} for i in range(num_images)],
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "bottle"}],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": 1, "bbox": list(box[:4]), "count": box[4]}
            | (box[5] if len(box) > 5 else {})
            for i, box in enumerate(boxes)
        ],
    }


def detections(*boxes):
    """Each box (x, y, w, h, count, score) or with more keys, of category 1 in image 1."""
    return [
        {"image_id": 1, "category_id": 1, "bbox": list(b[:4]), "count": b[4], "score": b[5]}
        | (b[6] if len(b) > 6 else {})
        for b in boxes
    ]


# Rounded: the first of n hits has precision 1 / (1 + 2**-52), as in pycocotools, and not quite 1.
def metrics(gt, dt, **arguments):
    return {k: round(v, 9) for k, v in evaluate_detections(gt, dt, **arguments).metrics.items()}


def grid(gt, dt):
    return evaluate_detections(gt, dt).grid.round(9)


def test_perfect_detections_score_100():
    gt = ground_truth((0, 0, 100, 100, 1), (200, 0, 200, 200, 5), (0, 500, 400, 400, 20))
    dt = detections(*((*a["bbox"], a["count"], 0.5) for a in gt["annotations"]))
    assert set(metrics(gt, dt).values()) == {100.0}


def test_no_detections_score_0():
    gt = ground_truth((0, 0, 100, 100, 1), (200, 0, 200, 200, 5), (0, 500, 400, 400, 20))
    assert set(metrics(gt, []).values()) == {0.0}


def test_no_ground_truth_is_undefined():
    values = metrics(ground_truth(), detections((0, 0, 10, 10, 1, 0.5))).values()
    assert np.isnan(list(values)).all()


def test_no_images_at_all_is_undefined():
    empty = {"images": [], "categories": [], "annotations": []}
    result = evaluate_detections(empty, [])
    assert np.isnan(list(result.metrics.values())).all()
    assert result.per_category == []


def test_detections_of_an_absent_category_cost_nothing():
    gt = ground_truth((0, 0, 100, 100, 1))
    dt = detections((0, 0, 100, 100, 1, 0.5), (0, 0, 100, 100, 1, 0.9, {"category_id": 2}))
    assert metrics(gt, dt)["APlc"] == 100
    assert evaluate_detections(gt, dt).per_category[1]["boxes"] == 0


def test_count_is_matched_not_checked_afterwards():
    # Two boxes on the same place, counts 2 and 20; one detection on each count. By IoU alone the
    # first (20) takes the later box (2), fails its count, and both detections are lost.
    gt = ground_truth((0, 0, 100, 100, 20), (0, 0, 100, 100, 2))
    dt = detections((0, 0, 100, 100, 20, 0.9), (0, 0, 100, 100, 2, 0.8))
    assert metrics(gt, dt)["APlc"] == 100


@pytest.mark.parametrize("reverse", [False, True])
def test_order_of_annotations_does_not_decide_between_ious(reverse):
    # The first detection, 100 x 100, overlaps A, 90 x 100, by 0.9 and B, 80 x 100, by 0.8. Count 10
    # has AC 1 - 2/12 = 0.83 with A and 1 with B. A bar that rises with each candidate would settle
    # on B whenever B comes first; the rule is the highest IoU among those that pass. At IoU up to
    # 0.80 (7 thresholds) that is A for AC up to 0.80 (7) and B above. The second detection, on B
    # exactly, finds it free only where the first took A.
    boxes = [(0, 0, 90, 100, 12), (0, 0, 80, 100, 10)]
    gt = ground_truth(*(boxes[::-1] if reverse else boxes))
    dt = detections((0, 0, 100, 100, 10, 0.9), (0, 0, 80, 100, 10, 0.8))
    joint = grid(gt, dt)
    assert (joint[:7, :7] == 100).all()
    # The first takes B; the second overlaps A by 80/90 but its count fails there. One of two is
    # found: precision 1 up to recall 0.5, 51 of 101 points.
    np.testing.assert_allclose(joint[:7, 7:], 100 * 51 / 101)


def test_among_equal_ious_the_later_in_the_file_is_taken():
    # Both boxes overlap the first detection by 1. It takes the later, so that the second detection,
    # whose count only fits that one, is left without.
    later = ground_truth((0, 0, 100, 100, 10), (0, 0, 100, 100, 11))
    dt = detections((0, 0, 100, 100, 10, 0.9), (0, 0, 100, 100, 22, 0.8))
    # AC of 22 for 10 and for 11 is 0, so it never matches: recall 1/2
    np.testing.assert_allclose(grid(later, dt)[0, 0], 100 * 51 / 101)
    # 16 for 11: AC 1 - 5/11 = 0.545 passes 0.50; 16 for 10: 0.4 fails.
    dt[1]["count"] = 16
    np.testing.assert_allclose(grid(later, dt)[0, 0], 100 * 51 / 101)
    later["annotations"].reverse()
    assert grid(later, dt)[0, 0] == 100


@pytest.mark.parametrize(
    ("pred", "true", "passed"),
    [
        (17, 20, 8),  # 0.85 passes 0.50 to 0.85, which np.arange makes 0.8500000000000003
        (23, 20, 8),  # over by as much counts the same
        (15, 20, 6),
        (10, 20, 1),
        (30, 20, 1),
        (9, 20, 0),
        (31, 20, 0),
        (19, 20, 10),
        (1, 1, 10),
        (2, 1, 0),
    ],
)
def test_count_accuracy_at_its_borders(pred, true, passed):
    gt, dt = ground_truth((0, 0, 50, 50, true)), detections((0, 0, 50, 50, pred, 0.5))
    assert (grid(gt, dt) == np.where(np.arange(10) < passed, 100, 0)).all()


def test_iou_exactly_at_a_threshold_passes():
    # 50 x 100 of 100 x 100: 0.5, and IoU thresholds above it fail
    joint = grid(ground_truth((0, 0, 100, 100, 1)), detections((0, 0, 50, 100, 1, 0.5)))
    assert (joint[0] == 100).all()
    assert (joint[1:] == 0).all()


def test_equal_scores_keep_the_order_of_the_file():
    # A hit before a miss: precision 1. A miss before the hit: precision 1/2.
    gt = ground_truth((0, 0, 100, 100, 1))
    hit, miss = (0, 0, 100, 100, 1, 0.5), (500, 0, 100, 100, 1, 0.5)
    assert metrics(gt, detections(hit, miss))["APlc"] == 100
    assert metrics(gt, detections(miss, hit))["APlc"] == 50


def test_equal_scores_of_images_follow_the_image_ids():
    # The hit is in image 2 and first in the file; the miss in image 1 comes before it all the same.
    gt = ground_truth((0, 0, 100, 100, 1, {"image_id": 2}), num_images=2)
    hit, miss = (0, 0, 100, 100, 1, 0.5, {"image_id": 2}), (500, 0, 100, 100, 1, 0.5)
    assert metrics(gt, detections(hit, miss))["APlc"] == 50


def test_zero_and_minus_zero_are_equal_scores():
    gt = ground_truth((0, 0, 100, 100, 1))
    hit, miss = (0, 0, 100, 100, 1, -0.0), (500, 0, 100, 100, 1, 0.0)
    assert metrics(gt, detections(hit, miss))["APlc"] == 100


def test_annotation_id_0_can_be_matched():
    gt = ground_truth((0, 0, 100, 100, 1))
    assert gt["annotations"][0]["id"] == 0
    assert metrics(gt, detections((0, 0, 100, 100, 1, 0.5)))["AP"] == 100


def test_max_dets_keeps_the_best_of_each_image_and_category():
    # Three misses above the hit: with 3 detections the hit is cut off, with 4 its precision is 1/4.
    gt = ground_truth((0, 0, 100, 100, 1))
    misses = [(500 * i, 500, 100, 100, 1, 0.9) for i in range(3)]
    dt = detections(*misses, (0, 0, 100, 100, 1, 0.5))
    assert metrics(gt, dt, max_dets=3)["APlc"] == 0
    assert metrics(gt, dt, max_dets=4)["APlc"] == 25
    # three more in another category or image take no place of it
    dt += [d | {"category_id": 2} for d in detections(*misses)]
    assert metrics(gt, dt, max_dets=4)["APlc"] == 25


def test_crowd_takes_any_number_and_is_never_missed():
    # Both detections lie within the crowd: their IoU is over their own area, 1. They are ignored.
    gt = ground_truth((0, 0, 400, 400, 5, {"iscrowd": 1}), (500, 0, 100, 100, 5))
    inside = [(0, 0, 50, 50, 5, 0.9), (100, 100, 50, 50, 5, 0.9)]
    assert metrics(gt, detections(*inside, (500, 0, 100, 100, 5, 0.5)))["APlc"] == 100
    # a count that fails is no match for the crowd either, and so a false positive
    wrong = [(0, 0, 50, 50, 50, 0.9)]
    assert metrics(gt, detections(*wrong, (500, 0, 100, 100, 5, 0.5)))["APlc"] == 50
    assert metrics(gt, detections(*wrong, (500, 0, 100, 100, 5, 0.5)))["AP"] == 100


def test_ignore_key_means_nothing():
    gt = ground_truth((0, 0, 100, 100, 1, {"ignore": 1}))
    assert metrics(gt, [])["APlc"] == 0


def test_subset_borders_belong_to_both_sides():
    # sides 150 and 300 lie in two scale subsets each
    gt = ground_truth((0, 0, 150, 150, 1), (200, 0, 300, 300, 2), (600, 0, 10, 10, 10))
    found = detections(*((*a["bbox"], a["count"], 0.5) for a in gt["annotations"]))
    result = metrics(gt, found[:1])
    # SS: 150 and 10, one found: 51 of 101 points. MS: 150 and 300. LS: 300 alone, not found.
    assert [result[f"ARlc-{s}"] for s in ("SS", "MS", "LS")] == [50, 50, 0]
    # IN: count 1, found. MN: 2 and 10, not found. LN: none.
    assert [result[f"ARlc-{s}"] for s in ("IN", "MN")] == [100, 0]
    assert np.isnan(result["ARlc-LN"])


def test_unmatched_detection_is_ignored_outside_the_subset_by_its_own_count_and_size():
    # A miss of count 5 (MN) and side 100 (SS) before the hits: it costs MN and SS half, IN and MS
    # nothing.
    gt = ground_truth((0, 0, 200, 200, 1), (500, 0, 100, 100, 5))
    miss = (0, 500, 100, 100, 5, 0.9)
    dt = detections(miss, (0, 0, 200, 200, 1, 0.5), (500, 0, 100, 100, 5, 0.5))
    result = metrics(gt, dt)
    assert [result[f"APlc-{s}"] for s in ("SS", "MS", "IN", "MN")] == [50, 100, 100, 50]


def test_detection_matched_to_ground_truth_outside_the_subset_is_ignored():
    # Count 11 for 10: the detection's own count lies in LN, but its ground truth in MN takes it,
    # except at AC 0.95, where it stays unmatched and costs LN half: 0.9 * 100 + 0.1 * 50.
    gt = ground_truth((0, 0, 100, 100, 10), (500, 0, 100, 100, 11))
    dt = detections((0, 0, 100, 100, 11, 0.9), (500, 0, 100, 100, 11, 0.5))
    result = metrics(gt, dt)
    assert result["APlc-LN"] == 95
    assert result["ARlc-MN"] == 90


def test_worked_example_of_the_documentation():
    # docs/evaluation.md derives the figures
    gt = ground_truth((0, 0, 100, 100, 10), (200, 0, 100, 100, 4))
    dt = detections((0, 0, 100, 82, 9, 0.9), (400, 0, 100, 100, 1, 0.8), (200, 0, 100, 100, 3, 0.7))
    both, first, second = 100 * (51 + 50 * 2 / 3) / 101, 100 * 51 / 101, 100 * 51 / 3 / 101
    joint = grid(gt, dt)
    np.testing.assert_allclose(joint[:7, :6], both)
    np.testing.assert_allclose(joint[:7, 6:9], first)
    np.testing.assert_allclose(joint[7:, :6], second)
    assert (joint[:7, 9] == 0).all()
    assert (joint[7:, 6:] == 0).all()
    result = metrics(gt, dt)
    assert result["APlc"] == pytest.approx((42 * both + 21 * first + 18 * second) / 100)
    assert result["ARlc150"] == 61.5
    assert result["AP"] == pytest.approx(0.7 * both + 0.3 * second)
    assert result["APlc-MN"] == pytest.approx((42 * 100 + 21 * first + 18 * first / 2) / 100)
    assert [round(result[k], 3) for k in ("APlc", "AP", "APlc-MN")] == [48.703, 63.498, 57.149]


def test_a_thousand_boxes_of_a_category(caplog):
    boxes = [(40 * (i % 40), 40 * (i // 40), 30, 30, 1 + i % 9) for i in range(1000)]
    gt, dt = (
        ground_truth(*boxes),
        detections(*((*box, 1 - i / 2000) for i, box in enumerate(boxes))),
    )
    assert evaluate_detections(gt, dt, 1000).metrics["APlc"] == 100
    assert "more boxes" not in caplog.text
    # 150 of 1,000 are found: of 101 recalls those from 0.00 to 0.15.
    assert evaluate_detections(gt, dt).metrics["APlc"] == pytest.approx(100 * 16 / 101)
    assert (
        "1 time(s) an image has more boxes of a category, up to 1000, than the 150" in caplog.text
    )


def test_every_metric_is_a_plain_float():
    gt, dt = random_case(3)
    assert {type(v) for v in evaluate_detections(gt, dt).metrics.values()} == {float}
