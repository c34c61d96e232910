import pytest
import torch
from detectron2.structures import Boxes, Instances

from locount.class_names import Classes
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
