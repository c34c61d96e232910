import math

import pytest
import torch

from locount.modeling.one_stage.yolo.detections import DetectionFilter, class_scores

OPTIONS = {
    "nms": "greedy",
    "score_thresh": 0.1,
    "nms_thresh": 0.5,
    "num_candidates": 100,
    "max_detections": 100,
}

# The second overlaps the first by 0.8, the third nothing.
BOXES = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8], [15, 15, 30, 30]])


def detect(scores, **options):
    return DetectionFilter(**{**OPTIONS, **options})(BOXES, torch.tensor(scores), (20, 20))


def test_a_score_is_objectness_times_class():
    scores = class_scores(torch.zeros(1), torch.tensor([[0.0, math.log(3)]]), None, 0.4)
    torch.testing.assert_close(scores, torch.tensor([[0.25, 0.375]]))


def test_a_predicted_iou_shares_in_objectness():
    # sigmoid(ln 3) is 3/4.
    scores = class_scores(torch.zeros(1), torch.zeros(1, 1), torch.tensor([math.log(3)]), 0.4)
    assert scores.item() == pytest.approx(0.5**0.6 * 0.75**0.4 * 0.5)


def test_greedy_nms_removes_within_a_class_alone():
    found = detect([[0.9, 0.0], [0.8, 0.7], [0.0, 0.2]])
    assert found.scores.tolist() == pytest.approx([0.9, 0.7, 0.2])
    assert found.pred_classes.tolist() == [0, 1, 1]


def test_matrix_nms_lowers_scores_and_sorts_anew():
    found = detect([[0.9], [0.8], [0.2]], nms="matrix")
    assert found.scores.tolist() == pytest.approx([0.9, 0.2, 0.8 * 0.2])
    assert len(detect([[0.9], [0.8], [0.2]], nms="matrix", score_thresh=0.17)) == 2


def test_boxes_end_at_the_image():
    assert detect([[0.0], [0.0], [0.2]]).pred_boxes.tensor.tolist() == [[15, 15, 20, 20]]


def test_limits_keep_the_best():
    scores = [[0.2, 0.5], [0.0, 0.0], [0.3, 0.0]]
    assert detect(scores, num_candidates=2).scores.tolist() == pytest.approx([0.5, 0.3])
    assert detect(scores, max_detections=1).scores.tolist() == pytest.approx([0.5])


@pytest.mark.parametrize("nms", ["greedy", "matrix"])
def test_nothing_above_the_threshold(nms):
    found = detect([[0.1], [0.0], [0.05]], nms=nms)
    assert len(found) == 0
    assert found.pred_boxes.tensor.shape == (0, 4)
