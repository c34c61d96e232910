from hypothesis import given
from hypothesis import strategies as st

from locount.visualization.label_placement import MAX_COVERED, MAX_ON_OTHERS, place_labels

PHOTO = (100, 80)
LABEL = (20, 8)


@st.composite
def boxes_and_sizes(draw):
    boxes = []
    for _ in range(draw(st.integers(0, 12))):
        x, y = draw(st.integers(0, 90)), draw(st.integers(0, 70))
        boxes.append((x, y, draw(st.integers(x + 1, 100)), draw(st.integers(y + 1, 80))))
    size = st.tuples(st.integers(1, 40), st.integers(1, 12))
    return boxes, [[draw(size), draw(size)] for _ in boxes]


def shared(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0)


@given(boxes_and_sizes())
def test_labels_lie_in_the_photo_and_hide_neither_each_other_nor_goods(case):
    boxes, sizes = case
    places = place_labels(boxes, sizes, PHOTO)
    assert len(places) == len(boxes)
    for i, place in enumerate(places):
        if place is None:
            continue
        x1, y1, x2, y2 = place.box
        assert x1 >= 0
        assert y1 >= 0
        assert x2 <= PHOTO[0]
        assert y2 <= PHOTO[1]
        width, height = sizes[i][place.variant]
        assert (x2 - x1, y2 - y1) == (width, height)
        own = (boxes[i][2] - boxes[i][0]) * (boxes[i][3] - boxes[i][1])
        assert shared(place.box, boxes[i]) <= MAX_COVERED * own
        for j, other in enumerate(places):
            assert j == i or other is None or shared(place.box, other.box) == 0
            if j != i and place.variant == 0:
                assert shared(place.box, boxes[j]) <= MAX_ON_OTHERS * width * height


def test_above_the_box_where_there_is_room():
    (place,) = place_labels([(30, 30, 70, 60)], [[LABEL]], PHOTO)
    assert place == ((30, 22, 50, 30), 0)


def test_below_a_box_at_the_top():
    (place,) = place_labels([(30, 0, 70, 60)], [[LABEL]], PHOTO)
    assert place.box == (30, 60, 50, 68)


def test_inside_a_box_that_fills_the_photo():
    (place,) = place_labels([(0, 0, 100, 80)], [[LABEL]], PHOTO)
    assert place.box == (0, 0, 20, 8)


def test_the_small_variant_where_the_large_one_has_no_room():
    # Rows of boxes as wide as they are high, without a gap: only the first row has room above it.
    boxes = [(x, y, x + 20, y + 20) for y in (20, 40, 60) for x in (0, 20, 40, 60)]
    places = place_labels(boxes, [[LABEL, (8, 8)]] * len(boxes), PHOTO)
    assert [place.variant for place in places] == [0] * 4 + [1] * 8


def test_a_box_smaller_than_its_label_between_others_has_none():
    places = place_labels([(0, 0, 5, 80), (0, 0, 100, 80)], [[(30, 30)]] * 2, PHOTO)
    assert places[0] is None
    assert places[1] is not None
