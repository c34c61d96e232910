import numpy as np
import pytest

from locount.calibration import Total, Totals
from locount.errors import InputError
from locount.stock import ShelfPhoto, read_minimums, shortages

KNOWN = frozenset({"cup", "box"})


def photo_of(cups, within=None):
    """A stack of so many cups, beside a box.

    Args:
        within: how far the number of cups may be off.
    """
    intervals = None
    if within is not None:
        total = Total(cups, cups - within, cups + within)
        intervals = Totals(0.9, Total(cups + 1, 0, 99), {"cup": total})
    boxes = np.array([(0, 0, 40, 50), (50, 0, 90, 50)], float)
    return ShelfPhoto(
        "shelf.jpg",
        640,
        360,
        boxes,
        ("cup", "box"),
        np.array([cups, 1]),
        KNOWN,
        intervals=intervals,
    )


def write(tmp_path, text):
    path = tmp_path / "minimums.csv"
    path.write_text(text)
    return path


def test_minimums_are_read(tmp_path):
    path = write(tmp_path, "category,minimum\ncup,4\nbox,0\n")
    assert read_minimums(path, KNOWN) == {"cup": 4, "box": 0}


def test_every_problem_is_told_with_its_line(tmp_path):
    path = write(tmp_path, "category,minimum\ncup,4\nmug,1\nbox,-1\ncup,2\nbox\n")
    with pytest.raises(InputError) as error:
        read_minimums(path, KNOWN)
    text = str(error.value)
    assert "has 4 problems" in text
    assert "line 3: category 'mug' is unknown" in text
    assert "line 4: minimum is '-1'" in text
    assert "line 5: category 'cup' has a minimum in line 2" in text
    assert "line 6: it has 1 cells, the header 2" in text


@pytest.mark.parametrize("number", ["--5", "+-5", "1" * 5000, "1_0", "5.5", ""])
def test_what_is_not_a_whole_number_is_told(number, tmp_path):
    path = write(tmp_path, f"category,minimum\ncup,{number}\n")
    with pytest.raises(InputError, match="it must be a whole number from 0 on"):
        read_minimums(path, KNOWN)


@pytest.mark.parametrize("text", ["", "cup,4\n", "category,minimum\n"])
def test_files_without_minimums(text, tmp_path):
    with pytest.raises(InputError):
        read_minimums(write(tmp_path, text), KNOWN)


@pytest.mark.parametrize(("confirm", "short"), [(1, "yes"), (2, "yes"), (3, "no")])
def test_short_is_what_enough_photos_show_too_little_of(confirm, short):
    photos = [photo_of(cups) for cups in (5, 3, 2)]
    table = shortages({"box": 1, "cup": 4}, photos, confirm)
    by_category = {row["category"]: row for row in table}
    cup = by_category["cup"]
    assert cup["short"] == short
    assert (cup["median"], cup["least"], cup["most"], cup["short_in"]) == (3, 2, 5, 2)
    assert by_category["box"]["short"] == "no"
    assert table[0] is (cup if short == "yes" else by_category["box"])


def test_what_is_not_on_the_photo_is_short():
    (row,) = shortages({"mug": 1}, [photo_of(1)], 1)
    assert (row["median"], row["short"]) == (0, "yes")


# Within 1 and of a minimum of 5: 3 (2 to 4) are short for sure, and 6 (5 to 7) enough.
@pytest.mark.parametrize(
    ("cups", "confirm", "short"),
    [
        ((3,), 1, "yes"),
        ((4,), 1, "maybe"),
        ((5,), 1, "maybe"),
        ((6,), 1, "no"),
        ((3, 4), 2, "maybe"),
        ((3, 6), 1, "yes"),
        ((4, 6), 2, "no"),
    ],
)
def test_what_an_interval_leaves_open_may_be_short(cups, confirm, short):
    (row,) = shortages({"cup": 5}, [photo_of(n, within=1) for n in cups], confirm)
    assert row["short"] == short


def test_what_has_no_interval_is_judged_by_its_number():
    (row,) = shortages({"box": 1}, [photo_of(3, within=1)], 1)
    assert (row["low"], row["high"], row["short"]) == (None, None, "no")


@pytest.mark.parametrize(("cups", "median"), [((2, 4), "3"), ((2, 3), "2.5")])
def test_a_whole_median_is_written_as_one(cups, median):
    (row,) = shortages({"cup": 1}, [photo_of(n, within=1) for n in cups], 1)
    assert str(row["median"]) == median
    assert str(row["low"]) == str(row["median"] - 1)
