import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from locount.stock import Place, ShelfPhoto, check_plan, runs_of, typical
from locount.stock.compliance import MISPLACED, MISSING, NUMBER, RIGHT, SURPLUS


def photo_of(*rows, name="shelf.jpg"):
    """Each letter is an item of that category; a space is free."""
    boxes, names = [], []
    for r, row in enumerate(rows):
        for i, letter in enumerate(row):
            if letter != " ":
                boxes.append((20 * i, 100 * r, 20 * i + 18, 100 * r + 60))
                names.append(letter)
    boxes = np.array(boxes, float).reshape(-1, 4)
    counts = np.ones(len(boxes), int)
    return ShelfPhoto(name, 640, 360, boxes, tuple(names), counts, frozenset("abcdx"))


def plan_of(*rows):
    return [place for place, _ in runs_of(photo_of(*rows))]


def statuses(plan, photo):
    """Status, category and facings found of what is not right."""
    found = check_plan(plan, photo).findings
    return [(f.status, (f.planned or f.seen).category, f.found) for f in found if f.status != RIGHT]


def test_a_shelf_as_planned():
    check = check_plan(plan_of("aabb", "ccc"), photo_of("aa bb", "ccc"))
    assert check.share == 1
    assert check.numbers == {RIGHT: 3, NUMBER: 0, MISSING: 0, MISPLACED: 0, SURPLUS: 0}
    assert check.distance == 0


def test_too_few_and_too_many_are_wrong_numbers():
    assert statuses(plan_of("aabbb"), photo_of("aaabb")) == [(NUMBER, "a", 3), (NUMBER, "b", 2)]


def test_a_tolerance_is_for_both_directions():
    plan = [Place(1, 1, "a", 3, 1), Place(1, 2, "b", 3, 1)]
    assert statuses(plan, photo_of("aabbbb")) == []
    assert statuses(plan, photo_of("abbbbb")) == [(NUMBER, "a", 1), (NUMBER, "b", 5)]


def test_what_is_taken_away_is_missing():
    assert statuses(plan_of("aabaa"), photo_of("aaaa")) == [(MISSING, "b", 0)]


def test_what_is_in_no_place_is_surplus():
    check = check_plan(plan_of("aab"), photo_of("aaxxb"))
    (surplus,) = (f for f in check.findings if f.status == SURPLUS)
    assert (surplus.planned, surplus.seen, surplus.found) == (None, Place(1, 2, "x", 2), 2)
    assert check.share == 1


def test_what_stands_elsewhere_is_misplaced():
    check = check_plan(plan_of("abcd", "aaaa"), photo_of("acd", "aaab"))
    moved = next(f for f in check.findings if f.status == MISPLACED)
    assert (moved.planned, moved.seen) == (Place(1, 2, "b", 1), Place(2, 2, "b", 1))
    assert statuses(plan_of("abcd", "aaaa"), check.photo) == [(MISPLACED, "b", 1), (NUMBER, "a", 3)]


def test_a_run_in_the_wrong_place_is_one_finding():
    check = check_plan(plan_of("bacd"), photo_of("acdbbb"))
    assert statuses(plan_of("bacd"), check.photo) == [(MISPLACED, "b", 3)]
    assert check.marked[-1] == (MISPLACED, [3, 4, 5])


def test_one_run_stands_in_for_two_places():
    # Of bbbb two are for each place of two, and what is over goes to the first.
    plan = plan_of("bbacd", "bb")
    assert statuses(plan, photo_of("acdbbbb")) == [(MISPLACED, "b", 2), (MISPLACED, "b", 2)]
    assert statuses(plan, photo_of("acdbbbbb")) == [(MISPLACED, "b", 3), (MISPLACED, "b", 2)]
    assert statuses(plan, photo_of("acdbb")) == [(MISPLACED, "b", 2), (MISSING, "b", 0)]


def test_a_place_of_two_runs_has_the_facings_of_both():
    # The x between them is in no place, but all three a are.
    check = check_plan(plan_of("aaab"), photo_of("axaab"))
    assert [(f.status, f.found) for f in check.findings] == [(RIGHT, 3), (RIGHT, 1), (SURPLUS, 1)]
    assert [status for status, _ in check.marked] == [RIGHT, SURPLUS, RIGHT, RIGHT]


@given(*[st.lists(st.text("abc ", max_size=6), min_size=1, max_size=2)] * 2)
def test_each_facing_is_in_one_finding(planned, shown):
    check = check_plan(plan_of(*planned), photo_of(*shown))
    assert sum(finding.found for finding in check.findings) == sum(map(len, shown)) - sum(
        row.count(" ") for row in shown
    )
    # The picture calls surplus what the table does.
    surplus = [f.seen for f in check.findings if f.status == SURPLUS]
    runs = [place for place, _ in runs_of(check.photo)]
    marks = [status for status, _ in check.marked]
    assert surplus == [p for p, status in zip(runs, marks, strict=True) if status == SURPLUS]
    assert not {f.seen for f in check.findings if f.status == MISPLACED} & set(surplus)


def test_exchanged_places_are_misplaced():
    # c and d match; a and b are each where the other should be.
    found = statuses(plan_of("acdb"), photo_of("bcda"))
    assert found == [(MISPLACED, "a", 1), (MISPLACED, "b", 1)]


def test_an_empty_row_does_not_shift_the_others():
    assert statuses(plan_of("aaa", "bbb", "ccc"), photo_of("aaa", "   ", "ccc")) == [
        (MISSING, "b", 0)
    ]


def test_an_empty_shelf_and_an_empty_plan():
    assert statuses(plan_of("ab"), photo_of()) == [(MISSING, "a", 0), (MISSING, "b", 0)]
    assert statuses([], photo_of("aab")) == [(SURPLUS, "a", 2), (SURPLUS, "b", 1)]


def test_places_of_the_photo_are_marked_with_what_they_are():
    check = check_plan(plan_of("aab"), photo_of("axb"))
    assert check.marked == [(NUMBER, [0]), (SURPLUS, [1]), (RIGHT, [2])]


def test_the_table_tells_where():
    (right, moved) = check_plan(plan_of("ab"), photo_of("ba")).table()
    assert right["status"] == MISPLACED
    assert (right["row"], right["position"], right["found_position"]) == (1, 1, 2)
    assert (moved["status"], moved["planned"], moved["found"]) == (RIGHT, 1, 1)


def test_the_typical_photo_is_nearest_to_all():
    photos = [photo_of("aab", name="1"), photo_of("aabb", name="2"), photo_of("aabbbb", name="3")]
    assert typical(photos).name == "2"
