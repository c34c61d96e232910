import torch

from locount.modeling.counting_inference import counting_inference

# Three regions, one class and background: two that overlap and one apart.
BOXES = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]])
SCORES = torch.tensor([[0.6, 0.4], [0.9, 0.1], [0.3, 0.7]])
COUNTS = torch.tensor([3, 7, 11])
COUNT_SCORES = torch.tensor([0.1, 0.2, 0.3])


def infer(boxes, scores, counts, count_scores):
    instances, regions = counting_inference(
        [boxes], [scores], [counts], [count_scores], [(40, 40)], 0.05, 0.5, 150
    )
    return instances[0], regions[0]


def test_a_detection_has_the_count_of_its_region():
    # NMS drops region 0, which overlaps the better region 1 by 0.9; sorted by score that leaves 1
    # and 2.
    detections, regions = infer(BOXES, SCORES, COUNTS, COUNT_SCORES)
    assert regions.tolist() == [1, 2]
    assert detections.pred_counts.tolist() == [7, 11]
    torch.testing.assert_close(detections.count_scores, torch.tensor([0.2, 0.3]))
    assert detections.pred_boxes.tensor.tolist() == BOXES[[1, 2]].tolist()


def test_counts_stay_with_their_regions_when_others_are_not_finite():
    boxes = torch.cat([torch.full((1, 4), float("nan")), BOXES])
    scores = torch.cat([SCORES[:1], SCORES])
    counts, count_scores = (
        torch.cat([COUNTS[:1], COUNTS]),
        torch.cat([COUNT_SCORES[:1], COUNT_SCORES]),
    )
    detections, regions = infer(boxes, scores, counts, count_scores)
    assert regions.tolist() == [2, 3]
    assert detections.pred_counts.tolist() == [7, 11]


def test_no_region_gives_no_detection_with_all_fields():
    detections, regions = infer(BOXES[:0], SCORES[:0], COUNTS[:0], COUNT_SCORES[:0])
    assert len(detections) == len(regions) == 0
    assert set(detections.get_fields()) == {
        "pred_boxes",
        "scores",
        "pred_classes",
        "pred_counts",
        "count_scores",
    }
    assert detections.pred_counts.dtype == torch.int64
