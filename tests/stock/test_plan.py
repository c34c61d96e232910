import json

import numpy as np
import pytest

from locount.errors import InputError
from locount.stock import Place, ShelfPhoto, read_plan, runs_of
from locount.stock.plan import plan_bytes

KNOWN = frozenset({"cup", "box", "-tea"})


def photo_of(boxes, categories, counts=None):
    counts = np.ones(len(boxes), int) if counts is None else np.array(counts)
    boxes = np.array(boxes, float).reshape(-1, 4)
    return ShelfPhoto("shelf.jpg", 640, 360, boxes, tuple(categories), counts, KNOWN)


def test_neighbors_of_one_category_are_one_place():
    boxes = [(50 * i, 0, 50 * i + 40, 50) for i in range(4)]
    runs = runs_of(photo_of(boxes, ["cup", "cup", "box", "cup"], [1, 3, 2, 1]))
    assert runs == [
        (Place(1, 1, "cup", 4), [0, 1]),
        (Place(1, 2, "box", 2), [2]),
        (Place(1, 3, "cup", 1), [3]),
    ]


def test_what_stands_on_others_comes_after_them():
    boxes = [(0, 50, 40, 100), (50, 50, 90, 100), (0, 0, 40, 50), (50, 0, 90, 50)]
    runs = runs_of(photo_of(boxes, ["cup", "cup", "box", "cup"]))
    assert runs == [(Place(1, 1, "cup", 2), [0, 1, 3]), (Place(1, 2, "box", 1), [2])]


@pytest.mark.parametrize("name", ["plan.csv", "plan.json"])
def test_a_plan_is_read_as_it_was_written(name, tmp_path):
    plan = [Place(1, 1, "cup", 3), Place(1, 2, "-tea", 1, 1), Place(2, 1, "box", 12)]
    path = tmp_path / name
    path.write_bytes(plan_bytes(plan, path))
    assert read_plan(path, KNOWN) == plan


def test_columns_come_in_any_order_and_without_tolerance(tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text("facings,category,row,position\n2,box,2,1\n1,cup,1,1\n")
    assert read_plan(path, KNOWN) == [Place(1, 1, "cup", 1), Place(2, 1, "box", 2)]


def test_every_problem_is_told_with_its_line(tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text(
        "row,position,category,facings,tolerance\n"
        "1,1,cup,2,0\n"
        "1,1,box,1,0\n"
        "4,1,mug,1,0\n"
        "2,1,cup,-3,0\n"
        "2,2,cup,1.5,-1\n"
        "2,x,cup,1,\n"
        "2,3,cup\n"
    )
    with pytest.raises(InputError) as error:
        read_plan(path, KNOWN)
    text = str(error.value)
    assert f"{path} has 8 problems:" in text
    for line in (
        "line 3: row 1, position 1 is that of line 2 already",
        "line 4: category 'mug' is unknown: there are -tea, box, cup",
        "line 5: facings is '-3': it must be a whole number from 1 to 1000",
        "line 6: facings is '1.5'",
        "line 6: tolerance is '-1': it must be a whole number from 0 on",
        "line 7: position is 'x'",
        "line 8: it has 3 cells, the header 5",
        "row 3 is missing",
    ):
        assert line in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "it is not a list of places"),
        ([], "it is not a list of places"),
        ([3], "entry 1: it is 3: write an object"),
        ([{"row": True, "position": 1, "category": "cup", "facings": 1}], "entry 1: row is True"),
        ([{"row": 1, "position": 1, "category": "cup"}], "entry 1: facings is ''"),
        (
            [{"row": 1, "position": 1, "category": ["cup"], "facings": 1, "shelf": 1}],
            "entry 1: the key 'shelf' is unknown",
        ),
    ],
)
def test_problems_of_json(content, message, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as error:
        read_plan(path, KNOWN)
    assert message in str(error.value)


def test_a_row_far_down_is_told_in_no_time(tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text("row,position,category,facings\n1000000000000,1,cup,1\n")
    with pytest.raises(InputError, match="row 1 is missing"):
        read_plan(path, KNOWN)


@pytest.mark.parametrize(
    ("header", "message"),
    [("row,position,category", "column 'facings' is missing"), ("", "column 'row' is missing"),
     ("row,row,position,category,facings", "'row' is there twice")],
)  # fmt: skip
def test_a_header_that_is_wrong(header, message, tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text(f"{header}\n")
    with pytest.raises(InputError, match=message):
        read_plan(path, KNOWN)


def test_other_files_are_no_plans(tmp_path):
    with pytest.raises(InputError, match="neither"):
        read_plan(tmp_path / "plan.txt", KNOWN)


@pytest.mark.parametrize(("counts", "message"), [([0], "a count is 0"), ([1], "box 0 is")])
def test_a_photo_that_can_not_be(counts, message):
    with pytest.raises(InputError, match=message):
        photo_of([(0, 0, 9, 9 * (1 - counts[0]))], ["cup"], counts)
