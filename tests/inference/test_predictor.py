import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from detectron2.engine import DefaultPredictor

from locount.config import load_config
from locount.errors import InputError
from locount.inference import Predictor


@pytest.fixture(scope="module")
def cfg(untrained):
    weights = str(untrained / "model.pth")
    return load_config(str(untrained / "config.yaml"), ["MODEL.WEIGHTS", weights])


@pytest.fixture(scope="module")
def predictor(untrained):
    return Predictor(untrained / "config.yaml", untrained / "model.pth", batch_size=2)


@pytest.fixture(scope="module")
def images():
    """Blurred noise of two sizes in turn."""
    noise = np.random.default_rng(0)
    sizes = [(64, 96), (80, 60), (64, 96), (64, 96), (80, 60)]
    return [
        cv2.GaussianBlur(noise.integers(0, 255, (h, w, 3), dtype=np.uint8), (9, 9), 0)
        for h, w in sizes
    ]


def assert_same(predictions, expected):
    for prediction, instances in zip(predictions, expected, strict=True):
        assert (prediction.height, prediction.width) == instances.image_size
        assert len(prediction) == len(instances) > 0
        # A batch sums in another order than a single image.
        np.testing.assert_allclose(prediction.boxes, instances.pred_boxes.tensor, atol=1e-2)
        np.testing.assert_allclose(prediction.scores, instances.scores, atol=1e-4)
        np.testing.assert_array_equal(prediction.class_ids, instances.pred_classes)
        np.testing.assert_array_equal(prediction.counts, instances.pred_counts)
        np.testing.assert_allclose(prediction.count_scores, instances.count_scores, atol=1e-4)


@pytest.mark.parametrize("input_format", ["BGR", "RGB"])
def test_detections_are_those_of_the_default_predictor(cfg, images, input_format):
    cfg = cfg.clone()
    cfg.INPUT.FORMAT = input_format
    theirs = DefaultPredictor(cfg)
    expected = [theirs(image)["instances"] for image in images]
    ours = Predictor(cfg, batch_size=2)
    assert_same(ours.stream(images), expected)
    assert_same(map(ours, images), expected)


def test_a_path_is_an_image(predictor, images, tmp_path):
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), images[0])
    (from_path,) = predictor.stream([path], keep_pixels=True)
    assert from_path.name == str(path)
    np.testing.assert_array_equal(from_path.pixels, images[0])
    assert_same([from_path], [predictor(images[0]).instances])


def test_names_come_from_the_dataset_of_the_config(predictor, images):
    prediction = predictor(images[0])
    assert predictor.classes.names == ("box", "cup")
    assert prediction.names == [("box", "cup")[i] for i in prediction.class_ids]


def test_endless_input_is_taken_as_needed(predictor, images):
    taken = itertools.count()
    endless = (images[next(taken) % len(images)] for _ in itertools.repeat(None))
    stream = predictor.stream(endless)
    first = list(itertools.islice(stream, 3))
    stream.close()
    assert [p.name for p in first] == ["image 0", "image 1", "image 2"]
    assert next(taken) < 100


def test_threads_share_a_predictor(predictor, images):
    expected = [predictor(image).instances for image in images]
    start = threading.Barrier(3)

    def work(_):
        start.wait()
        return list(predictor.stream(images * 2)), [predictor(image) for image in images]

    with ThreadPoolExecutor(3) as pool:
        for streamed, called in pool.map(work, range(3)):
            assert_same(streamed, expected * 2)
            assert_same(called, expected)


def test_a_bad_image_ends_the_stream_in_its_turn(predictor, images, tmp_path):
    stream = predictor.stream([images[0], tmp_path / "none.jpg", images[1]])
    assert next(stream).name == "image 0"
    with pytest.raises(InputError, match=r"none\.jpg"):
        next(stream)


def test_a_bad_image_can_be_passed_over(predictor, images, tmp_path):
    failures = []
    names = [tmp_path / "none.jpg", images[0]]
    (prediction,) = predictor.stream(names, on_failure=failures.append)
    assert prediction.name == "image 1"
    assert [failure.name for failure in failures] == [str(tmp_path / "none.jpg")]


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)]
)
def test_other_arrays_are_no_images(predictor, array):
    with pytest.raises(InputError, match="H x W x 3, uint8"):
        predictor(array)


def test_results_can_be_changed_in_place(predictor, images):
    boxes = predictor(images[0]).instances.pred_boxes
    boxes.scale(2, 2)
    boxes.clip((10, 10))
    assert boxes.tensor.max() <= 10


def test_weights_of_another_config_do_not_load(cfg):
    cfg = cfg.clone()
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 5
    with pytest.raises(InputError, match=r"MODEL\.ROI_HEADS\.NUM_CLASSES"):
        Predictor(cfg)


def test_half_precision_needs_a_gpu(cfg):
    with pytest.raises(InputError, match="amp"):
        Predictor(cfg, device="cpu", amp=True)
