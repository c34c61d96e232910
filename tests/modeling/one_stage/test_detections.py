import pytest
import torch

from locount.modeling.one_stage.detections import best_candidates, detect

# Levels of two places each, two classes.
SCORES = (torch.tensor([[0.1, 0.9], [0.8, 0.7]]), torch.tensor([[0.2, 0.3], [0.6, 0.0]]))


def test_candidates_are_the_best_of_each_level():
    index, classes, scores = best_candidates(SCORES, 0.25, 2)
    torch.testing.assert_close(scores, torch.tensor([0.9, 0.8, 0.6, 0.3]))
    assert list(zip(index.tolist(), classes.tolist(), strict=True)) == [
        (0, 1), (1, 0), (3, 0), (2, 1),
    ]  # fmt: skip


def test_of_boxes_of_a_class_that_overlap_the_best_is_left_and_says_where_it_is_from():
    # Places 0 and 2 have one box, 1 and 3 another.
    boxes = torch.tensor([[0.0, 0, 9, 9], [20, 20, 29, 29]]).repeat(2, 1)
    detections, index = detect(
        SCORES,
        boxes.__getitem__,
        (40, 40),
        score_thresh=0.25,
        topk=10,
        nms_thresh=0.5,
        max_detections=2,
    )
    # 0.9 beats 0.3 in class 1, 0.8 beats 0.6 in class 0; the third, 0.7 of class 1, is too many.
    assert index.tolist() == [0, 1]
    assert detections.pred_classes.tolist() == [1, 0]
    torch.testing.assert_close(detections.scores, torch.tensor([0.9, 0.8]))
    assert detections.pred_boxes.tensor.tolist() == boxes[[0, 1]].tolist()


# The second overlaps the first by 0.8, the third nothing.
BOXES = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8], [15, 15, 30, 30]])
OPTIONS = {"score_thresh": 0.1, "topk": 100, "nms_thresh": 0.5, "max_detections": 100}


def detected(scores, **options):
    options = OPTIONS | options
    return detect([torch.tensor(scores)], BOXES.__getitem__, (20, 20), **options)[0]


def test_greedy_nms_removes_only_within_a_class():
    found = detected([[0.9, 0.0], [0.8, 0.7], [0.0, 0.2]])
    assert found.scores.tolist() == pytest.approx([0.9, 0.7, 0.2])
    assert found.pred_classes.tolist() == [0, 1, 1]


def test_matrix_nms_lowers_scores_and_sorts_anew():
    found = detected([[0.9], [0.8], [0.2]], nms="matrix")
    assert found.scores.tolist() == pytest.approx([0.9, 0.2, 0.8 * 0.2])
    assert len(detected([[0.9], [0.8], [0.2]], nms="matrix", score_thresh=0.17)) == 2


def test_limits_keep_the_best():
    scores = [[0.2, 0.5], [0.0, 0.0], [0.3, 0.0]]
    assert detected(scores, topk=2).scores.tolist() == pytest.approx([0.5, 0.3])
    assert detected(scores, max_detections=1).scores.tolist() == pytest.approx([0.5])


@pytest.mark.parametrize("nms", ["greedy", "matrix"])
def test_nothing_above_the_threshold(nms):
    found = detected([[0.1], [0.0], [0.05]], nms=nms)
    assert len(found) == 0
    assert found.pred_boxes.tensor.shape == (0, 4)
