import numpy as np
import pytest

from locount.calibration import Calibration, Interval
from locount.calibration.coverage import coverage
from locount.calibration.fit import _joined_sizes, calibrate, joined
from locount.errors import InputError
from locount.evaluation.reading import read_detections, read_ground_truth


def make(photos, categories=("cup",)):
    """Ground truth and detections.

    ``photos``: of each the objects (category, true count, predicted count or None for missed), side
    by side, found at score 0.8; and the number of false boxes of count 1, at 0.3.
    """
    annotations, detections = [], []
    for image_id, (objects, false) in enumerate(photos):
        for place, (category, true, predicted) in enumerate(objects):
            box = {"image_id": image_id, "category_id": category, "bbox": [20 * place, 0, 10, 10]}
            annotations.append(box | {"count": true})
            if predicted:
                detections.append(box | {"score": 0.8, "count": predicted})
        for place in range(false):
            box = [20 * place, 50, 10, 10]
            found = {"image_id": image_id, "category_id": 1, "bbox": box, "score": 0.3, "count": 1}
            detections.append(found)
    gt = read_ground_truth(
        {
            "images": [{"id": i} for i in range(len(photos))],
            "categories": [{"id": i, "name": name} for i, name in enumerate(categories, 1)],
            "annotations": annotations,
        }
    )
    return gt, read_detections(detections, gt)


def exact(num, false=0):
    return [([(1, 2 + i % 3, 2 + i % 3)], false) for i in range(num)]


def test_a_model_that_is_right_has_intervals_of_one_number():
    calibration = calibrate(*make(exact(20, false=1)), source="")
    assert calibration.score == 0.8
    assert calibration.total_interval(7, 0.9) == Interval(7, 7)
    assert calibration.count_intervals([1, 1], np.array([1, 30]), 0.9) == [(1, 1), (30, 30)]
    # All 20 false ones at 0.3, all right ones at 0.8.
    assert calibration.probability(np.array([0.3, 0.79, 0.8])).tolist() == [0, 0, 1]


def test_the_other_half_measures():
    # Every other photo is right, the others have one too few: these measure.
    photos = [([(1, 3, 3 - i % 2)], 0) for i in range(20)]
    calibration = calibrate(*make(photos), source="")
    assert calibration.total_interval(2, 0.9) == Interval(1, 3)
    photos = [([(1, 3, 2 + i % 2)], 0) for i in range(20)]
    assert calibrate(*make(photos), source="").total_interval(2, 0.9) == Interval(2, 2)


def test_photos_without_anything_count():
    calibration = calibrate(*make([([], 0)] * 16 + exact(4)), source="")
    assert calibration.totals.everywhere.photos == 10
    assert calibration.total_interval(0, 0.9) == Interval(0, 0)
    # Two of those that measure hold a box, of nine.
    assert calibration.boxes is None
    with pytest.raises(InputError, match="too few photos of the calibration"):
        calibration.count_intervals([1], np.array([1]), 0.9)


def test_a_level_that_takes_more_photos_says_how_many():
    calibration = calibrate(*make(exact(20)), source="")
    assert calibration.totals.highest_level == 0.9
    with pytest.raises(InputError, match=r"0.95 takes 19 photos .* there were 10: ask for 0.9 or"):
        calibration.total_interval(3, 0.95)


@pytest.mark.parametrize(
    ("photos", "options", "message"),
    [
        (exact(17), {}, "17 photos are too few .*give 18 photos or more"),
        ([([(1, 1, None)], 0)] * 20, {}, "held back has no detections"),
        ([([(1, 1, None)], 0)] * 20, {"score": 0.5}, "held back has no detections"),
        ([([], 1)] * 20, {}, "held back: at every score .* No image holds a box"),
    ],
)
def test_what_can_not_be_calibrated(photos, options, message):
    with pytest.raises(InputError, match=message):
        calibrate(*make(photos), source="held back", **options)


def test_a_level_is_checked_for_all_kinds_of_numbers():
    # 20 photos measure, of which 10 hold a box.
    calibration = calibrate(*make([([], 0)] * 20 + exact(20)), source="")
    calibration.check(0.9)
    assert calibration.total_interval(3, 0.95) == Interval(3, 3)
    with pytest.raises(InputError, match=r"takes 19 photos .* there were 10"):
        calibration.check(0.95)
    with pytest.raises(InputError, match="found on only 5 of the photos that measure, and 9 are"):
        calibrate(*make([([], 0)] * 20 + exact(10), ("cup", "box")), source="")


def test_boxes_that_lie_in_better_ones_are_left_out():
    # Each box again, at 0.7 with a count of 1.
    gt, dt = make(exact(20))
    twice = read_detections(
        [
            {"image_id": i, "category_id": 1, "bbox": box.tolist(), "score": score, "count": count}
            for i, box, predicted in zip(
                dt.image.tolist(), dt.boxes, dt.counts.tolist(), strict=True
            )
            for score, count in ((0.8, predicted), (0.7, 1))
        ],
        gt,
    )
    calibration = calibrate(gt, twice, score=0.5, max_overlap=0.7, source="")
    assert calibration.total_interval(3, 0.9) == Interval(3, 3)
    assert calibrate(gt, twice, score=0.5, source="").total_interval(3, 0.9) == Interval(2, 3)


