import numpy as np
import pytest

from locount.data.augmentation import CopyPaste, CountAugInput
from locount.data.augmentation.copy_paste import draw_place, find_stacks


def seed(value):
    np.random.seed(value)  # noqa: NPY002, the state that Detectron2 draws from


def photo(color, *annotations, size=(60, 100)):
    """One color; annotations (box, class, count)."""
    image = np.full((*size, 3), color, np.uint8)
    dicts = [{"bbox": b, "category_id": k, "count": c} for b, k, c in annotations]
    return CountAugInput(image, boxes=[a["bbox"] for a in dicts]), dicts


DONOR = (200, ([10, 20, 40, 40], 3, 7))


def paste_onto(*annotations, max_stacks=1, color=50):
    """The donor's stack on a photo, drawn until there is one; the input and what was pasted."""
    for draw in range(50):
        seed(draw)
        paste = CopyPaste(max_stacks)
        assert paste(*photo(*DONOR)) == []
        aug_input, dicts = photo(color, *annotations)
        if pasted := paste(aug_input, dicts):
            return aug_input, pasted
    return aug_input, []


def test_a_stack_comes_whole_with_its_class_and_count():
    aug_input, (pasted,) = paste_onto(([0, 30, 20, 50], 1, 1))
    x1, y1, x2, y2 = pasted["bbox"]
    # 30 x 20, as in the donor, on the line on which the photo's only box stands.
    assert (x2 - x1, y2 - y1, y2) == (30, 20, 50)
    assert (pasted["category_id"], pasted["count"]) == (3, 7)
    assert (aug_input.image == 200).all(axis=2).sum() == 30 * 20
    assert (aug_input.image[y1:y2, x1:x2] == 200).all()
    assert aug_input.boxes[-1].tolist() == pasted["bbox"]
    assert aug_input.visible[-1] == 1


def test_a_free_place_is_preferred():
    # A box of 20 columns, a stack of 30 and 100 columns in all: most places hide nothing.
    aug_input, _ = paste_onto(([0, 30, 20, 50], 1, 4))
    assert aug_input.visible.tolist() == [1, 1]


def test_what_a_stack_hides_is_known():
    # The box fills the photo's width, 40 rows of it: a stack of 30 x 20 hides 15 % wherever it is.
    aug_input, _ = paste_onto(([0, 20, 100, 60], 1, 4))
    assert aug_input.visible == pytest.approx([0.85, 1])


def test_stacks_that_follow_hide_the_ones_before():
    # All stand on one line in a photo that is hardly wider than two of them.
    for draw in range(20):
        seed(draw)
        paste = CopyPaste(4)
        paste(*photo(*DONOR))
        aug_input, dicts = photo(50, ([0, 10, 10, 30], 1, 1), size=(60, 62))
        pasted = paste(aug_input, dicts)
        assert len(aug_input.boxes) == 1 + len(pasted) <= 5
        covered = (aug_input.image == 200).all(axis=2).sum()
        assert covered == pytest.approx(aug_input.visible[1:].sum() * 600)


def test_nothing_is_pasted_without_a_line_to_stand_on():
    _, pasted = paste_onto()
    assert pasted == []


def test_a_stack_that_does_not_fit_finds_no_place():
    assert draw_place((20, 101), np.array([[0, 0, 10, 50.0]]), (60, 100)) is None
    assert draw_place((51, 10), np.array([[0, 0, 10, 50.0]]), (60, 100)) is None


def test_only_groups_that_can_be_counted_are_taken():
    # The first is one item. Half of the second is hidden by the first: 2 items' worth. Of the third
    # 10 % are hidden by the fourth, 0.4 items' worth; it is the one.
    aug_input, dicts = photo(
        200,
        ([0, 0, 10, 20], 0, 1),
        ([0, 0, 20, 20], 1, 4),
        ([40, 0, 60, 20], 2, 4),
        ([58, 0, 68, 20], 3, 1),
    )
    (stack,) = find_stacks(aug_input.image, aug_input.boxes, dicts)
    assert (stack.category_id, stack.count, stack.picture.shape) == (2, 4, (20, 20, 3))


def test_later_changes_of_a_photo_do_not_reach_what_was_taken():
    aug_input, dicts = photo(*DONOR)
    (stack,) = find_stacks(aug_input.image, aug_input.boxes, dicts)
    aug_input.image[:] = 0
    assert (stack.picture == 200).all()
