import numpy as np
import pytest

from locount.errors import InputError
from locount.stock import find_rows

# Two boards of four items each; a low one and a gap on the first, a stack of two on the second.
SHELF = np.array(
    [
        (0, 0, 40, 100),
        (50, 0, 90, 100),
        (200, 60, 240, 100),
        (250, 0, 290, 100),
        (0, 160, 40, 240),
        (50, 200, 90, 240),
        (50, 160, 90, 200),
        (100, 160, 140, 240),
        (150, 160, 190, 240),
    ],
    float,
)
ROW = [0, 0, 0, 0, 1, 1, 1, 1, 1]
POSITION = [0, 1, 2, 3, 0, 1, 1, 2, 3]
LEVEL = [0, 0, 0, 0, 0, 0, 1, 0, 0]


def places(rows):
    return rows.row.tolist(), rows.position.tolist(), rows.level.tolist()


def tilted(boxes, slope, bend=0.0):
    """Boxes around items of a shelf that falls by ``slope`` to the right, and by more further
    down."""
    x1, y1, x2, y2 = boxes.T

    def fallen(x, y):
        return y + (slope + bend * y / 240) * x

    corners = [fallen(x, y) for y in (y1, y2) for x in (x1, x2)]
    return np.stack([x1, np.minimum(*corners[:2]), x2, np.maximum(*corners[2:])], axis=1)


def test_rows_positions_and_levels():
    rows = find_rows(SHELF)
    assert places(rows) == (ROW, POSITION, LEVEL)
    assert len(rows) == 2
    assert rows.members(1).tolist() == [4, 5, 6, 7, 8]
    assert rows.note == ""


@pytest.mark.parametrize("slope", [-0.15, -0.05, 0.05, 0.15])
@pytest.mark.parametrize("bend", [-0.1, 0.0, 0.1])
def test_seen_at_an_angle(slope, bend):
    assert places(find_rows(tilted(SHELF, slope, bend))) == (ROW, POSITION, LEVEL)


@pytest.mark.parametrize("scale", [0.1, 7.0])
def test_scale_and_shift_do_not_matter(scale):
    assert places(find_rows(SHELF * scale + 1000)) == (ROW, POSITION, LEVEL)


def test_order_does_not_matter():
    order = np.random.default_rng(0).permutation(len(SHELF))
    rows = find_rows(SHELF[order])
    assert rows.row.tolist() == [ROW[i] for i in order]
    assert rows.position.tolist() == [POSITION[i] for i in order]


def test_the_mirrored_shelf_runs_the_other_way():
    mirrored = SHELF[:, [2, 1, 0, 3]] * (-1, 1, -1, 1)
    rows = find_rows(mirrored)
    assert rows.row.tolist() == ROW
    assert rows.position.tolist() == [3 - position for position in POSITION]


def test_a_bay_with_other_boards_has_rows_of_its_own():
    # Its boards are half the height of an item lower.
    rows = find_rows(np.concatenate([SHELF[:4], SHELF[:2] + np.array([400, 50, 400, 50])]))
    assert rows.row.tolist() == [0, 0, 0, 0, 1, 1]


def test_a_bay_with_boards_at_the_same_height_goes_on():
    assert len(find_rows(np.concatenate([SHELF[:4], SHELF[:2] + np.array([400, 0, 400, 0])]))) == 1


def test_what_stands_above_a_space_has_a_row_of_its_own():
    # A tenth of their height between them touches no more.
    apart = SHELF[[5, 6]] - [(0, 0, 0, 0), (0, 4, 0, 4)]
    assert find_rows(apart).row.tolist() == [1, 0]
    assert find_rows(SHELF[[5, 6]]).row.tolist() == [0, 0]


def test_no_box_and_one_box():
    none, one = find_rows(np.empty((0, 4))), find_rows(SHELF[:1])
    assert (len(none), none.note) == (0, "nothing was found, so there are no rows")
    assert len(one) == 1
    assert "one box is not enough" in one.note


def test_a_photo_turned_by_90_degrees_is_told():
    # Items of many heights: their lower ends are in line, their sides are not.
    rng = np.random.default_rng(0)
    boxes = []
    for bottom in (100.0, 220.0, 340.0):
        x = rng.uniform(0, 20)
        for _ in range(8):
            width, height = rng.uniform((20, 40), (50, 90))
            boxes.append((x, bottom - height, x + width, bottom))
            x += width + rng.uniform(2, 10)
    boxes = np.array(boxes)
    assert not find_rows(boxes).turned
    for turned in (boxes[:, [1, 0, 3, 2]], boxes[:, [1, 2, 3, 0]] * (1, -1, 1, -1)):
        rows = find_rows(turned)
        assert rows.turned
        assert "turned by 90 degrees" in rows.note


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (3, 3, 1, 5), (0, 0, np.nan, 5)])
def test_boxes_without_area_are_refused(box):
    with pytest.raises(InputError, match="box 1 is"):
        find_rows(np.array([SHELF[0], box]))


def test_a_thousand_boxes():
    column, row = np.meshgrid(np.arange(50), np.arange(20))
    corner = np.stack([column * 30, row * 100 + 0.6 * column], axis=-1).reshape(-1, 2)
    rows = find_rows(np.concatenate([corner, corner + np.array([28, 75])], axis=1))
    assert (rows.row == np.repeat(np.arange(20), 50)).all()