def test_a_category_on_enough_photos_has_its_own_intervals():
    # Cups are on 64 photos and right; boxes are on 20 of them, and one too many is seen.
    photos = [([(1, 5, 5), *([(2, 3, 4)] if i < 20 else [])], 0) for i in range(64)]
    calibration = calibrate(*make(photos, ("cup", "box")), source="")
    assert list(calibration.categories.by_category) == [1]
    cup, box = calibration.totals_of({1: 5, 2: 4}, 0.9).categories.values()
    assert cup.interval == Interval(5, 5)
    assert box.interval == Interval(3, 4)
    # At 0.99 there are too few photos of cups alone, and of all together.
    with pytest.raises(InputError, match="99 photos"):
        calibration.totals_of({1: 5}, 0.99)


def test_photos_of_one_size_have_their_own_intervals():
    # Near photos with 2 to 4 items are right; far ones say 16 and hold 20, an error of one unit.
    near, far = exact(40), [([(1, 20, 16)], 3)] * 20
    calibration = calibrate(*make(near + far), score=0.5, source="")
    assert calibration.total_interval(3, 0.9) == Interval(3, 3)
    low, high = calibration.total_interval(16, 0.9)
    assert high == 20
    assert calibration.count_intervals([1], np.array([16]), 0.9) == [(low, high)]
    # All at 0.8 are on an object, and none at 0.3.
    assert calibration.probabilities(np.array([0.8, 0.3]), 16).tolist() == [1, 0]
    # Eight far photos that measure are too few, and join the near ones.
    calibration = calibrate(*make(near + far[:16]), score=0.5, source="")
    assert calibration.totals.by_size == {}
    assert calibration.total_interval(16, 0.9) == Interval(low, high)


@pytest.mark.parametrize(
    ("numbers", "joined"),
    [
        ((9, 9, 9), [0, 1, 2]),
        ((20, 5, 4), [0, 1, 1]),
        ((20, 20, 8), [0, 1, 1]),
        ((8, 20, 9), [1, 1, 2]),
        ((4, 4, 9), [0, 0, 0]),
        ((50, 0, 3), [0, 0, 0]),
        ((2, 9, 0), [0, 0, 0]),
        ((0, 9, 9), [1, 1, 2]),
        ((0, 0, 0), [0, 0, 0]),
    ],
)
def test_sizes_of_few_photos_join_others(numbers, joined):
    sizes = np.repeat([0, 1, 2], numbers)
    twice = np.repeat(np.arange(len(sizes)), 2)  # of two numbers each
    assert _joined_sizes(sizes[twice], twice).tolist() == joined


def test_a_level_beyond_a_size_takes_its_largest_error_or_that_of_all():
    # Ten far photos measure, and 0.95 takes 19. Their largest error is of one unit.
    photos = [*exact(40), *([([(1, 20, 16)], 0)] * 20)]
    calibration = calibrate(*make(photos), source="")
    assert calibration.total_interval(16, 0.95) == calibration.total_interval(16, 0.9)
    assert calibration.total_interval(3, 0.95) == Interval(3, 3)


def test_coverage_on_other_photos():
    # One too few in the half that measures, so the interval of 2 is 1 to 3. Of ten other photos
    # with 2 found, two hold 4.
    calibration = calibrate(*make([([(1, 3, 3 - i % 2)], 0) for i in range(20)]), source="")
    other = make([([(1, 4 if i < 2 else 3, 2)], 0) for i in range(10)])
    total, box = coverage(calibration, *other, [0.9, 0.95])
    assert total == {
        **{"of": "photo's total", "level": 0.9, "photos": 10},
        **{"covered": 0.8, "width": 2, "predicted": 2},
    }
    assert box["covered"] == 0.8


def test_several_sets_are_one():
    first, second = make(exact(9)), make(exact(11, false=1))
    gt, dt = joined([first, second])
    assert len(gt.image_ids) == 20
    assert gt.counts.sum() == first[0].counts.sum() + second[0].counts.sum()
    assert np.bincount(dt.image).tolist() == [1] * 9 + [2] * 11
    with pytest.raises(InputError, match="different categories, cup and can"):
        joined([first, make(exact(3), ("can",))])


def test_a_calibration_without_boxes_gives_no_interval_of_counts():
    # Nothing that is found is where it is, but the totals are right.
    gt, dt = make([([(1, 1, None)], 1)] * 20)
    calibration = calibrate(gt, dt, source="")
    assert isinstance(calibration, Calibration)
    assert calibration.boxes is None
    assert calibration.total_interval(1, 0.9) == Interval(1, 1)
    with pytest.raises(InputError, match="too few photos"):
        calibration.count_intervals([1], np.array([1]), 0.9)
