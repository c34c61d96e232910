import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances
from PIL import Image

from locount.calibration import Calibration
from locount.class_names import Classes
from locount.errors import InputError
from locount.inference.journal import Entry
from locount.inference.prediction import Prediction
from locount.stock import ShelfPhoto


@pytest.mark.parametrize(("boxes", "kept"), [([[0, 0, 8, 8], [0, 0, 4, 8]], 1), ([], 0)])
def test_parts_are_left_out(boxes, kept):
    instances = Instances(
        (20, 20),
        pred_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)),
        pred_classes=torch.zeros(len(boxes), dtype=torch.int64),
        scores=torch.linspace(0.9, 0.1, len(boxes)),
    )
    prediction = Prediction("photo", instances, Classes(("a",), ("",), (1,))).without_parts(0.7)
    assert prediction.boxes.tolist() == boxes[:kept]


@pytest.fixture
def prediction():
    """Three cups at 0.9, a box of 12 items at 0.5, a lone cup at 0.2; only the first two count."""
    instances = Instances(
        (20, 40),
        pred_boxes=Boxes(torch.tensor([[0.0, 0, 8, 10], [10, 2, 30, 18], [32, 0, 40, 10]])),
        pred_classes=torch.tensor([1, 0, 1]),
        scores=torch.tensor([0.9, 0.5, 0.2]),
        pred_counts=torch.tensor([3, 12, 1]),
        count_scores=torch.tensor([0.75, 0.5, 0.25]),
    )
    classes = Classes(("box", "cup"), ("", ""), (4, 7))
    pixels = np.full((20, 40, 3), (200, 100, 0), np.uint8)
    return Prediction("photo", instances, classes, pixels).counting(0.4, 1)


def test_without_a_calibration_a_level_asks_for_nothing(prediction):
    """As for photos that were looked at in tiles, of a model that has one."""
    assert ShelfPhoto.of(prediction, 0.9).intervals is None
    assert Entry.of(prediction, 1, (0, 0), None, 0.9).totals is None
    assert prediction.plot(level=0.9).size == prediction.plot().size


def test_it_adds_up_what_counts(prediction):
    assert prediction.total == 15
    assert list(prediction.totals.items()) == [("box", 12), ("cup", 3)]
    assert prediction.everything.total == 16
    assert prediction.everything.everything.total == 16


def test_it_is_a_sequence_of_detections(prediction):
    first, second = prediction
    assert first == ("cup", 3, pytest.approx(0.9), (0, 0, 8, 10), 0.75, 1)
    assert (prediction[-1], prediction[1]) == (second, second)
    assert [found.count for found in prediction[prediction.counts > 3]] == [12]
    assert [found.count for found in prediction[1:]] == [12]
    for position in (2, -3):
        with pytest.raises(IndexError):
            prediction[position]


def test_it_is_the_dict_of_the_default_predictor(prediction):
    assert "instances" in prediction
    assert "sem_seg" not in prediction
    assert prediction["instances"].pred_counts.tolist() == [3, 12, 1]
    assert prediction[:0]["instances"].pred_counts.tolist() == [3, 12, 1]
    with pytest.raises(KeyError, match="sem_seg"):
        prediction["sem_seg"]


def test_it_is_coco_results(prediction):
    results = prediction.to_coco(image_id=5)
    assert [r["bbox"] for r in results] == [[0, 0, 8, 10], [10, 2, 20, 16]]
    assert [(r["category_id"], r["count"], r["image_id"]) for r in results] == [
        (7, 3, 5),
        (4, 12, 5),
    ]


def test_supervision_gets_what_counts(prediction):
    pytest.importorskip("supervision")
    detections = prediction.to_supervision()
    np.testing.assert_array_equal(detections.xyxy, prediction.boxes)
    assert detections["class_name"].tolist() == ["cup", "box"]
    assert detections["count"].tolist() == [3, 12]
    assert len(prediction[:0].to_supervision()) == 0


def test_a_plot_is_the_photo_in_its_colors_with_a_key_below(prediction):
    picture = prediction[:0].plot()
    assert (picture.size, picture.getpixel((0, 0))) == ((40, 20), (0, 100, 200))
    assert prediction.plot().height > 20


@pytest.mark.parametrize(("orientation", "size"), [(6, (20, 40)), (1, (40, 20))])
def test_a_plot_shows_a_file_as_it_was_predicted(orientation, size, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    path = tmp_path / "turned.jpg"
    Image.new("RGB", (40, 20)).save(path, exif=exif)
    empty = Instances(
        size[::-1],
        pred_boxes=Boxes(torch.zeros(0, 4)),
        pred_classes=torch.zeros(0, dtype=torch.int64),
        scores=torch.zeros(0),
    )
    classes = Classes(("box",), ("",), (1,))
    assert Prediction(str(path), empty, classes, orientation=orientation).plot().size == size


def make(counts, scores, calibration):
    instances = Instances(
        (20, 20),
        pred_boxes=Boxes(torch.tensor([[4.0 * i, 0, 4 * i + 3, 9] for i in range(len(counts))])),
        pred_classes=torch.arange(len(counts)) % 2,
        pred_counts=torch.tensor(counts),
        scores=torch.tensor(scores),
    )
    classes = Classes(("a", "b"), ("", ""), (1, 2))
    return Prediction("photo", instances, classes, calibration=calibration)


def test_intervals_are_of_the_calibrated_detections(calibrated):
    # Within 4 of the total, 2 of a category's and 1 of a count, from score 0.05 on.
    calibration = Calibration.of_model_file(str(calibrated))
    prediction = make([5, 2, 3, 9], [0.9, 0.6, 0.1, 0.01], calibration)
    assert prediction.total_interval(0.8) == (6, 14)
    assert str(prediction.total_interval()) == "6–14"
    assert prediction.category_intervals() == {0: (6, 10), 1: (0, 4)}
    totals = prediction.intervals().categories
    assert {i: str(total) for i, total in totals.items()} == {1: "8 (6–10)", 2: "2 (0–4)"}
    assert prediction.count_intervals() == [(4, 6), (1, 3), (2, 4)]
    assert prediction.probabilities.tolist() == [0.75, 0.75, 0.25, 0.25]
    # They are of the photo, whatever is selected.
    for selected in (prediction.above(0.8), prediction.everything.above(0.8), prediction[:0]):
        assert selected.total_interval(0.8) == (6, 14)
    assert prediction.plot(np.zeros((20, 20, 3), np.uint8), level=0.9).height > 20


def test_a_model_without_calibration_has_no_intervals():
    prediction = make([5], [0.9], None)
    with pytest.raises(InputError, match="no calibration"):
        prediction.total_interval()
    assert np.isnan(prediction.probabilities).all()
