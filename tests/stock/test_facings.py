import numpy as np

from locount.stock import count_facings, find_gaps, find_rows, occupied_lengths

# On one board: a stack of two cups, a cup, a carton on a cup.
BOXES = np.array(
    [(0, 50, 40, 100), (0, 0, 40, 50), (50, 50, 90, 100), (100, 50, 140, 100), (100, 0, 140, 50)],
    float,
)
CUPS = ("cup", "cup", "cup", "cup", "carton")


def test_what_stands_on_its_own_kind_is_no_facing():
    facings = count_facings(find_rows(BOXES), np.array([3, 3, 2, 1, 2]), CUPS)
    assert facings.tolist() == [3, 0, 2, 1, 2]


def test_a_count_is_divided_by_what_is_stacked():
    # 7 in stacks of 3 are three stacks, the last of one.
    counts, stacked = np.array([7, 3, 1, 4, 4]), np.array([3, 3, 1, 2, 4])
    assert count_facings(find_rows(BOXES), counts, CUPS, stacked).tolist() == [3, 0, 1, 2, 1]


def test_lengths_are_of_what_stands_on_the_board():
    assert occupied_lengths(BOXES, find_rows(BOXES)).tolist() == [40, 0, 40, 40, 0]


def test_overlaps_are_shared():
    boxes = np.array([(0, 0, 60, 50), (40, 0, 100, 50)], float)
    lengths = occupied_lengths(boxes, find_rows(boxes))
    assert lengths.tolist() == [50, 50]


def gaps_of(boxes, facings=None):
    boxes = np.array(boxes, float)
    facings = np.ones(len(boxes), int) if facings is None else np.array(facings)
    return find_gaps(boxes, find_rows(boxes), facings)


def test_a_gap_is_wider_than_the_median_item_next_to_it():
    # The two on either side are 40, 40, 60, 40 wide: the median is 40.
    row = [(0, 0, 40, 50), (50, 0, 90, 50), (131, 0, 191, 50), (200, 0, 240, 50)]
    (gap,) = gaps_of(row)
    assert (gap.row, gap.after, gap.box) == (0, 1, (90, 0, 131, 50))
    assert gap.items == 41 / 40
    row[1] = (51, 0, 91, 50)  # 40 are free, as wide as the item
    assert gaps_of(row) == []


def test_items_of_a_group_are_narrower_than_its_box():
    boxes = [(0, 0, 80, 50), (110, 0, 190, 50)]
    assert gaps_of(boxes) == []
    assert [gap.items for gap in gaps_of(boxes, [4, 4])] == [1.5]


def test_the_end_of_a_row_reaches_as_far_as_both_its_neighbors():
    def row(y, n):
        return [(50 * i, y, 50 * i + 40, y + 50) for i in range(n)]

    # The rows above and below end at 290 and 240.
    (gap,) = gaps_of([*row(0, 6), *row(100, 3), *row(200, 5)])
    assert (gap.row, gap.after, gap.box[0], gap.box[2]) == (1, 2, 140, 240)


def test_goods_of_another_bay_are_no_gap():
    # The second row could begin at 0, as its neighbors do, but other goods stand there till 98.
    def row(y, first, n):
        return [(50 * i, y, 50 * i + 40, y + 50) for i in range(first, n)]

    shelf = [*row(0, 0, 6), *row(100, 3, 6), *row(200, 0, 6)]
    assert [gap.box for gap in gaps_of(shelf)] == [(0, 100, 150, 150)]
    (gap,) = gaps_of([*shelf, (0, 75, 98, 125)])
    assert (gap.box, gap.items) == ((98, 100, 150, 150), 52 / 40)
    assert gaps_of([*shelf, (0, 75, 111, 125)]) == []
