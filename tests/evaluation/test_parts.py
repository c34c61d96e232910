import numpy as np
import pytest

from locount.evaluation.annotations import Detections
from locount.evaluation.parts import outside_better, without_parts

# Best first; the second is the left half of the first, the third has half of itself in it.
BOXES = np.array([[0, 0, 10, 10], [0, 0, 5, 10], [5, 0, 15, 10], [8, 8, 9, 9]], dtype=float)


@pytest.mark.parametrize(("max_overlap", "kept"), [(1, [0, 1, 2, 3]), (0.7, [0, 2]), (0.4, [0])])
def test_what_lies_in_a_better_box_is_left_out(max_overlap, kept):
    assert np.flatnonzero(outside_better(BOXES, np.zeros(4), max_overlap)).tolist() == kept


def test_equal_boxes_are_one_unless_all_are_kept():
    twice = BOXES[[0, 0]]
    assert outside_better(twice, np.zeros(2), 0.99).tolist() == [True, False]
    assert outside_better(twice, np.zeros(2), 1).tolist() == [True, True]


def test_boxes_of_other_classes_stay():
    assert outside_better(BOXES[:2], np.array([0, 1]), 0.7).all()


def test_a_box_in_one_that_is_left_out_stays():
    # 8 of 10 columns of the second lie in the first; of the third all in the second, 1 of 3 there.
    boxes = np.array([[0, 0, 10, 10], [2, 0, 12, 10], [9, 0, 12, 10]], dtype=float)
    assert outside_better(boxes, np.zeros(3), 0.7).tolist() == [True, False, True]


def test_each_image_by_its_scores():
    # The half, XYWH, is the better one in image 1 only; image 0 has it alone.
    dt = Detections(
        image=np.array([1, 0, 1]),
        category=np.zeros(3, dtype=int),
        boxes=np.array([[0, 0, 10, 10], [0, 0, 5, 10], [0, 0, 5, 10]], dtype=float),
        counts=np.array([4, 2, 3]),
        scores=np.array([0.5, 0.4, 0.6]),
    )
    assert without_parts(dt, 0.7).counts.tolist() == [2, 3]
    assert without_parts(dt, 1).counts.tolist() == [2, 3, 4]


def test_nothing_found():
    nothing = Detections(*(np.empty(0, int),) * 2, np.empty((0, 4)), np.empty(0, int), np.empty(0))
    assert len(outside_better(np.empty((0, 4)), np.empty(0), 0.7)) == 0
    assert len(without_parts(nothing, 0.7)) == 0
