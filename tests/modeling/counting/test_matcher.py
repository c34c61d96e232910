import pytest
import torch

from locount.modeling import CountAwareMatcher
from locount.modeling.counting.matcher import IGNORED_COUNT

# Two ground-truth boxes of 3 and 20 instances, four proposals.
#   proposal 0 fits box 0 by IoU and count;
#   proposal 1 fits box 0 by IoU (.8) but not by count; box 1 would suffice by both (.6);
#   proposal 2 fits box 1 by IoU, none by count;
#   proposal 3 fits none by IoU.
IOU = torch.tensor([[0.9, 0.8, 0.0, 0.4], [0.0, 0.6, 0.7, 0.3]])
AGREES = torch.tensor([[True, False, False, True], [False, True, False, True]])
COUNTS = torch.tensor([3, 20])


@pytest.mark.parametrize(
    ("mode", "labels", "boxes_of_matches", "counts_of_matches"),
    [
        ("iou", [1, 1, 1, 0], [0, 0, 1], [3, 3, 20]),
        ("ignore", [1, 1, 1, 0], [0, 0, 1], [3, IGNORED_COUNT, IGNORED_COUNT]),
        ("negative", [1, 1, 0, 0], [0, 1], [3, 20]),
    ],
)
def test_what_each_mode_does_with_a_wrong_count(mode, labels, boxes_of_matches, counts_of_matches):
    matcher = CountAwareMatcher(0.5, mode)
    matches, match_labels = matcher(IOU, AGREES)
    targets = matcher.count_targets(COUNTS, matches, AGREES)
    positive = match_labels == 1
    assert match_labels.tolist() == labels
    assert matches[positive].tolist() == boxes_of_matches
    assert targets[positive].tolist() == counts_of_matches


@pytest.mark.parametrize("mode", ["iou", "ignore", "negative"])
def test_without_bins_iou_alone_decides(mode):
    matches, labels = CountAwareMatcher(0.5, mode)(IOU)
    assert labels.tolist() == [1, 1, 1, 0]
    assert matches[:3].tolist() == [0, 0, 1]


@pytest.mark.parametrize("mode", ["iou", "ignore", "negative"])
@pytest.mark.parametrize("shape", [(0, 3), (2, 0)])
def test_no_ground_truth_or_no_proposal(mode, shape):
    matches, labels = CountAwareMatcher(0.5, mode)(
        torch.zeros(shape), torch.zeros(shape, dtype=torch.bool)
    )
    assert matches.shape == labels.shape == (shape[1],)
    assert (labels == 0).all()


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="'both'; it must be one of iou, ignore, negative"):
        CountAwareMatcher(0.5, "both")
