import numpy as np
import pytest

from locount.shelf.rules import group


def labels(rule, *fronts, kinds=None):
    kinds = np.zeros(len(fronts), int) if kinds is None else np.array(kinds)
    return group(np.array(fronts, float).reshape(-1, 4), kinds, rule).tolist()


def at(x, y=0):
    """An item of 30 x 60."""
    return x, y, x + 30, y + 60


def test_items_are_boxed_one_by_one():
    assert labels("item", at(0), at(30), at(60)) == [0, 1, 2]


def test_a_row_ends_at_a_gap_of_a_third():
    # 9 and 10 apart; a third of 30 is 10.
    assert labels("row", at(0), at(39), at(79)) == [0, 0, 2]


def test_a_row_is_joined_through_its_members():
    assert labels("row", at(60), at(0), at(30)) == [0, 0, 0]


def test_a_row_has_one_level():
    assert labels("row", at(0), at(0, 60), at(31, 60)) == [0, 1, 1]
    # 29 of 60 rows shared are too few, 31 are enough.
    assert labels("row", at(0), at(30, 31)) == [0, 1]
    assert labels("row", at(0), at(30, 29)) == [0, 0]


def test_what_differs_stays_apart():
    assert labels("row", at(0), at(30), at(60), kinds=[0, 1, 0]) == [0, 1, 2]


def test_touching_items_join_in_rows_and_columns():
    # 8 % of 30 is 2.4.
    assert labels("touching", at(0), at(32)) == [0, 0]
    assert labels("touching", at(0), at(33)) == [0, 1]
    assert labels("touching", at(0), at(0, 60), at(30, 60)) == [0, 0, 0]
    # One that stands on the corners of others touches none by more than half of its width.
    assert labels("touching", at(0), at(16, 60)) == [0, 1]


@pytest.mark.parametrize("rule", ["item", "row", "touching"])
def test_nothing_is_nothing(rule):
    assert labels(rule) == []
