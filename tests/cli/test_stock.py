"""The commands about shelves: rows, planogram, diff, stock."""

import csv
import io
import json
import os
import shutil

import pytest
from PIL import Image

from locount.cli import main
from locount.cli.options import open_predictor

SIZE = (200, 120)


@pytest.fixture
def shelf(tmp_path):
    """Writes a photo of one board and gives its dataset name: c is a cup, b a box, a digit a group
    of so many cups, and a space is free."""

    def make(name, goods):
        root = tmp_path / name
        lines = []
        for i, good in enumerate(goods):
            if good != " ":
                category = "box" if good == "b" else "cup"
                count = int(good) if good.isdigit() else 1
                lines.append(f"{20 * i},50,{20 * i + 18},100,{category},{count}\n")
        for folder in ("Locount_ImagesTest", "Locount_GtTxtsTest"):
            (root / folder).mkdir(parents=True)
        Image.new("RGB", SIZE).save(root / "Locount_ImagesTest" / "1.jpg")
        (root / "Locount_GtTxtsTest" / "1.txt").write_text("".join(lines))
        (root / "categories.txt").write_text("box\ncup\n")
        return f"locount:{root}:test"

    return make


@pytest.fixture
def results(tmp_path):
    """A folder of `locount predict` with two cups, of 3 and 1 items, scores 0.9 and 0.4."""
    folder = tmp_path / "results"
    folder.mkdir()
    photo = tmp_path / "photo.jpg"
    Image.new("RGB", SIZE).save(photo)
    images = {
        "images": [{"id": 1, "file_name": str(photo), "height": SIZE[1], "width": SIZE[0]}],
        "categories": [{"id": 5, "name": "cup"}],
    }
    found = [
        {"image_id": 1, "category_id": 5, "bbox": [x, 50, 18, 50], "score": score, "count": count}
        for x, score, count in ((20, 0.9, 3), (100, 0.4, 1))
    ]
    (folder / "images.json").write_text(json.dumps(images))
    (folder / "predictions.json").write_text(json.dumps(found))
    return folder


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_rows_of_a_dataset(shelf, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["rows", shelf("a", "cc  b"), "--output", str(out)]) == 0
    boxes = [(r["position"], r["category"], r["facings"]) for r in read(out / "boxes.csv")]
    assert boxes == [("1", "cup", "1"), ("2", "cup", "1"), ("3", "box", "1")]
    assert [r["linear_share"] for r in read(out / "shares.csv")] == ["0.6667", "0.3333"]
    (gap,) = read(out / "gaps.csv")
    assert (gap["after"], gap["x1"], gap["x2"]) == ("2", "38.0", "80.0")
    assert Image.open(out / "pictures" / "000001_1.jpg").size == SIZE
    summary = json.loads((out / "rows.json").read_text())["photos"][0]
    assert (summary["rows"], summary["items"], summary["gaps"], summary["note"]) == (1, 3, 1, "")
    page = (out / "shelf.html").read_text()
    assert 'src="pictures/000001_1.jpg"' in page
    assert "<td>66.7 %</td>" in page
    assert "results: " in capsys.readouterr().out


@pytest.mark.parametrize(("score", "facings"), [("0.5", ["3"]), ("0.1", ["3", "1"])])
def test_rows_of_results(score, facings, results, tmp_path):
    out = tmp_path / "out"
    assert main(["rows", str(results), "--score", score, "--output", str(out)]) == 0
    assert [r["facings"] for r in read(out / "boxes.csv")] == facings


def test_a_score_below_that_of_the_results_is_refused(results, tmp_path, capsys):
    (results / "predictions.jsonl").write_text('{"config":"1","score":"0.3"}\n')
    arguments = ["rows", str(results), "--output", str(tmp_path / "out"), "--score"]
    assert main([*arguments, "0.2"]) == 2
    assert "has no boxes below 0.3" in capsys.readouterr().err
    assert main([*arguments, "0.3"]) == 0


@pytest.mark.parametrize("options", [["--weights", "shelf"], ["--tiles", "3"], ["--every", "2"]])
@pytest.mark.parametrize("command", ["rows", "diff"])
def test_options_of_prediction_are_refused_where_nothing_is_predicted(
    command, options, results, tmp_path, capsys
):
    inputs = [str(results)] * (2 if command == "diff" else 1)
    assert main([command, *inputs, *options, "--output", str(tmp_path / "out")]) == 2
    assert f"{options[0]}: only for photos" in capsys.readouterr().err


