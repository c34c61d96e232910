import pytest
import torch

from locount.modeling import SoftNMS
from locount.modeling.layers.suppression import suppress

# Three regions, one class and background: two that overlap by 0.9 and one apart.
BOXES = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]])
SCORES = torch.tensor([[0.6, 0.4], [0.9, 0.1], [0.3, 0.7]])


def infer(boxes, scores, topk=150, soft_nms=None):
    (detections,), (regions,) = suppress([boxes], [scores], [(40, 40)], 0.05, 0.5, topk, soft_nms)
    return detections, regions.tolist()


def test_a_detection_is_told_its_region():
    # NMS drops region 0 for the better region 1; sorted by score that leaves 1 and 2.
    detections, regions = infer(BOXES, SCORES)
    assert regions == [1, 2]
    assert detections.pred_boxes.tensor.tolist() == BOXES[[1, 2]].tolist()


@pytest.mark.parametrize("where", ["boxes", "scores"])
@pytest.mark.parametrize("soft_nms", [None, SoftNMS("linear")])
def test_regions_are_told_right_when_others_are_not_finite(where, soft_nms):
    boxes, scores = torch.cat([BOXES[:1], BOXES]), torch.cat([SCORES[:1], SCORES])
    {"boxes": boxes, "scores": scores}[where][0] = float("nan")
    detections, regions = infer(boxes, scores, soft_nms=soft_nms)
    # One more than without the region in front.
    assert regions == [r + 1 for r in infer(BOXES, SCORES, soft_nms=soft_nms)[1]]
    assert detections.pred_boxes.tensor.tolist() == boxes[regions].tolist()


def test_soft_nms_keeps_what_nms_drops():
    # Region 0 falls to 0.6 * (1 - 0.9) = 0.06, which is above the threshold of 0.05.
    detections, regions = infer(BOXES, SCORES, soft_nms=SoftNMS("linear"))
    assert regions == [1, 2, 0]
    torch.testing.assert_close(detections.scores, torch.tensor([0.9, 0.3, 0.06]))


@pytest.mark.parametrize("soft_nms", [None, SoftNMS("linear")])
def test_no_more_than_asked_for(soft_nms):
    assert infer(BOXES, SCORES, 1, soft_nms)[1] == [1]


@pytest.mark.parametrize("soft_nms", [None, SoftNMS("linear")])
def test_no_region_gives_no_detection_with_all_fields(soft_nms):
    detections, regions = infer(BOXES[:0], SCORES[:0], soft_nms=soft_nms)
    assert len(detections) == len(regions) == 0
    assert set(detections.get_fields()) == {"pred_boxes", "scores", "pred_classes"}
