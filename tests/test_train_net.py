"""The script end to end, on six drawn photos and a network that is too small to be good."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
from detectron2.data import MetadataCatalog
from detectron2.engine import DefaultPredictor

from locount.classes import Classes
from locount.config import load_config
from locount.errors import InputError
from locount.inference import Predictor

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


@pytest.fixture(scope="module")
def train_net():
    spec = importlib.util.spec_from_file_location("train_net", ROOT / "train_net.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def arguments(train_net, photos, tmp_path):
    """The parsed command line of arguments and options; the output is in ``tmp_path``."""

    def arguments(*words, **changes):
        options = {
            **TINY,
            "DATASETS.TRAIN": (f"locount:{photos}:train",),
            "DATASETS.TEST": (f"locount:{photos}:test",),
            "OUTPUT_DIR": str(tmp_path / "output"),
            **{key.replace("__", "."): value for key, value in changes.items()},
        }
        keys_and_values = [str(word) for option in options.items() for word in option]
        command_line = ["--config-file", str(CONFIG), *words, *keys_and_values]
        return train_net.argument_parser().parse_args(command_line)

    return arguments


@pytest.fixture
def run(train_net, arguments):
    """Run train_net.py with arguments and options."""

    def run(*words, **changes):
        return train_net.main(arguments(*words, **changes))

    return run


def logged_with(key, output):
    """The last entry of the log that has ``key``: training and evaluation write their own."""
    entries = map(json.loads, (output / "metrics.json").read_text().splitlines())
    return [entry for entry in entries if key in entry][-1]


def test_train_evaluate_and_predict(run, photos, tmp_path):
    output = tmp_path / "output"
    run(TEST__EVAL_PERIOD=4)
    logged = logged_with("total_loss", output)
    assert np.isfinite(logged["total_loss"])
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
    alone = Predictor(weights)(photo)
    np.testing.assert_array_equal(
        alone.boxes, Predictor(output / "config.yaml", weights)(photo).boxes
    )
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


def test_a_training_that_diverges_ends_with_one_line(train_net, arguments, tmp_path, capfd):
    with pytest.raises(SystemExit) as stopped:
        train_net.run(arguments(SOLVER__BASE_LR=1e30, SOLVER__CLIP_GRADIENTS__ENABLED=False))
    message = stopped.value.code  # printed to stderr, with exit status 1
    assert "\n" not in message
    assert re.match(r"train_net\.py: Training broke at iteration [0-3]: .*\.jpg", message)
    assert "Traceback" not in (tmp_path / "output/log.txt").read_text()
    assert "Traceback" not in "".join(capfd.readouterr())


def test_the_number_of_classes_is_that_of_the_data_unless_somebody_names_one(
    train_net, arguments, tmp_path
):
    cfg = train_net.setup(arguments())
    assert cfg.MODEL.ROI_HEADS.NUM_CLASSES == 2
    (tmp_path / "output").mkdir()
    (tmp_path / "output/config.yaml").write_text(cfg.dump())
    written = load_config(str(tmp_path / "output/config.yaml"))
    assert written.MODEL.ROI_HEADS.NUM_CLASSES == 2
    assert train_net.setup(arguments("--eval-only")).MODEL.ROI_HEADS.NUM_CLASSES == 2


def test_a_wrong_number_of_classes_names_the_option(run):
    with pytest.raises(ValueError, match=r"MODEL\.ROI_HEADS\.NUM_CLASSES 2"):
        run(MODEL__ROI_HEADS__NUM_CLASSES=3)


def test_a_config_with_too_many_stages_fails_at_start(run):
    with pytest.raises(ValueError, match=r"MODEL\.COUNT_HEAD\.MAX_COUNT \(9\)"):
        run(MODEL__COUNT_HEAD__MAX_COUNT=9)
