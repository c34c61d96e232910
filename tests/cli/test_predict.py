import csv
import errno
import io
import json
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

from locount.cli import main
from locount.inference import run
from locount.model_file import DEFAULT, SHIPPED


@pytest.fixture
def predict(untrained, tmp_path):
    """`locount predict` into a folder, with the untrained model."""

    def predict(*arguments, output=tmp_path / "out"):
        model = ["--config-file", untrained / "config.yaml", "--weights", untrained / "model.pth"]
        return main(["predict", *map(str, [*arguments, *model, "--output", output])])

    return predict


@pytest.fixture
def shelf(photos):
    return photos / "Locount_ImagesTest"


def table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_pictures_tables_and_results_agree(predict, shelf, tmp_path, capsys):
    assert predict(shelf) == 0
    out = tmp_path / "out"
    pictures = sorted(path.name for path in (out / "pictures").iterdir())
    assert pictures == ["000001_0.jpg", "000002_1.jpg", "000003_2.jpg"]
    assert cv2.imread(str(out / "pictures" / pictures[0])).shape[1] == 64

    results = json.loads((out / "predictions.json").read_text())
    inventory, totals = table(out / "inventory.csv"), table(out / "totals.csv")
    instances = sum(result["count"] for result in results)
    assert instances == sum(int(row["instances"]) for row in inventory)
    assert instances == sum(int(row["instances"]) for row in totals)
    assert len(results) == sum(int(row["boxes"]) for row in inventory) > 0
    assert f"instances: {instances}" in capsys.readouterr().out


def test_results_load_in_pycocotools(predict, shelf, tmp_path):
    from pycocotools.coco import COCO

    predict(shelf, "--no-pictures")
    images = COCO(tmp_path / "out" / "images.json")
    results = images.loadRes(str(tmp_path / "out" / "predictions.json"))
    assert len(results.getAnnIds()) > 0
    assert not (tmp_path / "out" / "pictures").exists()


def test_json_lines_and_nothing_else_on_stdout(predict, shelf, capsys, monkeypatch):
    names = "".join(f"{path}\n" for path in sorted(shelf.iterdir()))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(names.encode())))
    assert predict("-", "--json", "--no-pictures") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "".join(f"{line['file_name']}\n" for line in lines) == names
    assert {"bbox", "category", "category_id", "count", "score"} <= lines[0]["detections"][0].keys()


