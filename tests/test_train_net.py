"""Training end to end, on six drawn photos and a network that is too small to be good."""

import argparse
import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from detectron2.data import MetadataCatalog
from detectron2.engine import DefaultPredictor

from locount.class_names import Classes
from locount.cli import main, train
from locount.config import load_config
from locount.errors import InputError
from locount.inference import Predictor
from locount.training import program

pytestmark = pytest.mark.usefixtures("own_handlers")

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs/Shelf/clcnet_s2_cls10_small.yaml"

# Small and short: 64-pixel images, two a step, the learning rate falling at iteration 5.
TINY = {
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": 20,
    "MODEL.RPN.POST_NMS_TOPK_TEST": 20,
    "MODEL.ROI_HEADS.SCORE_THRESH_TEST": 0.0,
    "INPUT.MIN_SIZE_TRAIN": (64,),
    "INPUT.MIN_SIZE_TEST": 64,
    "SOLVER.IMS_PER_BATCH": 2,
    "SOLVER.WARMUP_ITERS": 0,
    "SOLVER.STEPS": (5,),
    "SOLVER.MAX_ITER": 4,
    "SOLVER.CHECKPOINT_PERIOD": 2,
    "DATALOADER.NUM_WORKERS": 0,
    "TEST.EVAL_PERIOD": 0,
}


@pytest.fixture
def words(photos, tmp_path):
    """The command line of arguments and options; the output is in ``tmp_path``."""

    def words(*words, **changes):
        options = {
            **TINY,
            "DATASETS.TRAIN": (f"locount:{photos}:train",),
            "DATASETS.TEST": (f"locount:{photos}:test",),
            "OUTPUT_DIR": str(tmp_path / "output"),
            **{key.replace("__", "."): value for key, value in changes.items()},
        }
        keys_and_values = [str(word) for option in options.items() for word in option]
        return ["--config-file", str(CONFIG), *words, *keys_and_values]

    return words


@pytest.fixture
def task(words):
    """The same, parsed."""

    def task(*arguments, **changes):
        parser = argparse.ArgumentParser()
        train.add_arguments(parser)
        return train.task(parser.parse_args(words(*arguments, **changes)))

    return task


@pytest.fixture
def run(task):
    """Train or evaluate with arguments and options."""

    def run(*arguments, **changes):
        return program.main(task(*arguments, **changes))

    return run


def logged_with(key, output):
    """The last entry of the log that has ``key``: training and evaluation write their own."""
    entries = map(json.loads, (output / "metrics.json").read_text().splitlines())
    return [entry for entry in entries if key in entry][-1]


def test_train_evaluate_and_predict(run, photos, tmp_path, capsys):
    output = tmp_path / "output"
    run(TEST__EVAL_PERIOD=4)
    logged = logged_with("total_loss", output)
    assert np.isfinite(logged["total_loss"])
    # What only a log is for is not printed.
    log, printed = (output / "log.txt").read_text(), capsys.readouterr().out
    for dump in ("Running with full config", "Model:\nGeneralizedRCNN("):
        assert dump in log
        assert dump not in printed
    assert "\x1b" not in log
    assert "Starting training" in printed
    assert {"loss_count_stage0", "loss_count_stage1", "stage1/count/ac"} <= logged.keys()

    weights = str(output / "model_final.pth")
    evaluated = run("--eval-only", MODEL__WEIGHTS=weights)
    assert {"AP", "APlc"} <= evaluated["bbox"].keys()
    logged = logged_with("bbox/AP", output)
    for name, value in evaluated["bbox"].items():
        np.testing.assert_equal(logged[f"bbox/{name}"], value)
    (results,) = output.glob("inference/*/locount_instances_results.json")
    assert all(detection["count"] >= 1 for detection in json.loads(results.read_text()))

    photo = np.full((50, 90, 3), 128, np.uint8)
    alone = Predictor(weights)(photo).everything
    for model in ((output / "config.yaml", weights), (output,)):
        np.testing.assert_array_equal(alone.boxes, Predictor(*model)(photo).everything.boxes)
    assert Classes.of_checkpoint(weights).names == ("box", "cup")
    cfg = load_config(str(output / "config.yaml"), ["MODEL.WEIGHTS", weights])
    detections = DefaultPredictor(cfg)(photo)["instances"]
    assert detections.image_size == (50, 90)
    assert len(detections) == len(detections.pred_counts) == len(detections.count_scores) > 0
    assert MetadataCatalog.get(cfg.DATASETS.TEST[0]).thing_classes == ["box", "cup"]


def test_resume_goes_on_with_iteration_and_learning_rate(run, tmp_path):
    output = tmp_path / "output"
    run(SOLVER__MAX_ITER=4)
    logged = logged_with("lr", output)
    assert (logged["iteration"], logged["lr"]) == (3, pytest.approx(0.02))
    # It falls to a tenth at iteration 5, for a scheduler that counts on and does not start anew.
    run("--resume", SOLVER__MAX_ITER=6)
    logged = logged_with("lr", output)
    assert (logged["iteration"], logged["lr"]) == (5, pytest.approx(0.002))


