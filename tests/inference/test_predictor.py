import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
import torch
from detectron2.engine import DefaultPredictor
from detectron2.structures import Boxes, Instances
from PIL import Image

from locount.config import load_config
from locount.errors import InputError
from locount.inference import Predictor
from locount.model_file import DEFAULT, SHIPPED


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


def everything(predictions):
    return [prediction.everything for prediction in predictions]


def columns(instances):
    """N x 8: boxes, scores, classes, counts and their scores."""
    fields = (instances.scores, instances.pred_classes, instances.pred_counts)
    return np.column_stack([instances.pred_boxes.tensor.double(), *fields, instances.count_scores])


def assert_identical(predictions, expected):
    for prediction, instances in zip(predictions, expected, strict=True):
        assert len(instances) > 0
        assert prediction.instances.image_size == instances.image_size
        np.testing.assert_array_equal(columns(prediction.instances), columns(instances))


def assert_same(predictions, expected):
    """Up to rounding, for batches and threads sum in another order.

    The scores of an untrained network lie so close together that rounding can swap two of them, so
    not all must be found again. Padding an image would move nearly all.
    """
    for prediction, instances in zip(predictions, expected, strict=True):
        assert prediction.instances.image_size == instances.image_size
        ours, theirs = columns(prediction.instances), columns(instances)
        assert len(theirs) > 0
        differences = abs(ours[:, None] - theirs[None])
        found = (differences <= [1e-2] * 4 + [1e-4, 0, 0, 1e-4]).all(axis=2).any(axis=0)
        assert found.mean() >= 0.9


@pytest.mark.parametrize("input_format", ["BGR", "RGB"])
def test_detections_are_those_of_the_default_predictor(cfg, images, input_format):
    cfg = cfg.clone()
    cfg.INPUT.FORMAT = input_format
    cfg.PREDICT.SCORE = 0.3
    theirs = DefaultPredictor(cfg)
    expected = [theirs(image)["instances"] for image in images]
    ours = Predictor(cfg, batch_size=2)
    assert_same(everything(ours.stream(images)), expected)
    found = [ours(image) for image in images]
    assert_identical(everything(found), expected)
    for prediction, instances in zip(found, expected, strict=True):
        assert "instances" in prediction
        np.testing.assert_array_equal(columns(prediction["instances"]), columns(instances))


def test_what_counts_has_the_score_and_overlap_of_the_config(cfg, images):
    cfg = cfg.clone()
    cfg.PREDICT.SCORE, cfg.PREDICT.MAX_OVERLAP = 0.3, 0.5
    prediction = Predictor(cfg)(images[0])
    expected = prediction.everything.above(0.3).without_parts(0.5)
    assert 0 < len(prediction) == len(expected) < len(prediction.everything)
    np.testing.assert_array_equal(columns(prediction.instances), columns(expected.instances))


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


def test_a_large_photo_is_resized_as_any_other(predictor, images, monkeypatch):
    wanted = [predictor.prepare(image) for image in images]
    monkeypatch.setattr("locount.inference.predictor.LARGE_PHOTO", 0)
    assert all(torch.equal(predictor.prepare(i), w) for i, w in zip(images, wanted, strict=True))


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


def test_what_is_no_image_is_told_what_to_give(predictor):
    with pytest.raises(InputError, match="is of type Image: give a path, or an array"):
        predictor(Image.new("RGB", (8, 8)))
    with pytest.raises(InputError, match="give a list"):
        list(predictor.stream("photo.jpg"))


def test_a_prediction_is_shown_in_one_line(predictor, images):
    prediction = predictor(images[0])
    text = f"<Prediction of image 0: {prediction.total} items in {len(prediction)} boxes>"
    assert repr(prediction) == text


def test_results_can_be_changed_in_place(predictor, images):
    boxes = predictor(images[0]).instances.pred_boxes
    boxes.scale(2, 2)
    boxes.clip((10, 10))
    assert boxes.tensor.max() <= 10


