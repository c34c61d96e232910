import numpy as np
import torch
from detectron2.structures import Boxes, Instances

from locount.inference import draw_detections

IMAGE = np.full((120, 160, 3), 128, np.uint8)


def detections(boxes, classes, counts=None):
    instances = Instances(
        IMAGE.shape[:2],
        pred_boxes=Boxes(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)),
        scores=torch.full((len(boxes),), 0.9),
        pred_classes=torch.tensor(classes, dtype=torch.int64),
    )
    if counts is not None:
        instances.pred_counts = torch.tensor(counts)
    return instances


def test_a_box_is_drawn_where_it_is():
    drawn = draw_detections(IMAGE, detections([[20, 60, 100, 100]], [1], [7]), ["cup", "bowl"])
    assert drawn.shape == IMAGE.shape
    assert drawn.dtype == np.uint8
    changed = (drawn != IMAGE).any(axis=2)
    assert changed[70:90, 18:23].any()  # its left edge
    assert not changed[110:, :].any()


def test_counts_are_told_apart_in_the_picture():
    boxes = [[20, 60, 100, 100]]
    one, seven = (
        draw_detections(IMAGE, detections(boxes, [0], [count]), ["cup"]) for count in (1, 7)
    )
    assert (one != seven).any()


def test_a_model_without_counts_draws_ones():
    boxes = [[20, 60, 100, 100]]
    np.testing.assert_array_equal(
        draw_detections(IMAGE, detections(boxes, [0]), ["cup"]),
        draw_detections(IMAGE, detections(boxes, [0], [1]), ["cup"]),
    )


def test_nothing_to_draw_leaves_the_photo_as_it_is():
    np.testing.assert_array_equal(draw_detections(IMAGE, detections([], [], []), ["cup"]), IMAGE)
