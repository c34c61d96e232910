import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locount.counting import IGNORED_COUNT
from locount.data.augmentation.visibility import (
    clip_boxes,
    count_what_is_visible,
    uncover_boxes,
)

FRAME = np.array([0.0, 0, 20, 10])


def test_a_frame_leaves_a_part_of_a_box():
    # Half of the first, a quarter of the second; the third lies outside, the fourth is whole.
    boxes = np.array([[15.0, 0, 25, 10], [-2, -2, 2, 2], [30, 0, 40, 10], [1, 1, 3, 3]])
    parts, shares = clip_boxes(boxes, FRAME)
    assert parts.tolist() == [[15, 0, 20, 10], [0, 0, 2, 2], [20, 0, 20, 10], [1, 1, 3, 3]]
    assert shares.tolist() == [0.5, 0.25, 0, 1]


def test_what_covers_leave_of_a_box():
    # Of 10 x 10: a hole of 4 x 5 leaves 80 % and the box. A cover of its left 3 columns leaves the
    # other 7. Both together leave 100 - 20 - 30 + 1 * 5 of overlap.
    box = np.array([[0.0, 0, 10, 10]])
    hole, left = [2, 2, 6, 7], [-5, -5, 3, 20]
    for covers, part, share in (
        ([hole], [0, 0, 10, 10], 0.8),
        ([left], [3, 0, 10, 10], 0.7),
        ([hole, left], [3, 0, 10, 10], 0.55),
        ([[10, 0, 12, 10]], [0, 0, 10, 10], 1),
        ([[-1, -1, 6, 11], [5, 0, 10, 10]], [0, 0, 10, 10], 0),
    ):
        parts, shares = uncover_boxes(box, np.array(covers))
        assert parts.tolist() == [part]
        assert shares == pytest.approx([share])


rectangle = st.tuples(*[st.integers(0, 11)] * 2, *[st.integers(1, 6)] * 2)


@settings(deadline=None)
@given(rectangle, st.lists(rectangle, max_size=4))
def test_uncovering_equals_counting_pixels(box, covers):
    def corners(rectangles):
        x, y, w, h = np.array(rectangles, dtype=int).reshape(-1, 4).T
        return np.stack([x, y, x + w, y + h], axis=1)

    (x1, y1, x2, y2), covers = corners([box])[0], corners(covers)
    seen = np.ones((20, 20), bool)
    for a, b, c, d in covers:
        seen[b:d, a:c] = False
    seen = seen[y1:y2, x1:x2]
    (part,), (share,) = uncover_boxes(np.array([[x1, y1, x2, y2]], float), covers)
    assert share == pytest.approx(seen.mean())
    if seen.any():
        rows, columns = np.nonzero(seen)
        expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        assert part.tolist() == np.add(expected, [x1, y1, x1, y1]).tolist()


@pytest.mark.parametrize(
    ("count", "visible", "expected"),
    [
        (12, 1.0, 12),
        (12, 0.96, 12),  # 0.48 items are hidden
        (12, 0.95, IGNORED_COUNT),  # 0.6
        (2, 0.75, 2),  # 0.5
        (2, 0.74, IGNORED_COUNT),
        (40, 0.9999999, 40),
        (1, 0.11, 1),  # one item, however little of it
        (1, 0.09, None),
        (40, 0.09, None),
        (1, 0.0, None),
    ],
)
def test_counts_of_cut_boxes(count, visible, expected):
    (result,), (is_object,) = count_what_is_visible(
        np.array([count]), np.array([visible]), max_hidden_items=0.5, min_visible=0.1
    )
    assert is_object == (expected is not None)
    if is_object:
        assert result == expected


def test_the_rule_can_be_off():
    counts, is_object = count_what_is_visible(np.array([9, 9]), np.array([0.001, 0]), np.inf, 0)
    assert counts.tolist() == [9, 9]
    assert is_object.tolist() == [True, False]


def test_no_boxes_and_no_covers():
    none = np.zeros((0, 4))
    for parts, shares in (clip_boxes(none, FRAME), uncover_boxes(none, FRAME[None])):
        assert parts.shape == (0, 4)
        assert shares.shape == (0,)
    assert uncover_boxes(FRAME[None], none)[1].tolist() == [1]
    counts, is_object = count_what_is_visible(np.zeros(0, int), np.zeros(0), 0.5, 0.1)
    assert counts.shape == is_object.shape == (0,)
