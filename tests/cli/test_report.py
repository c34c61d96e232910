import json

import cv2
import numpy as np
import pytest

from locount.cli import main


@pytest.fixture
def run_dir(tmp_path):
    """A run that was evaluated on one photo with one box, which it found."""
    folder = tmp_path / "run" / "inference" / "shelves"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "1.png"), np.full((80, 100, 3), 90, np.uint8))
    box = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 40, 20], "count": 2}
    truth = {
        "images": [{"id": 1, "file_name": str(folder / "1.png")}],
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": [box],
    }
    (folder / "locount_ground_truth.json").write_text(json.dumps(truth))
    (folder / "locount_instances_results.json").write_text(json.dumps([box | {"score": 1.0}]))
    (tmp_path / "run" / "config.yaml").write_text("VERSION: 2\n")
    return tmp_path / "run"


def test_the_page_is_written_into_the_run_or_where_asked(run_dir, tmp_path):
    assert main(["report", str(run_dir)]) == 0
    assert main(["report", str(run_dir), "--output", str(tmp_path / "new" / "page.html")]) == 0
    page = (run_dir / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page == (tmp_path / "new" / "page.html").read_text(encoding="utf-8")


def test_a_missing_photo_is_a_partial_failure(run_dir, capsys):
    (run_dir / "inference/shelves/1.png").unlink()
    assert main(["report", str(run_dir)]) == 1
    assert "1.png" in capsys.readouterr().err
    assert (run_dir / "report.html").is_file()


def test_bad_input_writes_nothing(run_dir, tmp_path, capsys):
    assert main(["report", str(run_dir), "--dataset", "none"]) == 2
    assert "shelves" in capsys.readouterr().err
    assert main(["report", str(tmp_path)]) == 2
    assert "config.yaml" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.html"))


def test_a_place_that_cannot_be_written_is_named(run_dir, capsys):
    output = run_dir / "config.yaml" / "report.html"
    assert main(["report", str(run_dir), "--output", str(output)]) == 2
    assert "--output" in capsys.readouterr().err