@pytest.mark.parametrize(
    ("device", "message"),
    [("gpu", "MODEL.DEVICE is 'gpu'; it must be a device"), ("cuda:99", "no GPU 'cuda:99'")],
)
def test_a_device_that_there_is_not_is_one_line(cfg, device, message):
    with pytest.raises(InputError, match=message) as caught:
        Predictor(cfg, device=device)
    assert "\n" not in str(caught.value)


def test_a_batch_that_is_too_large_for_the_memory_is_halved(predictor, images, monkeypatch):
    expected = [predictor(image).instances for image in images[2:4]]
    sizes, forward = [], predictor.model.forward

    def with_room_for_one(inputs):
        sizes.append(len(inputs))
        if len(inputs) > 1:
            raise torch.OutOfMemoryError
        return forward(inputs)

    monkeypatch.setattr(predictor.model, "forward", with_room_for_one)
    assert_identical(list(predictor.stream(images[2:4])), expected)
    assert sizes == [2, 1, 1]


def test_an_image_that_is_too_large_for_the_memory_is_an_error(predictor, images, monkeypatch):
    def without_room(inputs):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(predictor.model, "forward", without_room)
    with pytest.raises(InputError, match=r"image 0: the model can't take it \(OutOfMemoryError"):
        predictor(images[0])


def test_weights_of_another_config_do_not_load(cfg):
    cfg = cfg.clone()
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 5
    with pytest.raises(InputError, match=r"MODEL\.ROI_HEADS\.NUM_CLASSES"):
        Predictor(cfg)


@pytest.fixture
def model_file(untrained, tmp_path):
    """The untrained model in one file."""
    path, card = tmp_path / "alone.pth", "# Cups\n\nFinds cups,\nno plates.\n\nMore."
    content = torch.load(untrained / "model.pth")
    config = (untrained / "config.yaml").read_text()
    torch.save({**content, "config": config, "card": card}, path)
    return path


def test_a_model_file_is_all_it_takes(model_file, predictor, images, monkeypatch):
    monkeypatch.setattr("locount.model_file.FOLDER", model_file.parent)
    monkeypatch.setitem(SHIPPED, DEFAULT, model_file.name)
    expected = predictor(images[0]).instances
    for arguments in ((model_file,), (None, str(model_file)), (), (DEFAULT,)):
        assert_identical([Predictor(*arguments)(images[0])], [expected])


def test_a_config_wins_over_that_of_the_model_file(model_file, cfg, untrained):
    assert Predictor(model_file).cfg.PREDICT.SCORE == 0.05
    cfg = cfg.clone()
    cfg.PREDICT.SCORE = 0.75
    assert Predictor(cfg, model_file).cfg.PREDICT.SCORE == 0.75
    with pytest.raises(InputError, match=r"is not a config: name a \.yaml file"):
        Predictor(model_file, untrained / "model.pth")


def test_the_description_is_the_first_paragraph_of_the_card(model_file, predictor):
    assert Predictor(model_file).description == "alone.pth: Finds cups, no plates."
    assert predictor.description == "model.pth"


