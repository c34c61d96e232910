import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances

from locount.calibration import Calibration
from locount.class_names import Classes
from locount.errors import InputError
from locount.inference.prediction import Prediction


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
    assert prediction.count_intervals() == [(4, 6), (1, 3), (2, 4)]
    assert prediction.probabilities.tolist() == [0.75, 0.75, 0.25, 0.25]
    assert prediction.above(0.05).total_interval(0.8) == (6, 14)


def test_no_intervals_where_detections_are_gone_or_nothing_is_calibrated(calibrated):
    prediction = make([5], [0.9], Calibration.of_model_file(str(calibrated)))
    for gone in (prediction.above(0.5), prediction.without_parts(0.5)):
        with pytest.raises(InputError, match="some were left out"):
            gone.total_interval()
    plain = make([5], [0.9], None)
    with pytest.raises(InputError, match="no calibration"):
        plain.total_interval()
    assert np.isnan(plain.probabilities).all()
