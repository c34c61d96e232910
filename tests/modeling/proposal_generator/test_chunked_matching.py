import pytest
import torch
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, pairwise_iou

from locount.modeling.proposal_generator.chunked_matching import match_boxes

MATCHERS = {
    "rpn": ([0.3, 0.7], [0, -1, 1], True),
    "rpn without low quality": ([0.3, 0.7], [0, -1, 1], False),
    "roi heads": ([0.5], [0, 1], False),
}


def random_boxes(num, size):
    """On a coarse grid, so that IoUs tie."""
    corner = torch.randint(0, 12, (num, 2)) * 4.0
    return Boxes(torch.cat([corner, corner + torch.randint(1, size, (num, 2)) * 4.0], dim=1))


@pytest.mark.parametrize("matcher", MATCHERS)
@pytest.mark.parametrize(("num_gt", "num_boxes"), [(9, 200), (1, 1), (0, 7), (7, 0), (0, 0)])
@pytest.mark.parametrize("max_ious", [1, 50, 10_000])
def test_chunks_match_as_the_whole_does(matcher, num_gt, num_boxes, max_ious):
    matcher = Matcher(*MATCHERS[matcher])
    for _ in range(10):
        # one of the objects lies far from all boxes now and then
        gt_boxes, boxes = random_boxes(num_gt, 5), random_boxes(num_boxes, 4)
        if num_gt and torch.rand(()) < 0.3:
            gt_boxes.tensor[0] += 1000
        expected = matcher(pairwise_iou(gt_boxes, boxes))
        for actual, wanted in zip(
            match_boxes(matcher, gt_boxes, boxes, max_ious), expected, strict=True
        ):
            assert actual.dtype == wanted.dtype
            assert torch.equal(actual, wanted)


def test_a_tie_in_another_chunk_is_found():
    # Two boxes with IoU 0.25 are the best of the object: both are positive, below 0.3 as they are.
    # The one between them, with 0.2, is not.
    gt_boxes = Boxes(torch.tensor([[0.0, 0, 10, 10]]))
    boxes = Boxes(torch.tensor([[0.0, 0, 5, 5], [0, 0, 5, 4], [5, 5, 10, 10]]))
    matches, labels = match_boxes(Matcher(*MATCHERS["rpn"]), gt_boxes, boxes, max_ious=1)
    assert matches.tolist() == [0, 0, 0]
    assert labels.tolist() == [1, 0, 1]