def test_pictures_of_an_earlier_run_are_removed(shelf, results, tmp_path):
    out = tmp_path / "out"
    assert main(["rows", shelf("a", "cc"), "--output", str(out)]) == 0
    (out / "pictures" / "mine.jpg").touch()
    assert main(["rows", str(results), "--output", str(out)]) == 0
    pictures = sorted(path.name for path in (out / "pictures").iterdir())
    assert pictures == ["000001_photo.jpg", "mine.jpg"]


def test_pictures_of_a_prediction_are_not_replaced(results, capsys):
    (results / "predictions.jsonl").write_text("{}\n")
    assert main(["rows", str(results), "--output", str(results)]) == 2
    assert "name another one" in capsys.readouterr().err
    assert not (results / "pictures").exists()


def test_piled_items_are_one_facing(shelf, tmp_path):
    out = tmp_path / "out"
    assert main(["rows", shelf("a", "7c"), "--piled", "--no-pictures", "--output", str(out)]) == 0
    assert [r["facings"] for r in read(out / "boxes.csv")] == ["1", "1"]
    assert not (out / "pictures").exists()


@pytest.fixture
def model(untrained):
    """The options of a model that was never trained."""
    config, weights = untrained / "config.yaml", untrained / "model.pth"
    return ["--config-file", str(config), "--weights", str(weights)]


def test_a_photo_is_predicted(photos, model, tmp_path):
    photo = str(photos / "Locount_ImagesTest" / "0.jpg")
    out = tmp_path / "out"
    assert main(["rows", photo, *model, "--output", str(out)]) == 0
    assert read(out / "boxes.csv")
    assert Image.open(out / "pictures" / "000001_0.jpg").size == (64, 64)

    # A score below that of the config brings boxes back.
    rows = {}
    for score in ("0.9", "0.0"):
        opts = ["--opts", "PREDICT.SCORE", "0.9", "--score", score, "--output", str(out)]
        assert main(["rows", photo, *model, *opts]) == 0
        rows[score] = len(read(out / "boxes.csv"))
    assert rows["0.9"] < rows["0.0"]


@pytest.fixture
def damaged(tmp_path):
    """A photo, a video and one of a format that can't be read."""
    folder = tmp_path / "damaged"
    folder.mkdir()
    for name in ("a.jpg", "b.mp4", "c.heic"):
        (folder / name).write_bytes(b"nothing")
    return folder


def test_what_cannot_be_used_does_not_stop_the_others(
    damaged, photos, model, tmp_path, capsys, monkeypatch
):
    minimums = tmp_path / "minimums.csv"
    minimums.write_text("category,minimum\ncup,0\n")
    monkeypatch.chdir(tmp_path)
    photo = str(photos / "Locount_ImagesTest" / "0.jpg")
    for command in (["rows"], ["planogram", "make"], ["stock", str(minimums)]):
        assert main([*command, str(damaged), photo, *model]) == 1
        said = capsys.readouterr().err
        assert "not used, or only in part: 3" in said
        for problem in ("a.jpg: can't be read", "b.mp4: has no frame", "c.heic: is in a format"):
            assert problem in said
    assert {row["photo"] for row in read("output/rows/boxes.csv")} == {photo}


