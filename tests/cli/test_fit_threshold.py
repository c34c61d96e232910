import json

import pytest

from locount.cli import main

BOX = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 10, 10]}


@pytest.fixture
def files(tmp_path):
    """Two boxes, of 1 and 4 items, in the one image; three detections, of 1, 2 and 3 items."""

    def write(scores=(0.9, 0.6, 0.3), counts=(1, 4)):
        gt = {
            "images": [{"id": 1}],
            "categories": [{"id": 1, "name": "cup"}],
            "annotations": [BOX | {"count": n} for n in counts],
        }
        dt = [BOX | {"count": n, "score": s} for n, s in enumerate(scores, 1)]
        for name, data in (("gt.json", gt), ("dt.json", dt)):
            (tmp_path / name).write_text(json.dumps(data))
        return str(tmp_path / "gt.json"), str(tmp_path / "dt.json")

    return write


def test_prints_the_score_that_finds_two_boxes(files, capsys):
    assert main(["fit-threshold", *files(), "--compare-with", "0.2"]) == 0
    out = capsys.readouterr().out
    assert "| fitted: 0.6 | 0.000 |  0.000 |  0.000 |" in out
    assert "| 0.2         | 1.000 |  1.000 |  1.000 |" in out
    assert out.splitlines()[-1] == "PREDICT.SCORE 0.6"


def test_items_have_a_threshold_of_their_own(files, tmp_path):
    # 5 items are there: 1 + 2 from 0.6 on and 1 + 2 + 3 from 0.3 on, which is nearer.
    path = tmp_path / "new" / "threshold.json"
    assert main(["fit-threshold", *files(), "--items", "--output", str(path)]) == 0
    assert json.loads(path.read_text()) == {
        "of": "items",
        "images": 1,
        "fitted": {"score": 0.3, "MAE": 1, "RMSE": 1, "bias": 1},
        "compared": {"score": 0.5, "MAE": 2, "RMSE": 2, "bias": -2},
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"scores": ()}, "has no detections"), ({"counts": (0,)}, '"count" is 0')],
)
def test_what_has_no_threshold_has_status_2(files, capsys, arguments, message):
    assert main(["fit-threshold", *files(**arguments)]) == 2
    assert message in capsys.readouterr().err


def test_boxes_that_lie_in_better_ones_can_be_left_out(files, capsys):
    # All three detections are one box, so the best one alone is left: 1 of the 5 items.
    arguments = ["fit-threshold", *files(), "--items", "--compare-with", "0.2", "--max-overlap"]
    assert main([*arguments, "0.7"]) == 0
    assert "| 0.2         | 4.000 |  4.000 | -4.000 |" in capsys.readouterr().out
    assert main([*arguments, "0"]) == 2
    assert "--max-overlap: 0 is not a share; it must be above 0" in capsys.readouterr().err
