"""Evaluation of parts gives what that of the same detections in JSON gives."""

import json

import pytest

from locount.cli import main
from locount.inference import parts

BOXES = {"shop/a.jpg": [(0, 0, 100, 82), (0, 0, 50, 50)], "b.jpg": [(200, 0, 100, 100)]}


@pytest.fixture
def files(tmp_path):
    """GT.json, DT.json, and DT in two parts, with a third photo that could not be read."""
    names = [*BOXES, "c.jpg"]
    truth = {
        "images": [{"id": 7 + i, "file_name": name} for i, name in enumerate(names)],
        "categories": [{"id": 4, "name": "cup"}],
        "annotations": [
            {"image_id": 7 + i, "category_id": 4, "bbox": (200 * i, 0, 100, 100), "count": 4}
            for i in range(3)
        ],
    }
    (tmp_path / "GT.json").write_text(json.dumps(truth))
    results, rows = [], []
    for i, name in enumerate(names):
        detections = [
            {"category_id": 4, "bbox": box, "score": 0.9 - 0.1 * k, "count": 3 + i}
            for k, box in enumerate(BOXES.get(name, ()))
        ]
        results += [{"image_id": 7 + i, **detection} for detection in detections]
        row = {"file_name": f"s3://photos/{name}", "stamp": "1", "detections": detections}
        rows.append(row if name in BOXES else {**row, "detections": None, "error": "is cut off"})
    (tmp_path / "DT.json").write_text(json.dumps(results))
    write(tmp_path / "parts/part-1.parquet", rows[2:] + rows[:1])
    write(tmp_path / "parts/part-2.parquet", rows[1:2])
    return tmp_path


def write(path, rows):
    import fsspec

    path.parent.mkdir(exist_ok=True)
    parts.write_part(fsspec.filesystem("file"), str(path), rows)


def evaluate(capsys, *words):
    status = main(["evaluate", *map(str, words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.mark.parametrize("parts", ["parts", "parts/*.parquet"])
def test_parts_are_evaluated_as_json_is(files, capsys, caplog, parts):
    gt, dt = files / "GT.json", files / "DT.json"
    for more in ([], ["--compare", dt, "--draws", "3"]):
        status, wanted, _ = evaluate(capsys, gt, dt, "--json", *more)
        assert status == 0
        assert json.loads(wanted)["metrics"]["AP"] > 0
        status, got, _ = evaluate(capsys, gt, files / parts, "--json", *more)
        assert (status, got) == (0, wanted)
        assert "1 photos could not be read" in caplog.text
    other = evaluate(capsys, gt, dt, "--json", "--compare", files / parts, "--draws", "3")
    assert other[1] == wanted


@pytest.mark.parametrize(
    ("name", "problem"),
    [("x.jpg", "x.jpg is not in the ground truth"), ("b.jpg", "is the same image as s3://")],
)
def test_photos_that_do_not_fit_are_named(files, capsys, name, problem):
    write(files / "parts/part-3.parquet", [{"file_name": name, "stamp": "1", "detections": []}])
    status, _, errors = evaluate(capsys, files / "GT.json", files / "parts")
    assert status == 2
    assert problem in errors


def test_categories_with_names_are_matched_by_them(files, capsys):
    rows = [
        {"file_name": "b.jpg", "detections": [box | {"category_id": 0, "category": "cup"}]}
        for box in [{"bbox": BOXES["b.jpg"][0], "score": 0.9, "count": 4}]
    ]
    write(files / "named/part-1.parquet", rows)
    status, out, _ = evaluate(capsys, files / "GT.json", files / "named", "--json")
    assert status == 0
    assert json.loads(out)["metrics"]["AR150"] == pytest.approx(100 / 3)
    rows[0]["detections"][0]["category"] = "mug"
    write(files / "named/part-2.parquet", [rows[0] | {"file_name": "c.jpg"}])
    status, _, errors = evaluate(capsys, files / "GT.json", files / "named")
    assert status == 2
    assert "category 0 is called 'mug', and 'cup' in another part" in errors


def test_what_is_not_a_part_is_named(files, capsys):
    (files / "parts/part-3.parquet").write_text("PAR1")
    status, _, errors = evaluate(capsys, files / "GT.json", files / "parts")
    assert status == 2
    assert "part-3.parquet is not a part" in errors


def test_a_folder_without_parts_is_an_error(tmp_path, capsys):
    (tmp_path / "GT.json").write_text('{"images": [], "categories": [], "annotations": []}')
    status, _, errors = evaluate(capsys, tmp_path / "GT.json", tmp_path)
    assert status == 2
    assert "contains no Parquet files" in errors
