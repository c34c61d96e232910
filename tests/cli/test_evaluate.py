import csv
import errno
import json

import pytest

from locount.cli.main import main
from locount.evaluation import evaluate_detections

GT = {
    "images": [{"id": 1}],
    "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "bottle"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 100, 100], "count": 4},
        {"id": 2, "image_id": 1, "category_id": 1, "bbox": [200, 0, 100, 100], "count": 20},
    ],
}
DT = [
    {"image_id": 1, "category_id": 1, "bbox": [0, 0, 100, 100], "count": 4, "score": 0.9},
    {"image_id": 1, "category_id": 1, "bbox": [200, 0, 100, 100], "count": 5, "score": 0.8},
]


@pytest.fixture
def files(tmp_path):
    def write(gt=GT, dt=DT):
        for name, data in (("gt.json", gt), ("dt.json", dt)):
            (tmp_path / name).write_text(json.dumps(data))
        return str(tmp_path / "gt.json"), str(tmp_path / "dt.json")

    return write


def test_tables(files, capsys):
    assert main(["evaluate", *files(), "--errors"]) == 0
    out = capsys.readouterr().out
    # one of two: 51 of 101 recall points
    assert "| APlc     |           50.495 |" in out
    assert "| cup    |       2 | 100.000 |" in out
    assert "| count too low    |        49.505 |" in out
    assert "bottle" not in out


def test_json_is_all_there_is_on_stdout(files, capsys):
    gt, dt = files()
    assert main(["evaluate", gt, dt, "--json", "--errors", "--max-dets", "1", "150"]) == 0
    report = json.loads(capsys.readouterr().out)
    expected = evaluate_detections(gt, dt).metrics
    # undefined: nothing is so large, or counts 1
    assert report["metrics"]["APlc-LS"] is None
    assert report["metrics"]["APlc"] == expected["APlc"]
    assert report["metrics"]["AR1"] == 50
    assert report["metrics"]["AP"] == pytest.approx(100)
    # one of two boxes: 51 of 101 recall points
    assert report["metrics"]["AP@1"] == pytest.approx(100 * 51 / 101)
    assert report["metrics"]["AR150"] == 100
    assert report["metrics_at"]["1"]["AR1"] == 50
    assert report["max_dets"] == 150
    assert report["grid"][0][0] == pytest.approx(100 * 51 / 101)
    assert report["per_category"][0]["boxes"] == 2
    assert report["errors"]["errors_at_50"]["count too low"] == 1
    assert report["counts"]["total"]["MAE"] == 7.5


def test_several_max_dets_have_a_column_each(files, capsys):
    assert main(["evaluate", *files(), "--max-dets", "150", "1"]) == 0
    out = capsys.readouterr().out
    assert "1 detections |   150 detections |" in out
    assert "| AR       |         50.000 |          100.000 |" in out