def test_an_interrupted_run_goes_on(predict, shelf, tmp_path, capsys, monkeypatch):
    predict(shelf, output=tmp_path / "whole")

    def write(path, data, **options):
        if path.name.startswith("000002"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write_bytes(path, data, **options)

    write_bytes = run.write_bytes
    with monkeypatch.context() as patch:
        patch.setattr(run, "write_bytes", write)
        assert predict(shelf) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert len((tmp_path / "out" / "predictions.jsonl").read_text().splitlines()) == 1 + 1

    assert predict(shelf) == 0
    assert "2 new" in (out := capsys.readouterr().out)
    assert "1 from before" in out
    for name in ("predictions.json", "inventory.csv", "totals.csv", "images.json"):
        whole = (tmp_path / "whole" / name).read_bytes()
        assert (tmp_path / "out" / name).read_bytes() == whole


def test_a_run_with_another_threshold_needs_another_folder(predict, shelf, capsys):
    assert predict(shelf, "--score", "0.9") == 0
    assert predict(shelf, "--score", "0.8") == 2
    assert "score: 0.9 before, 0.8 now" in capsys.readouterr().err


def test_a_run_with_other_tiles_needs_another_folder(predict, shelf, capsys):
    assert predict(shelf) == 0
    assert predict(shelf, "--tiles", "2") == 2
    assert "tiles: no before, 2 along each side" in capsys.readouterr().err


def test_tiles_are_part_of_a_run(predict, shelf, tmp_path, capsys):
    assert predict(shelf, "--tiles", "40x40") == 0
    assert predict(shelf, "--tiles", "40x40") == 0
    assert "3 from before" in capsys.readouterr().out
    assert predict(shelf, "--tiles", "auto") == 2
    assert "tiles: 40x40 before" in capsys.readouterr().err
    assert predict(shelf, "--tiles", "many", output=tmp_path / "other") == 2
    assert "'many' does not name tiles" in capsys.readouterr().err


def test_the_threshold_holds(predict, shelf, tmp_path):
    predict(shelf, "--score", "0.5")
    scores = [r["score"] for r in json.loads((tmp_path / "out" / "predictions.json").read_text())]
    assert min(scores) >= 0.5


def test_a_bad_photo_does_not_stop_the_others(predict, shelf, tmp_path, capsys):
    bad = tmp_path / "broken.jpg"
    bad.write_bytes(b"no image")
    assert predict(bad, shelf) == 1
    assert "broken.jpg" in capsys.readouterr().err
    assert len(list((tmp_path / "out" / "pictures").iterdir())) == 3


def test_status_2_where_every_input_is_bad(predict, tmp_path, capsys):
    for name in ("a.jpg", "b.mp4"):
        (tmp_path / name).write_bytes(b"nothing")
    assert predict(tmp_path / "a.jpg", tmp_path / "b.mp4") == 2
    assert "not used, or only in part: 2" in capsys.readouterr().err


def test_photos_of_every_kind(predict, tmp_path):
    kinds = tmp_path / "kinds"
    kinds.mkdir()
    photo = Image.new("RGB", (60, 40), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    photo.save(kinds / "turned.jpg", exif=exif)
    for name, mode in (("grey.png", "L"), ("cmyk.jpg", "CMYK"), ("alpha.png", "RGBA")):
        photo.convert(mode).save(kinds / name)
    cv2.imwrite(str(kinds / "deep.png"), np.zeros((40, 60, 3), np.uint16))
    assert predict(kinds) == 0
    images = json.loads((tmp_path / "out" / "images.json").read_text())["images"]
    sizes = [(image["width"], image["height"], image.get("orientation")) for image in images]
    assert sizes == [(60, 40, None)] * 4 + [(40, 60, 6)]


def test_a_photo_is_all_it_takes(untrained, shelf, predict, tmp_path, monkeypatch, capsys):
    config = ["--config-file", str(untrained / "config.yaml")]
    weights = str(untrained / "model.pth")
    assert main(["slim", weights, str(tmp_path / "slim.pth"), *config]) == 0
    monkeypatch.setattr("locount.model_file.FOLDER", tmp_path)
    monkeypatch.setitem(SHIPPED, DEFAULT, "slim.pth")
    monkeypatch.chdir(tmp_path)
    photo = str(shelf / "0.jpg")
    capsys.readouterr()
    assert main(["predict", photo]) == 0
    assert "model: slim.pth" in capsys.readouterr().out
    # The same with its name, and with a config beside it.
    assert main(["predict", photo, "--weights", "slim.pth", "--output", "named"]) == 0
    assert main(["predict", photo, "--weights", "slim.pth", "--output", "pair", *config]) == 0
    # And as the folder of a training.
    (tmp_path / "run").mkdir()
    shutil.copy(untrained / "config.yaml", tmp_path / "run/config.yaml")
    shutil.copy(tmp_path / "slim.pth", tmp_path / "run/model_final.pth")
    assert main(["predict", photo, "--run", "run", "-o", "of_run"]) == 0
    expected = (tmp_path / "output/predict/predictions.json").read_bytes()
    assert len(json.loads(expected)) > 0
    for folder in ("named", "pair", "of_run"):
        assert (tmp_path / folder / "predictions.json").read_bytes() == expected


def test_options_of_the_config_come_last(predict, shelf, tmp_path):
    assert predict(shelf, "--opts", "TEST.DETECTIONS_PER_IMAGE", "1") == 0
    assert len(json.loads((tmp_path / "out/predictions.json").read_text())) == 3  # of three photos


def test_weights_without_config_ask_for_one(untrained, shelf, capsys):
    assert main(["predict", str(shelf), "--weights", str(untrained / "model.pth")]) == 2
    assert "--config-file" in capsys.readouterr().err


def test_usage_errors_say_what_to_do(predict, shelf, tmp_path, capsys):
    (tmp_path / "file").touch()
    (tmp_path / "photos.zip").touch()
    for arguments, output, cure in (
        (["none.jpg"], "out", "none.jpg: no such file"),
        (["https://shop/a.jpg"], "out", "is an address: download"),
        ([tmp_path / "photos.zip"], "out", "is an archive: unpack it"),
        ([shelf, "--score", "50"], "out", "from 0 to 1"),
        ([shelf, "--every", "0"], "out", "1 or more"),
        ([shelf], "file", "name another place with --output"),
    ):
        assert predict(*arguments, output=tmp_path / output) == 2
        assert cure in capsys.readouterr().err
