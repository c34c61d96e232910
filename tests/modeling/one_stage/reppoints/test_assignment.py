import torch
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes

from locount.modeling.one_stage.reppoints.assignment import (
    BACKGROUND,
    IGNORED,
    assign_centers,
    assign_pseudo_boxes,
)

# Two levels on a 128 x 128 image: 16 x 16 locations of stride 8, then 8 x 8 of stride 16.
SIZES, STRIDES = [(16, 16), (8, 8)], [8, 16]


def centers(boxes):
    assigned = assign_centers(Boxes(torch.tensor(boxes).reshape(-1, 4)), SIZES, STRIDES, 4)
    assert assigned.shape == (256 + 64,)
    return {i: int(assigned[i]) for i in (assigned != BACKGROUND).nonzero().squeeze(1).tolist()}


def test_a_box_goes_to_its_level_and_the_location_at_its_centre():
    # Stride 8 is for sizes of 32 to 64, stride 16 from 64 on.
    # 40 x 40 around (44, 28): column 5.5, row 3.5 of stride 8. Both are halfway, and round to even:
    # column 6, row 4, location 4 * 16 + 6.
    # 100 x 64 around (60, 66): size 80. Column 3.75, row 4.1 of stride 16, location 4 * 8 + 4.
    boxes = [[24.0, 8, 64, 48], [10, 34, 110, 98]]
    assert centers(boxes) == {4 * 16 + 6: 0, 256 + 4 * 8 + 4: 1}


def test_the_level_is_that_of_the_floor_of_the_logarithm():
    # 63.9: log2(63.9 / 4) < 4, so stride 8; 64: stride 16. Both around (64, 64).
    assert list(centers([[32.05, 32.05, 95.95, 95.95]])) == [8 * 16 + 8]
    assert list(centers([[32.0, 32, 96, 96]])) == [256 + 4 * 8 + 4]


def test_boxes_beyond_the_levels_go_to_the_first_and_the_last():
    # 8 x 8 and 0 x 0 would be for strides below 8, 128 x 128 for stride 32.
    boxes = [[4.0, 4, 12, 12], [24, 24, 24, 24], [0, 0, 128, 128]]
    assert centers(boxes) == {16 + 1: 0, 3 * 16 + 3: 1, 256 + 4 * 8 + 4: 2}


def test_at_the_edge_the_last_location_is_the_nearest():
    # Centre (127, 127): 15.9 strides, but the last column and row are 15.
    assert centers([[126.0, 126, 128, 128]]) == {15 * 16 + 15: 0}


def test_the_nearer_of_two_boxes_gets_the_location():
    # Centres (19, 16), (17, 16), (15, 16): the location at (16, 16) is 3, 1 and 1 away.
    boxes = [[9.0, 6, 29, 26], [7, 6, 27, 26], [5, 6, 25, 26]]
    assert centers(boxes) == {2 * 16 + 2: 1}


def test_an_image_without_boxes_is_all_background():
    assert centers([]) == {}


def pseudo(gt_boxes, low_quality):
    # IoU with a box of 10 x 10: all, 0.6, 0.45, 0.3, none.
    widths = [[10.0], [6], [4.5], [3]]
    boxes = [[0.0, 0, w, 10] for (w,) in widths] + [[50.0, 50, 60, 60]]
    matcher = Matcher([0.4, 0.5], [0, -1, 1], allow_low_quality_matches=low_quality)
    gt_boxes = Boxes(torch.tensor(gt_boxes).reshape(-1, 4))
    return assign_pseudo_boxes(gt_boxes, Boxes(torch.tensor(boxes)), matcher).tolist()


def test_pseudo_boxes_are_matched_by_iou():
    expected = [0, 0, IGNORED, BACKGROUND, BACKGROUND]
    assert pseudo([[0.0, 0, 10, 10]], low_quality=False) == expected


def test_the_best_pseudo_box_of_an_object_is_foreground_below_the_threshold():
    # 10 x 100: IoU 0.1, 0.06, 0.045, 0.03, 0.
    expected = [0, BACKGROUND, BACKGROUND, BACKGROUND, BACKGROUND]
    assert pseudo([[0.0, 0, 10, 100]], low_quality=True) == expected


def test_an_object_that_no_pseudo_box_touches_has_no_match():
    assert pseudo([[200.0, 0, 210, 10]], low_quality=True) == [BACKGROUND] * 5
    both = pseudo([[200.0, 0, 210, 10], [0, 0, 10, 10]], low_quality=True)
    assert both == [1, 1, IGNORED, BACKGROUND, BACKGROUND]


def test_without_objects_every_pseudo_box_is_background():
    assert pseudo([], low_quality=True) == [BACKGROUND] * 5