@pytest.mark.parametrize("command", [["rows"], ["planogram", "make"], ["diff", "BEFORE"]])
def test_nothing_is_written_where_nothing_can_be_used(
    command, damaged, shelf, model, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    command = [shelf("before", "c") if word == "BEFORE" else word for word in command]
    assert main([*command, str(damaged), *model]) == 2
    assert "a.jpg: can't be read" in capsys.readouterr().err
    assert not (tmp_path / "plan.csv").exists()
    assert not list(tmp_path.glob("output/*/*"))


def test_paths_come_from_stdin(photos, model, tmp_path, monkeypatch):
    path = photos / "Locount_ImagesTest" / "0.jpg"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{path}\n{path}\n".encode())))
    out = tmp_path / "out"
    assert main(["rows", "-", *model, "--no-pictures", "--output", str(out)]) == 0
    assert [p["photo"] for p in json.loads((out / "rows.json").read_text())["photos"]] == [
        str(path)
    ]


def test_names_that_cannot_be_printed(photos, model, tmp_path, capsys):
    name = os.fsdecode(b"caf\xe9\n1.jpg")
    shutil.copy(photos / "Locount_ImagesTest" / "0.jpg", tmp_path / name)
    out = tmp_path / "out"
    assert main(["rows", str(tmp_path / name), *model, "--output", str(out)]) == 0
    assert r"caf\xe9\x0a1.jpg" in capsys.readouterr().out
    assert (out / "pictures" / r"000001_caf\xe9\x0a1.jpg").is_file()
    assert read(out / "rows.csv")[0]["photo"].endswith(r"caf\xe9\x0a1.jpg")


def test_tables_need_no_photo(results, tmp_path, capsys):
    (tmp_path / "photo.jpg").unlink()
    out = tmp_path / "out"
    assert main(["rows", str(results), "--output", str(out)]) == 1
    assert "photo.jpg: can't be read" in capsys.readouterr().err
    assert len(read(out / "boxes.csv")) == 2


def test_a_plan_is_not_overwritten(shelf, tmp_path, capsys):
    plan = tmp_path / "plan.csv"
    make = ["planogram", "make", shelf("planned", "ccbb"), "--output", str(plan)]
    assert main(make) == 0
    assert main(make) == 0  # the same again
    plan.write_text(plan.read_text().replace("2,0", "2,1"))
    before = plan.read_text()
    assert main(make) == 2
    assert "name another file with --output" in capsys.readouterr().err
    assert plan.read_text() == before


def test_intervals_of_a_prediction_are_kept(photos, calibrated, tmp_path):
    photo = str(photos / "Locount_ImagesTest" / "0.jpg")
    model, found = ["--weights", str(calibrated)], tmp_path / "found"
    assert main(["predict", photo, *model, "--no-pictures", "--output", str(found)]) == 0
    (totals,) = read(found / "photos.csv")
    for inputs in ([str(found)], [photo, *model]):
        out = tmp_path / "out"
        assert main(["rows", *inputs, "--no-pictures", "--output", str(out)]) == 0
        facts = json.loads((out / "rows.json").read_text())["photos"][0]
        for key in ("", "_low", "_high"):
            assert facts[f"items{key}"] == int(totals[f"instances{key}"])


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_plan_is_made_and_checked(suffix, shelf, tmp_path, capsys):
    plan, out = tmp_path / f"plan.{suffix}", tmp_path / "out"
    planned = shelf("planned", "ccbb")
    assert main(["planogram", "make", planned, "--output", str(plan)]) == 0
    assert "2 positions in 1 row," in capsys.readouterr().out
    assert main(["planogram", "check", str(plan), planned, "--output", str(out)]) == 0
    assert main(["planogram", "check", str(plan), shelf("now", "ccb"), "--output", str(out)]) == 1
    rows = read(out / "positions.csv")
    assert [(r["status"], r["category"], r["planned"], r["found"]) for r in rows] == [
        ("right", "cup", "2", "2"),
        ("wrong number", "box", "2", "1"),
    ]
    assert json.loads((out / "positions.json").read_text())["photos"][0]["share right"] == 0.5
    assert (out / "pictures" / "000001_1.jpg").is_file()


def test_a_tolerance_goes_into_the_plan(shelf, tmp_path):
    plan, out = tmp_path / "plan.csv", str(tmp_path / "out")
    shown = shelf("planned", "ccbb")
    assert main(["planogram", "make", shown, "--output", str(plan), "--tolerance", "1"]) == 0
    assert [r["tolerance"] for r in read(plan)] == ["1", "1"]
    assert main(["planogram", "check", str(plan), shelf("now", "ccb"), "--output", out]) == 0


def test_before_and_after(shelf, tmp_path, capsys):
    before, after, out = shelf("before", "ccb"), shelf("after", "cc"), str(tmp_path / "out")
    assert main(["diff", before, before, "--output", out]) == 0
    assert main(["diff", before, after, "--output", out]) == 1
    assert "missing" in capsys.readouterr().out


def test_both_photos_share_a_model(photos, model, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(
        "locount.cli.diff.open_predictor", lambda args: opened.append(1) or open_predictor(args)
    )
    photo = str(photos / "Locount_ImagesTest" / "0.jpg")
    options = [*model, "--no-pictures", "--output", str(tmp_path / "out")]
    assert main(["diff", photo, photo, *options]) == 0
    assert len(opened) == 1


def test_what_is_short(shelf, results, tmp_path, capsys):
    minimums, out = tmp_path / "minimums.csv", tmp_path / "out.csv"
    minimums.write_text("category,minimum\ncup,4\n")
    arguments = ["stock", str(minimums), str(results), "--output", str(out)]
    assert main(arguments) == 0
    assert main([*arguments, "--score", "0.5"]) == 1
    assert "short: 1, maybe: 0 of 1 categories" in capsys.readouterr().out
    (row,) = read(out)
    assert (row["category"], row["least"], row["short"]) == ("cup", "3", "yes")
    # A second photo shows enough.
    arguments[3:3] = [shelf("full", "9"), "--score", "0.5"]
    assert main(arguments) == 0
    assert main([*arguments, "--confirm", "1"]) == 1


@pytest.fixture
def with_intervals(results):
    """``results``, whose 4 cups are from 2 to 7 at 0.9."""
    images = json.loads((results / "images.json").read_text())
    total = {"count": 4, "low": 2, "high": 7}
    images["images"][0]["totals"] = {"level": 0.9, "photo": total, "categories": {"5": total}}
    (results / "images.json").write_text(json.dumps(images))
    return results


@pytest.mark.parametrize(
    ("minimum", "short", "status", "sure"),
    [(8, "yes", 1, 1), (7, "maybe", 1, 0), (3, "maybe", 1, 0), (2, "no", 0, 0)],
)
def test_an_interval_leaves_open_whether_something_is_short(
    minimum, short, status, sure, with_intervals, tmp_path
):
    minimums, out = tmp_path / "minimums.csv", tmp_path / "out.csv"
    minimums.write_text(f"category,minimum\ncup,{minimum}\n")
    arguments = ["stock", str(minimums), str(with_intervals), "--output", str(out)]
    assert main(arguments) == status
    assert main([*arguments, "--sure"]) == sure
    (row,) = read(out)
    assert (row["median"], row["low"], row["high"], row["short"]) == ("4", "2", "7", short)


def test_totals_are_shown_with_their_intervals(with_intervals, tmp_path, capsys):
    out = tmp_path / "out"
    arguments = ["rows", str(with_intervals), "--no-pictures", "--output", str(out)]
    assert main([*arguments, "--level", "0.9"]) == 0
    assert "4 (2–7)" in capsys.readouterr().out
    assert "<dd>4 (2–7)</dd>" in (out / "shelf.html").read_text()
    photo = json.loads((out / "rows.json").read_text())["photos"][0]
    assert (photo["items"], photo["items_low"], photo["items_high"]) == (4, 2, 7)
    assert [(r["items_low"], r["items_high"]) for r in read(out / "shares.csv")] == [("2", "7")]
    # The intervals are not about part of the boxes.
    assert main([*arguments, "--score", "0.5"]) == 0
    assert json.loads((out / "rows.json").read_text())["photos"][0]["items_low"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--level", "0.8"], "intervals in RESULTS are of level 0.9"),
        (["--level", "0.9", "--score", "0.5"], "leave out --score or --level"),
    ],
)
def test_levels_that_results_do_not_have(options, message, with_intervals, tmp_path, capsys):
    assert main(["rows", str(with_intervals), *options, "--output", str(tmp_path / "out")]) == 2
    assert message.replace("RESULTS", str(with_intervals)) in capsys.readouterr().err


def test_damaged_totals_are_named(with_intervals, tmp_path, capsys):
    path = with_intervals / "images.json"
    path.write_text(path.read_text().replace('"low": 2', '"low": "two"'))
    assert main(["rows", str(with_intervals), "--output", str(tmp_path / "out")]) == 2
    assert f"{path}: totals of a photo are damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["stock", "MINIMUMS", "SHELF", "--confirm", "2"], "--confirm is 2; there are only 1"),
        (["stock", "MINIMUMS", "SHELF", "--score", "2"], "2 is not a number from 0 to 1"),
        (["stock", "MINIMUMS", "SHELF", "--every", "0"], "0 is not a whole number"),
        (["stock", "PLAN", "SHELF"], "the column 'minimum' is missing"),
        (["planogram", "make", "SHELF", "--tolerance", "-1"], "--tolerance is -1"),
        (["planogram", "make", "SHELF", "--output", "plan.txt"], "neither .csv nor .json"),
        (["planogram", "check", "PLAN", "SHELF"], "line 2: category 'mug' is unknown"),
        (["rows", "SHELF", "--level", "0.9"], "the boxes of a dataset are the truth"),
        (["rows", "nowhere.jpg"], "no such file or folder"),
    ],
)  # fmt: skip
def test_bad_input_has_status_2(arguments, message, shelf, tmp_path, capsys):
    (tmp_path / "minimums.csv").write_text("category,minimum\ncup,4\n")
    (tmp_path / "plan.csv").write_text("row,position,category,facings\n1,1,mug,1\n")
    names = {
        "SHELF": shelf("a", "cc"),
        "MINIMUMS": str(tmp_path / "minimums.csv"),
        "PLAN": str(tmp_path / "plan.csv"),
    }
    assert main([names.get(word, word) for word in arguments]) == 2
    assert message in capsys.readouterr().err
