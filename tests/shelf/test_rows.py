import json

import numpy as np
import pytest

from locount.shelf.render import STYLES, render
from locount.shelf.rules import RULES
from locount.shelf.write import Series, make_shelf


@pytest.mark.parametrize("style", STYLES)
def test_boxes_of_a_row_lie_on_one_board(style):
    # Rows are numbered from the top, whatever the camera's angle: by the middles of their ends.
    picture = render(3, 1, style=style)
    ends = [np.median(picture.boxes[picture.rows == r, 3]) for r in range(picture.rows.max() + 1)]
    assert ends == sorted(ends)
    assert len(picture.rows) == len(picture.boxes)


@pytest.mark.parametrize("rule", RULES)
def test_facings_are_items_that_stand_in_front(rule):
    picture = render(3, 1, rule=rule)
    assert (picture.facings <= picture.counts).all()
    assert (picture.facings >= 0).all()
    # What stands by itself is one; how goods are boxed changes neither rows nor facings.
    other = render(3, 1, rule="item")
    assert picture.facings.sum() == other.facings.sum()


def test_rows_are_written_beside_the_annotations(tmp_path):
    make_shelf(tmp_path, "train", Series(2, 3))
    written = json.loads((tmp_path / "rows_train.json").read_text())
    assert list(written) == ["000001.jpg", "000002.jpg"]
    lines = (tmp_path / "Locount_GtTxtsTrain" / "000002.txt").read_text().splitlines()
    assert len(written["000002.jpg"]["rows"]) == len(lines)
    assert written["000002.jpg"]["facings"] == render(3, 1).facings.tolist()