def raster(height, width):
    """A photo whose pixels say where they are: column, row, and multiples of 200 of them."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x % 200, y % 200, x // 200 + 16 * (y // 200)], axis=2).astype(np.uint8)


class Surveyor:
    """Finds given boxes of a raster, as far as they are in view, if it is not made smaller."""

    def __init__(self, boxes, counts):
        self.boxes, self.counts = torch.tensor(boxes).float(), torch.tensor(counts)

    def __call__(self, images):
        return [{"instances": self.find(image)} for image in images]

    def find(self, image):
        size = image["height"], image["width"]
        assert image["image"].shape[1:] == (64, 96)
        x, y, more = image["image"][:, 0, 0].tolist()
        x, y = x + 200 * (more % 16), y + 200 * (more // 16)
        boxes = Boxes(self.boxes - torch.tensor([x, y, x, y]))
        boxes.clip(size)
        # In the whole photo, made smaller, it sees nothing.
        wanted = boxes.nonempty() & (size == (64, 96))
        return Instances(
            size,
            pred_boxes=boxes[wanted],
            scores=torch.full((int(wanted.sum()),), 0.9),
            pred_classes=torch.zeros(int(wanted.sum()), dtype=torch.int64),
            pred_counts=self.counts[wanted],
        )


@pytest.fixture
def tiled(cfg):
    """A predictor in tiles of 96 x 64, whose model finds three boxes of one item each."""
    cfg = cfg.clone()
    cfg.INPUT.MAX_SIZE_TEST = 96
    predictor = Predictor(cfg, batch_size=2, tiles=(96, 64))
    predictor.model.forward = Surveyor(
        [[5, 5, 20, 20], [60, 50, 80, 70], [10, 100, 250, 140]], [1, 3, 1]
    )
    return predictor


FOUND = [[5, 5, 20, 20], [10, 100, 250, 140], [60, 50, 80, 70]]


def test_tiles_find_what_the_whole_view_does_not(tiled):
    photo = raster(192, 288)
    for prediction in [tiled(photo), *tiled.stream([photo, photo])]:
        assert (prediction.height, prediction.width) == (192, 288)
        assert sorted(prediction.boxes.tolist()) == FOUND
        assert sorted(prediction.counts.tolist()) == [1, 1, 3]


def test_tiles_keep_pixels_where_they_are_wanted(tiled, tmp_path):
    path = str(tmp_path / "photo.png")
    cv2.imwrite(path, raster(192, 288))
    (without,) = tiled.stream([path])
    (prediction,) = tiled.stream([path], keep_pixels=True)
    assert without.pixels is None
    np.testing.assert_array_equal(prediction.pixels, raster(192, 288))
    assert sorted(prediction.boxes.tolist()) == FOUND


def test_photos_that_have_no_room_are_seen_in_tiles_in_their_turn(tiled, tmp_path, monkeypatch):
    monkeypatch.setattr("locount.inference.predictor.MAX_PIXELS_AHEAD", 100)
    path = str(tmp_path / "photo.png")
    cv2.imwrite(path, raster(192, 288))
    for prediction in tiled.stream([path, path]):
        assert sorted(prediction.boxes.tolist()) == FOUND


def test_a_photo_that_one_tile_holds_is_predicted_as_without(cfg, images):
    expected = [Predictor(cfg)(image).instances for image in images]
    assert_identical(map(Predictor(cfg, tiles=1), images), expected)
    assert_identical(map(Predictor(cfg, tiles="100x80"), images), expected)


def test_a_tile_that_the_model_fails_on_is_a_failure_of_its_photo(tiled, monkeypatch):
    surveyor = tiled.model.forward
    find = surveyor.find

    def fail_below(image):
        if image["image"][1, 0, 0] > 100:
            raise torch.OutOfMemoryError
        return find(image)

    monkeypatch.setattr(surveyor, "find", fail_below)
    failures = []
    small = raster(64, 96)
    photos = [small, raster(192, 288), small]
    names = [p.name for p in tiled.stream(photos, on_failure=failures.append)]
    assert names == ["image 0", "image 2"]
    assert [failure.name for failure in failures] == ["image 1"]
    with pytest.raises(InputError, match="OutOfMemoryError"):
        tiled(photos[1])


def test_mixed_precision_pools_boxes_where_they_are(cfg, images):
    seen = []
    mixed = Predictor(cfg, amp=True)
    align = mixed.model.roi_heads.box_pooler.level_poolers[0]
    align.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    scores = mixed(images[0]).instances.scores
    features, boxes = seen[0]
    assert features.dtype == boxes.dtype == scores.dtype == torch.float32
    assert torch.equal(features, features.bfloat16().float())  # convolutions are in bfloat16
    assert not torch.equal(boxes, boxes.bfloat16().float())
