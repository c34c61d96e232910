import csv
import json

import pytest

from locount.calibration import Calibration
from locount.cli import main
from locount.model_file import stored_config


@pytest.fixture
def files(tmp_path):
    """Of 20 photos with a cup: that of every other one is said to be one too few, at 0.8; and
    something at 0.1 that is not there."""

    def write(photos=20, ids=(1, 2), name="a"):
        found = [
            {"image_id": i, "category_id": ids[0], "bbox": [y, y, 9, 9], "score": s, "count": n}
            for i in range(photos)
            for y, s, n in ((0, 0.8, 3 - i % 2), (40, 0.1, 5))
        ]
        gt = {
            "images": [{"id": i} for i in range(photos)],
            "categories": [{"id": i, "name": str(i)} for i in ids],
            "annotations": [
                {"image_id": i, "category_id": ids[0], "bbox": [0, 0, 9, 9], "count": 3}
                for i in range(photos)
            ],
        }
        paths = tmp_path / f"{name}_gt.json", tmp_path / f"{name}_dt.json"
        for path, data in zip(paths, (gt, found), strict=True):
            path.write_text(json.dumps(data))
        return [*map(str, paths)]

    return write


@pytest.fixture
def predict(calibrated, photos, tmp_path):
    def predict(*arguments):
        shelf, out = str(photos / "Locount_ImagesTest"), str(tmp_path / "out")
        model = ["--weights", str(calibrated), "--output", out]
        return main(["predict", shelf, *model, *map(str, arguments)])

    return predict


def table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_model_file_with_its_calibration(files, calibrated, tmp_path, capsys):
    output = tmp_path / "new.pth"
    arguments = ["calibrate", *files(), "--weights", str(calibrated), "--output", str(output)]
    assert main([*arguments, "--max-overlap", "0.7"]) == 0
    assert "PREDICT.SCORE 0.8 PREDICT.MAX_OVERLAP 0.7" in capsys.readouterr().out
    predict = stored_config(str(output)).PREDICT
    assert (predict.SCORE, predict.MAX_OVERLAP) == (0.8, 0.7)
    calibration = Calibration.of_model_file(str(output))
    assert calibration.total_interval(2, 0.9) == (1, 3)


def test_what_is_covered_on_other_photos(files, calibrated, capsys):
    weights = ["--weights", str(calibrated)]
    assert main(["calibrate", *files(), *weights, "--test", *files(10, name="b")]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    # 3 and 2 were found in turn, 2 wide: all hold 3.
    assert ["photo's total", "0.900", "10", "2.500", "2.000", "1.000"] in rows


def test_what_can_not_be_used_has_status_2(files, calibrated, capsys):
    weights = ["--weights", str(calibrated)]
    for arguments, message in (
        ([], "give either files, GT and DT, or --dataset"),
        ([*files(), "--dataset", "shelf:1:1"], "give either files"),
        (files()[:1], "give pairs of files, GT and DT; there are 1"),
        ([*files(), "--max-overlap", "0"], "--max-overlap: 0 is not a share; it must be above 0"),
        (files(photos=17), "give 18 photos or more"),
    ):
        assert main(["calibrate", *arguments, *weights]) == 2
        assert message in capsys.readouterr().err


def test_files_of_another_models_categories_are_an_error(files, capsys):
    assert main(["calibrate", *files(ids=(8, 9)), "--weights", "products"]) == 2
    assert "ids of categories (only the first has 8, 9; only" in capsys.readouterr().err


def test_datasets_are_predicted(photos, calibrated, capsys):
    names = ["--dataset", f"locount:{photos}:train", f"locount:{photos}:test"]
    assert main(["calibrate", *names, "--weights", str(calibrated)]) == 2
    assert "6 photos are too few to calibrate" in capsys.readouterr().err


def test_intervals_are_in_the_json_the_tables_and_what_is_printed(predict, tmp_path, capsys):
    assert predict() == 0
    printed = capsys.readouterr().out
    lines = (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines[1:]]
    photos = {row["photo"]: row for row in table(tmp_path / "out" / "photos.csv")}
    inventory = table(tmp_path / "out" / "inventory.csv")
    assert len(entries) == len(photos) == 3
    for entry in entries:
        total = sum(d["count"] for d in entry["detections"])
        low, high = max(0, total - 4), total + 4
        assert entry["totals"]["level"] == 0.9
        assert entry["totals"]["photo"] == {"count": total, "low": low, "high": high}
        row = photos[entry["file_name"]]
        assert [row[k] for k in ("instances", "instances_low", "instances_high")] == [
            *map(str, (total, low, high))
        ]
        assert f"{entry['file_name']}: {total} ({low}–{high})" in printed
        for d in entry["detections"]:
            assert (d["count_low"], d["count_high"]) == (max(1, d["count"] - 1), d["count"] + 1)
            assert d["probability"] == (0.25 if d["score"] < 0.5 else 0.75)
    for row in inventory:
        number = int(row["instances"])
        assert int(row["instances_low"]) == max(0, number - 2)
        assert int(row["instances_high"]) == number + 2


def test_another_score_has_no_intervals_and_says_so(predict, tmp_path, capsys):
    assert predict("--score", 0.9, "--no-pictures") == 0
    assert "calibrated for score 0.05 and MAX_OVERLAP 1, not for 0.9" in capsys.readouterr().err
    assert "totals" not in (tmp_path / "out" / "predictions.jsonl").read_text()
    assert not (tmp_path / "out" / "photos.csv").exists()
    assert predict("--score", 0.9, "--level", 0.8) == 2
    assert "--level is 0.8, but the weights are calibrated" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("level", "message"), [(0.95, "takes 19 photos"), (90, "must be between 0 and 1")]
)
def test_a_level_that_there_is_not_has_status_2(predict, capsys, level, message):
    assert predict("--level", level) == 2
    assert message in capsys.readouterr().err


def test_weights_without_calibration_have_no_level(photos, untrained, tmp_path, capsys):
    model = ["--weights", untrained / "model.pth", "--config-file", untrained / "config.yaml"]
    arguments = [photos / "Locount_ImagesTest", *model, "--output", tmp_path, "--level", "0.9"]
    assert main(["predict", *map(str, arguments)]) == 2
    assert "hold no calibration" in capsys.readouterr().err


def test_a_calibration_is_of_its_own_config(predict, untrained, calibrated, tmp_path, caplog):
    config = (untrained / "config.yaml").read_text()
    for change, known in (("", True), ("INPUT: {MIN_SIZE_TEST: 80}", False)):
        path = tmp_path / "config.yaml"
        path.write_text(f"_BASE_: base.yaml\n{change}\n")
        (tmp_path / "base.yaml").write_text(config)
        assert predict("--config-file", path, "--no-pictures") == 0
        assert ("calibrated for the config in it" not in caplog.text) == known
        (tmp_path / "out" / "predictions.jsonl").unlink()


def test_slim_files_keep_it_with_their_config(calibrated, untrained, tmp_path):
    out = str(tmp_path / "out.pth")
    assert main(["slim", str(calibrated), out]) == 0
    assert Calibration.of_model_file(out) == Calibration.of_model_file(str(calibrated))
    config = ["--config-file", str(untrained / "config.yaml")]
    assert main(["slim", str(calibrated), out, *config]) == 0
    assert Calibration.of_model_file(out) is None
