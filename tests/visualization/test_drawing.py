from dataclasses import replace

import numpy as np
import torch
from detectron2.structures import Boxes, Instances
from PIL import ImageDraw

from locount.calibration import Calibration
from locount.class_names import Classes
from locount.inference import Prediction, draw_prediction
from locount.visualization.drawing import class_color

PHOTO = np.full((120, 160, 3), 128, np.uint8)
CLASSES = Classes(("cup", "bowl"), ("", ""), (0, 1))


def prediction(boxes, classes, counts):
    instances = Instances(
        PHOTO.shape[:2],
        pred_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)),
        scores=torch.full((len(boxes),), 0.9),
        pred_classes=torch.tensor(classes, dtype=torch.int64),
        pred_counts=torch.tensor(counts, dtype=torch.int64),
    )
    return Prediction("photo.jpg", instances, CLASSES)


def test_a_box_is_drawn_where_it_is_in_the_colour_of_its_class():
    drawn = draw_prediction(prediction([[20, 60, 100, 100]], [1], [7]), PHOTO)
    assert drawn.dtype == np.uint8
    blue, green, red = drawn[80, 20]
    assert (red, green, blue) == class_color(1)
    np.testing.assert_array_equal(drawn[70:90, 30:90], PHOTO[70:90, 30:90])
    np.testing.assert_array_equal(drawn[110:120], PHOTO[110:120])


def test_counts_are_told_apart_in_the_label():
    one, seven = (
        draw_prediction(prediction([[20, 60, 100, 100]], [0], [count]), PHOTO)[:120]
        for count in (1, 7)
    )
    assert (one != seven).any()


def test_a_model_that_does_not_count_has_labels_for_categories_alone():
    plain = prediction([[20, 60, 100, 100]], [0], [1])
    plain.instances.remove("pred_counts")
    one_class = Prediction("photo.jpg", plain.instances, Classes(("cup",), ("",), (0,)))
    counted, named, unlabelled = (
        draw_prediction(p, PHOTO)[:58]  # above the box, where the label goes
        for p in (prediction([[20, 60, 100, 100]], [0], [1]), plain, one_class)
    )
    assert (counted != named).any()
    assert (named != PHOTO[:58]).any()
    np.testing.assert_array_equal(unlabelled, PHOTO[:58])


def test_the_key_stands_below_the_photo():
    drawn = draw_prediction(prediction([[20, 60, 100, 100]], [0], [3]), PHOTO)
    assert drawn.shape[0] > PHOTO.shape[0]
    assert drawn.shape[1] == PHOTO.shape[1]


def test_the_key_says_one_box_and_two_boxes(monkeypatch):
    drawn = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", lambda self, at, text, **_: drawn.append(text))
    boxes = [[20, 60, 100, 100], [20, 10, 60, 50], [80, 10, 120, 50]]
    draw_prediction(prediction(boxes, [0, 1, 1], [1, 1, 1]), PHOTO)
    assert drawn[-2:] == ["cup: 1, 1 box", "bowl: 2, 2 boxes"]


def test_nothing_to_draw_leaves_the_photo_as_it_is():
    np.testing.assert_array_equal(draw_prediction(prediction([], [], []), PHOTO), PHOTO)


def test_neighbours_in_the_list_of_classes_differ_in_colour():
    colors = np.array([class_color(class_id) for class_id in range(140)])
    assert (abs(np.diff(colors, axis=0)).max(axis=1) > 100).all()


def test_the_key_has_intervals(calibrated):
    calibration = Calibration.of_model_file(str(calibrated))
    some, none = (
        replace(prediction(*p), calibration=calibration)
        for p in (([[20, 60, 100, 100]], [0], [3]), ([], [], []))
    )
    assert not np.array_equal(draw_prediction(some, PHOTO, 0.9), draw_prediction(some, PHOTO))
    # That nothing was found has an interval, too.
    assert draw_prediction(none, PHOTO, 0.9).shape[0] > PHOTO.shape[0]
