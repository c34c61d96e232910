import cv2
import numpy as np
import pytest
from detectron2.data import transforms as T

from locount.data.augmentation import CountAugInput
from locount.data.augmentation.transforms import (
    GREY,
    AffineTransform,
    BoxContentTransform,
    CoverTransform,
)

SHIFT = [[1.0, 0, 3], [0, 1, -2]]


def image(height=10, width=10):
    return np.arange(height * width * 3, dtype=np.uint16).astype(np.uint8).reshape(height, width, 3)


def test_a_shift_by_whole_pixels_moves_them_as_they_are():
    result = AffineTransform(SHIFT).apply_image(image())
    np.testing.assert_array_equal(result[:8, 3:], image()[2:, :7])
    assert (result[:, :3] == GREY).all()
    assert (result[8:] == GREY).all()
    assert AffineTransform(SHIFT).apply_box(np.array([[1.0, 4, 5, 8]])).tolist() == [[4, 2, 8, 6]]


def test_a_quarter_turn_is_exact():
    # Only with the centre of the picture at (5, 5), not at the centre of a pixel.
    turn = AffineTransform(cv2.getRotationMatrix2D((5, 5), 90, 1))
    np.testing.assert_array_equal(turn.apply_image(image()), np.rot90(image()))
    # Counterclockwise: the left edge comes to the bottom.
    np.testing.assert_allclose(
        turn.apply_box(np.array([[0.0, 0, 2, 5]])), [[0, 8, 5, 10]], atol=1e-9
    )


@pytest.mark.parametrize("shape", [(10, 10, 3), (10, 10, 1), (10, 10)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_shape_and_type_of_images_stay(shape, dtype):
    result = AffineTransform(SHIFT).apply_image(np.zeros(shape, dtype))
    assert result.shape == shape
    assert result.dtype == dtype


def test_masks_move_with_the_image_and_are_not_hidden():
    mask = np.zeros((10, 10), np.uint8)
    mask[4:8, 1:5] = 1
    moved = AffineTransform(SHIFT).apply_segmentation(mask)
    assert moved[2:6, 4:8].all()
    assert moved.sum() == 16
    with pytest.raises(NotImplementedError, match="not for masks"):
        CoverTransform(np.array([0, 0, 5, 5])).apply_segmentation(mask)


def test_a_cover_hides_what_is_under_it():
    cover = CoverTransform(np.array([[2, 0, 10, 5]]))
    result = cover.apply_image(np.zeros_like(image()))
    assert (result[:5, 2:] == GREY).all()
    assert result[5:].max() == result[:, :2].max() == 0
    boxes, shares = cover.hide(np.array([[0.0, 0, 4, 5], [0, 6, 3, 9]]))
    assert boxes.tolist() == [[0, 0, 2, 5], [0, 6, 3, 9]]
    assert shares.tolist() == [0.5, 1]


def test_content_is_moved_within_its_box_and_the_box_shrinks_to_it():
    # Box 0 is 6 x 8 and moves by 2 down: 3/4 of it stay. Box 1 lies half under box 0 and does not
    # move: its right half is written over. Box 2 is elsewhere.
    boxes = np.array([[4, 0, 10, 8], [2, 2, 6, 4], [0, 8, 4, 10]])
    move = BoxContentTransform(boxes, np.array([0]), np.array([[1.0, 0, 0], [0, 1, 2]]))
    result = move.apply_image(image())
    np.testing.assert_array_equal(result[2:8, 4:], image()[:6, 4:])
    assert (result[:2, 4:] == GREY).all()
    np.testing.assert_array_equal(result[:, :4], image()[:, :4])
    hidden, shares = move.hide(boxes.astype(float))
    assert hidden.tolist() == [[4, 2, 10, 8], [2, 2, 4, 4], [0, 8, 4, 10]]
    assert shares.tolist() == [0.75, 0.5, 1]


def test_what_has_left_the_image_does_not_come_back():
    # 6 of 8 columns leave to the right; shifted back, 2 are left where they were.
    aug_input = CountAugInput(image(10, 20), boxes=[[10, 0, 18, 10]])
    there = AffineTransform([[1, 0, 8], [0, 1, 0]])
    back = AffineTransform([[1, 0, -8], [0, 1, 0]])
    aug_input.transform(T.TransformList([there, back]))
    assert aug_input.boxes.tolist() == [[10, 0, 12, 10]]
    assert aug_input.visible.tolist() == [0.25]


def test_shares_are_of_the_box_at_the_start():
    # A crop leaves half, doubling its size changes nothing, a second crop leaves half of the half.
    aug_input = CountAugInput(image(10, 20), boxes=[[5, 0, 15, 10], [0, 0, 2, 2]])
    for step in (
        T.CropTransform(10, 0, 10, 10),
        T.ResizeTransform(10, 10, 20, 20),
        T.CropTransform(0, 10, 20, 10),
    ):
        aug_input.transform(step)
    assert aug_input.boxes[0].tolist() == [0, 0, 10, 10]
    assert aug_input.visible.tolist() == [0.25, 0]


def test_no_boxes_pass_through_every_transform():
    none, nobody = np.zeros((0, 4), int), np.zeros(0, int)
    for step in (
        AffineTransform(SHIFT),
        CoverTransform(none),
        BoxContentTransform(none, nobody, np.array(SHIFT)),
    ):
        aug_input = CountAugInput(image(), boxes=none)
        aug_input.transform(step)
        assert aug_input.boxes.shape == (0, 4)
        assert aug_input.visible.shape == (0,)
