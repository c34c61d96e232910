import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from locount.data.formats.table import NO_COUNT, Table, box_faults, mended
from locount.data.formats.table_place import _image_id

NUMBERS = st.tuples(*[st.integers(-2, 5)] * 4)


def table(rows):
    """One image for each first element of the rows (image, x1, y1, x2, y2, count)."""
    boxes = [(image, line, *box, 0, count) for line, (image, *box, count) in enumerate(rows, 1)]
    images = [(str(i), 0, None) for i in range(1 + max((row[0] for row in rows), default=0))]
    return Table.of(images, boxes, ["cup"])


def faults(box, count, height, width, tolerance):
    """The obvious check of one box: what the message must speak of."""
    x1, y1, x2, y2 = box
    over = max(-min(box), max(x1, x2) - width, max(y1, y2) - height)
    return [
        *["is reversed"] * (x1 > x2 or y1 > y2),
        *["no area"] * (not (x1 > x2 or y1 > y2) and (x1 == x2 or y1 == y2)),
        *["outside"] * (over > tolerance and width > 0),
        *["the count is"] * (count < 1),
    ]


@given(
    st.lists(st.tuples(st.integers(0, 1), *[st.integers(-2, 5)] * 4, st.integers(-1, 2))),
    st.sampled_from([0.0, 1.0]),
)
def test_faults_are_those_of_the_obvious_check(rows, tolerance):
    # Image 0 has 3 x 2 pixels, image 1 can't be read.
    sizes = [(2, 3), (0, 0)]
    expected = [
        (i, fault)
        for i, (image, *box, count) in enumerate(rows)
        for fault in faults(box, count, *sizes[image], tolerance)
    ]
    found = box_faults(table(rows), np.array(sizes), tolerance, num_counts=1)
    assert [fault.row for fault in found] == [row for row, _ in expected]
    assert all(word in text for (_, text, _), (_, word) in zip(found, expected, strict=True))


@given(NUMBERS, st.sampled_from([0.0, 1.0]))
def test_a_mended_box_has_no_fault(box, tolerance):
    before, sizes = table([(0, *box, 1)]), np.array([(2, 3)])
    wrong = box_faults(before, sizes, tolerance, 1)
    changes = list(mended(before, sizes, tolerance))
    assert len(changes) <= len(wrong)
    for row, after, why in changes:
        fixed = before._replace(box=np.array([after], dtype=float))
        assert (row, bool(why)) == (0, True)
        assert not box_faults(fixed, sizes, tolerance, 1)


def test_a_count_is_missing_only_where_others_have_one():
    rows, sizes = [(0, 0, 0, 1, 1, NO_COUNT)], np.array([(2, 3)])
    assert not box_faults(table(rows), sizes, 0, num_counts=0)
    ((row, text, _),) = box_faults(table(rows), sizes, 0, num_counts=7)
    assert row == 0
    assert "7 box(es) have one" in text


def test_repetitions_are_told_within_an_image_only():
    box = (0, 0, 1, 1, 2)
    found = table([(0, *box), (1, *box), (0, 0, 0, 1, 2, 2), (0, *box)]).repeated
    assert found.tolist() == [False, False, False, True]


def test_images_are_chosen_and_added_with_their_boxes():
    before = table([(1, 0, 0, 1, 1, 5), (0, 0, 0, 1, 1, 6), (1, 0, 0, 1, 2, 7)])
    after = before.of_images([1, None, 0, 1], ["b", "new", "a", "b again"])
    assert after.images.tolist() == ["b", "new", "a", "b again"]
    assert after.image.tolist() == [0, 0, 2, 3, 3]
    assert after.count.tolist() == [5, 7, 6, 5, 7]
    assert before.of_images([1]).images.tolist() == ["1"]


def test_ids_of_images_exist_for_every_name():
    assert _image_id("train", "a.jpg") == _image_id("train", "a.jpg")
    names = ["a.jpg", "\ud800.jpg", "\udce9.jpg"]  # the last two are no Unicode
    assert len({_image_id(split, name) for split in ("train", "\ud800") for name in names}) == 6
