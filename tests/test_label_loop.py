"""From photos to a better model: predicted, corrected in Label Studio, trained on."""

import json

import pytest
from detectron2.data import DatasetCatalog

from locount.class_names import Classes
from locount.cli import main
from locount.data import register_datasets
from locount.model_file import find_weights

pytestmark = pytest.mark.usefixtures("own_handlers")

OPTIONS = {
    "SOLVER.MAX_ITER": 1,
    "SOLVER.IMS_PER_BATCH": 1,
    "SOLVER.BASE_LR": 0.0001,
    "INPUT.MIN_SIZE_TRAIN": (240,),
    "DATALOADER.NUM_WORKERS": 0,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weights", "config"),
    [("shelf", "Shelf/clcnet_s2_cls10_shelf"), ("products", "Photos/products_lite0")],
)
def test_corrected_predictions_are_trained_on(weights, config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["make-shelf", "shop", "--images", "3", "--seed", "9"]) == 0
    photos = "shop/Locount_ImagesTrain"
    capsys.readouterr()
    assert main(["select", photos, "--number", "2", "-w", weights]) == 0
    chosen = capsys.readouterr().out.splitlines()
    assert main(["predict", *chosen, "-w", weights, "-o", "run", "--no-pictures"]) == 0
    lossy = ["--lossy", "category-list"]
    assert main(["convert", "predictions:run", "tasks", "--to", "label-studio", *lossy]) == 0

    # What annotators do: each count one more, and what Label Studio exports of it.
    tasks = json.loads((tmp_path / "tasks/photos.json").read_text())
    for task in tasks:
        (prediction,) = task["predictions"]
        numbers = [r["value"] for r in prediction["result"] if r["type"] == "number"]
        for number in numbers:
            number["number"] += 1
        task["annotations"] = [{"result": prediction["result"], "was_cancelled": False}]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    before = json.loads((tmp_path / "run/predictions.json").read_text())

    classes = Classes.of_checkpoint(find_weights(weights)).names
    (tmp_path / "classes.csv").write_text("from,to\n" + "".join(f"{c},{c}\n" for c in classes))
    # Detectron2's catalog and log keep what a name meant in other tests: whole paths differ.
    corrected = f"label-studio:{tmp_path}/export.json:{tmp_path}/tasks/photos?map=classes.csv"
    register_datasets([corrected])
    counts = [a["count"] for r in DatasetCatalog.get(corrected) for a in r["annotations"]]
    assert sorted(counts) == sorted(result["count"] + 1 for result in before)
    assert counts

    opts = [str(part) for option in OPTIONS.items() for part in option]
    start = [
        "train",
        "--from",
        weights,
        "-c",
        config,
        "--data",
        corrected,
        "-o",
        str(tmp_path / "trained"),
    ]
    assert main([*start, "--opts", *opts]) == 0
    assert Classes.of_checkpoint(str(tmp_path / "trained/model_final.pth")).names == classes
    # All of the model is carried on, the heads for the classes too.
    log = (tmp_path / "trained/log.txt").read_text()
    assert "Left out, or trained from their beginning" not in log