def test_mixed_precision_and_augmented_evaluation(run, tmp_path):
    output = tmp_path / "output"
    aug = {"TEST__AUG__ENABLED": True, "TEST__AUG__MIN_SIZES": (48, 64)}
    run(SOLVER__AMP__ENABLED=True, SOLVER__MAX_ITER=2, **aug)
    after_training = logged_with("bbox_TTA/APlc", output)

    evaluated = run("--eval-only", MODEL__WEIGHTS=str(output / "model_final.pth"), **aug)
    assert evaluated.keys() == {"bbox", "count", "bbox_TTA", "count_TTA"}
    np.testing.assert_equal(evaluated["bbox_TTA"]["APlc"], after_training["bbox_TTA/APlc"])
    (results,) = output.glob("inference_TTA/*/locount_instances_results.json")
    assert all(detection["count"] >= 1 for detection in json.loads(results.read_text()))

    run("--resume", SOLVER__AMP__ENABLED=True, SOLVER__MAX_ITER=4)
    assert logged_with("total_loss", output)["iteration"] == 3


def test_weights_of_another_config_stop_evaluation_and_resuming_but_not_training(run, tmp_path):
    run(SOLVER__MAX_ITER=1)
    weights = str(tmp_path / "output/model_final.pth")
    with pytest.raises(InputError, match=r"count_pred.*\n(.*\n)*.*MODEL\.COUNT_HEAD"):
        run("--eval-only", MODEL__WEIGHTS=weights, MODEL__COUNT_HEAD__BASE=2)
    with pytest.raises(InputError, match=r"count_pred"):
        run("--resume", SOLVER__MAX_ITER=2, MODEL__COUNT_HEAD__BASE=2)
    run("--from", weights, SOLVER__MAX_ITER=1, MODEL__COUNT_HEAD__BASE=2)
    log = (tmp_path / "output/log.txt").read_text()
    assert re.search(r"count_pred\.weight: \(10, \S+ in the checkpoint, \(8, \S+ in the model", log)


def test_a_training_that_diverges_ends_with_one_line(words, tmp_path, capfd):
    breaks = words(SOLVER__BASE_LR=1e30, SOLVER__CLIP_GRADIENTS__ENABLED=False)
    assert main(["train", *breaks]) == 1
    out, error = capfd.readouterr()
    message = error.splitlines()[-1]
    assert re.match(r"locount train: Training broke at iteration [0-3]: .*\.jpg", message)
    assert "Traceback" not in (tmp_path / "output/log.txt").read_text()
    assert "Traceback" not in out + error


def test_the_script_is_the_command(words, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train_net.py", *words(MODEL__COUNT_HEAD__MAX_COUNT=9)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "train_net.py"), run_name="__main__")
    assert end.value.code == 2
    assert "locount train: " in capsys.readouterr().err


def test_from_any_folder_a_name_and_data_are_enough(photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sets = [f"locount:{photos}:train", f"locount:{photos}:test"]
    tiny = [str(word) for option in TINY.items() for word in option]
    name = "Shelf/clcnet_s2_cls10_small"
    command = ["train", "-c", name, "--data", sets[0], "-o", "shop", "--opts", *tiny]
    assert main([*command, "SOLVER.MAX_ITER", "1"]) == 0
    saved = load_config("shop/config.yaml")
    assert ((sets[0],), ()) == (saved.DATASETS.TRAIN, saved.DATASETS.TEST)
    assert saved.MODEL.ROI_HEADS.NUM_CLASSES == 2

    # The model in any of its forms gives the same results, each where it is wanted.
    file = "shop/model_final.pth"
    pair = ["-c", "shop/config.yaml", "-w", file, "-o", "pair"]
    cases = {"shop": ["--run", "shop"], "output/eval": ["-w", file], "pair": pair}
    for arguments in cases.values():
        assert main(["eval", *arguments, "--data", sets[1]]) == 0
    results = [
        next(Path(folder).glob("inference/*/locount_instances_results.json")).read_bytes()
        for folder in cases
    ]
    assert len(results[0]) > 2
    assert results[0] == results[1] == results[2]
    changed = ["--opts", "TEST.DETECTIONS_PER_IMAGE", "1", "-o", "changed"]
    assert main(["eval", "-w", file, "--data", sets[1], *changed]) == 0
    (path,) = Path("changed").glob("inference/*/locount_instances_results.json")
    assert len(json.loads(path.read_text())) == 3  # of three photos


def test_evaluation_without_data_says_how_to_name_it(untrained, tmp_path, capsys):
    slim = str(tmp_path / "slim.pth")
    assert (
        main(["slim", str(untrained / "model.pth"), slim, "-c", str(untrained / "config.yaml")])
        == 0
    )
    assert main(["eval", "-w", slim, "-o", str(tmp_path)]) == 2
    assert "--data" in capsys.readouterr().err


def test_the_number_of_classes_is_that_of_the_data_unless_somebody_names_one(task, tmp_path):
    cfg = program.setup(task())
    assert cfg.MODEL.ROI_HEADS.NUM_CLASSES == 2
    (tmp_path / "output").mkdir()
    (tmp_path / "output/config.yaml").write_text(cfg.dump())
    written = load_config(str(tmp_path / "output/config.yaml"))
    assert written.MODEL.ROI_HEADS.NUM_CLASSES == 2
    assert program.setup(task("--eval-only")).MODEL.ROI_HEADS.NUM_CLASSES == 2


def test_a_wrong_number_of_classes_names_the_option(run):
    with pytest.raises(ValueError, match=r"MODEL\.ROI_HEADS\.NUM_CLASSES 2"):
        run(MODEL__ROI_HEADS__NUM_CLASSES=3)


def test_a_config_with_too_many_stages_fails_at_start(run):
    with pytest.raises(ValueError, match=r"MODEL\.COUNT_HEAD\.MAX_COUNT \(9\)"):
        run(MODEL__COUNT_HEAD__MAX_COUNT=9)