def test_number_of_products_per_image(files, capsys):
    # From 0.9 on one box of two, which holds 4 of 24 items.
    assert main(["evaluate", *files(), "--score", "0.9"]) == 0
    out = capsys.readouterr().out
    assert "| boxes       |  1.000 |  1.000 |  -1.000 |" in out
    assert "| items       | 20.000 | 20.000 | -20.000 |" in out
    assert main(["evaluate", *files(), "--score", "0.8", "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["image_counts"]
    assert counts["score"] == 0.8
    assert counts["boxes"]["MAE"] == 0
    assert counts["items"] == {"MAE": 15, "RMSE": 15, "bias": -15}


def test_output_files(files, tmp_path):
    folder = tmp_path / "new" / "folder"
    assert main(["evaluate", *files(), "--output", str(folder)]) == 0
    names = ["grid.png", "metrics.json", "per_category.csv", "precision_recall.png"]
    assert sorted(p.name for p in folder.iterdir()) == names
    for name in names[::3]:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    cup, bottle = csv.DictReader((folder / "per_category.csv").open())
    assert float(cup["APlc"]) == pytest.approx(100 * 51 / 101)
    assert bottle["boxes"] == "0"
    assert bottle["APlc"] == ""
    metrics = json.loads((folder / "metrics.json").read_text())["metrics"]
    assert metrics["AP"] == pytest.approx(100)


def test_compare(files, tmp_path, capsys):
    gt, dt = files()
    other = tmp_path / "other.json"
    other.write_text(json.dumps(DT[:1]))
    command = ["evaluate", gt, dt, "--compare", str(other), "--draws", "5"]
    assert main([*command, "--json", "--output", str(tmp_path / "out")]) == 0
    differences = json.loads(capsys.readouterr().out)["differences"]
    # With its second box missed too, other has 51 of 101 points of AP, as both have in APlc50.
    rows = {row["figure"]: row for row in differences["figures"]}
    half = pytest.approx(100 * 50 / 101)
    assert [rows["AP"][k] for k in ("difference", "low", "high")] == [half] * 3
    assert [rows["APlc50"][k] for k in ("difference", "low", "high")] == [0, 0, 0]
    assert differences["draws"] == 5
    table = list(csv.DictReader((tmp_path / "out" / "differences.csv").open()))
    assert [row["figure"] for row in table] == list(rows)
    assert float(table[0]["other"]) == pytest.approx(100 * 51 / 101)
    assert main(command) == 0
    assert "| AP | 100.000 | 50.495 | 49.505 |" in " ".join(capsys.readouterr().out.split())


def test_compare_refuses_detections_of_other_photos(files, tmp_path, capsys):
    other = tmp_path / "other.json"
    other.write_text(json.dumps([DT[0] | {"image_id": 5}]))
    assert main(["evaluate", *files(), "--compare", str(other)]) == 2
    assert f'{other}: detections[0]: "image_id" is 5' in capsys.readouterr().err.replace("\n", " ")


def test_suspects(files, tmp_path, capsys):
    # Of the box of 20 a detection says 5.
    assert main(["evaluate", *files(), "--suspects", "--output", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "1 suspect annotations (count: 1)" in out
    assert "annotated 20, detected 5" in out
    (row,) = csv.DictReader((tmp_path / "out" / "suspects.csv").open())
    assert (row["kind"], row["annotation"], row["score"]) == ("count", "1", "0.8")
    assert main(["evaluate", *files(), "--suspects", "--score", "0.85", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["suspects"] == []


def test_no_ground_truth_makes_files_all_the_same(files, tmp_path):
    paths = files(gt=GT | {"annotations": []})
    assert main(["evaluate", *paths, "--errors", "--output", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 4


def test_bad_input_has_status_2_and_writes_nothing(files, tmp_path, capsys):
    gt, dt = files(dt=[DT[0] | {"count": 0}, DT[1] | {"image_id": 5}])
    assert main(["evaluate", gt, dt, "--output", str(tmp_path / "out")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"{dt}: 2 problems" in captured.err
    assert 'detections[0]: "count" is 0' in captured.err
    assert 'detections[1]: "image_id" is 5' in captured.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["DT", "--self-test"],
        ["DT", "--max-dets", "0"],
        ["DT", "--draws", "5"],
        ["--self-test", "--suspects"],
    ],
)
def test_wrong_arguments_have_status_2(files, capsys, arguments):
    gt, dt = files()
    assert main(["evaluate", gt, *(dt if a == "DT" else a for a in arguments)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_output_that_is_a_file_is_an_error(files, tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert main(["evaluate", *files(), "--output", str(tmp_path / "out")]) == 2
    assert "out" in capsys.readouterr().err


def test_only_writing_is_said_to_have_failed_in_writing(files, monkeypatch, capsys):
    def broken(*_, **__):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("locount.evaluation.report.evaluate_files", broken)
    assert main(["evaluate", *files()]) == 2
    assert "write" not in capsys.readouterr().err


def test_self_test(files, capsys):
    crowd = {
        "image_id": 1,
        "category_id": 2,
        "bbox": [0, 0, 9, 9],
        "count": 1,
        "iscrowd": 1,
        "id": 3,
    }
    gt, _ = files(gt=GT | {"annotations": [*GT["annotations"], crowd]})
    assert main(["evaluate", gt, "--self-test"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "2 boxes as their own detections score 100 in all" in out


def test_self_test_names_what_spoils_it(files, capsys):
    # The second box repeats the first with count 3 for 2. The first detection, of count 2, takes
    # the later box up to AC 2/3; the second, AC 1 - 1/2 with the first box, finds none from 0.55
    # on.
    first = GT["annotations"][0] | {"count": 2}
    flat = first | {"id": 5, "bbox": [0, 0, 0, 10]}
    gt, _ = files(gt=GT | {"annotations": [first, first | {"id": 4, "count": 3}, flat]})
    assert main(["evaluate", gt, "--self-test"]) == 1
    out = capsys.readouterr().out
    assert "1 boxes have no area" in out
    assert "1 repeat another" in out
