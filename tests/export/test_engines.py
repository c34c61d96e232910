import cv2
import numpy as np
import pytest

from locount.cli.options import ENGINES as CLI_ENGINES
from locount.errors import InputError
from locount.export.engines import ENGINES
from locount.export.exporter import difference
from locount.inference import Predictor

# Multiples of 32 and others, so that padding is needed or not.
SIZES = [(64, 96), (70, 101), (64, 96), (150, 90)]


@pytest.fixture
def photos():
    noise = np.random.default_rng(0)
    return [
        cv2.GaussianBlur(noise.integers(0, 255, (*size, 3), dtype=np.uint8), (9, 9), 0)
        for size in SIZES
    ]


def outputs(prediction):
    instances = prediction["instances"]
    names = ("scores", "pred_classes", "pred_counts", "count_scores")
    fields = [instances.get(name).numpy() for name in names if instances.has(name)]
    return [instances.pred_boxes.tensor.numpy(), *fields]


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
@pytest.mark.parametrize("strategy", ["classification", "none"])
def test_engines_give_the_detections_of_torch(saved, photos, engine, strategy):
    config, weights = saved(["MODEL.COUNT_HEAD.STRATEGY", strategy])
    expected = [Predictor(config, weights)(photo) for photo in photos]
    predictions = list(Predictor(config, weights, engine=engine).stream(photos))
    for ours, torchs in zip(predictions, expected, strict=True):
        assert ours.instances.image_size == torchs.instances.image_size
        result = difference(outputs(torchs), outputs(ours))
        assert result.detections > 0
        assert result.negligible, result


@pytest.mark.parametrize("decode", ["argmax", "expected_ac"])
def test_a_photo_without_detections_is_empty(saved, decode):
    # Nor has the image with which the model is traced any.
    options = ["MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.999, "MODEL.COUNT_HEAD.DECODE", decode]
    config, weights = saved([*options, "MODEL.COUNT_HEAD.RANKING", "joint"])
    prediction = Predictor(config, weights, engine="openvino")(np.zeros((64, 80, 3), np.uint8))
    assert len(prediction.instances) == 0
    assert prediction.instances.pred_boxes.tensor.shape == (0, 4)


def test_engines_that_cannot_be_are_named(saved):
    config, weights = saved()
    with pytest.raises(
        InputError, match="no engine 'tensorrt'; the engines are torch, onnx, openvino"
    ):
        Predictor(config, weights, engine="tensorrt")
    with pytest.raises(InputError, match="no mixed precision"):
        Predictor(config, weights, engine="onnx", amp=True)


def test_a_model_that_cannot_be_exported_is_named(saved):
    config, weights = saved(["MODEL.SOFT_NMS.METHOD", "linear"])
    with pytest.raises(InputError, match=r"SOFT_NMS\.METHOD"):
        Predictor(config, weights, engine="onnx")


def test_the_command_line_knows_all_engines():
    assert CLI_ENGINES == ENGINES
