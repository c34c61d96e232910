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
