import pytest
import torch
from detectron2.structures import Boxes, pairwise_iou

from locount.modeling.layers.matrix_nms import matrix_nms

# The second is half of the first, the third overlaps nothing.
WHOLE, HALF, FAR = [0.0, 0, 10, 10], [5.0, 0, 10, 10], [50.0, 50, 60, 55]


def nms(boxes, scores, classes=None):
    classes = [0] * len(boxes) if classes is None else classes
    return matrix_nms(torch.tensor(boxes), torch.tensor(scores), torch.tensor(classes))


def reference(boxes, scores, classes):
    """The formulas of the paper's section 3.3, one pair after another."""
    ious = pairwise_iou(Boxes(boxes), Boxes(boxes))
    order = sorted(range(len(boxes)), key=lambda i: -scores[i])
    result = scores.clone()
    for j, box in enumerate(order):
        better = [i for i in order[:j] if classes[i] == classes[box]]
        shares = [1.0]
        for i in better:
            above = order[: order.index(i)]
            covered = max((ious[k, i] for k in above if classes[k] == classes[i]), default=0.0)
            shares.append((1 - ious[i, box]) / (1 - covered))
        result[box] *= min(shares)
    return result


@pytest.mark.parametrize("num_classes", [1, 3])
def test_scores_are_those_of_the_formula(num_classes):
    corners, sizes = 20 * torch.rand(40, 2), 5 + 10 * torch.rand(40, 2)
    boxes = torch.cat([corners, corners + sizes], dim=1)
    scores, classes = torch.rand(40), torch.randint(num_classes, (40,))
    expected = reference(boxes, scores, classes)
    torch.testing.assert_close(matrix_nms(boxes, scores, classes), expected)
    assert (expected < scores).any()


def test_a_worse_box_loses_by_its_overlap():
    torch.testing.assert_close(
        nms([HALF, FAR, WHOLE], [0.8, 0.3, 0.9]), torch.tensor([0.4, 0.3, 0.9])
    )


def test_a_box_of_another_class_loses_nothing():
    torch.testing.assert_close(nms([WHOLE, HALF], [0.9, 0.8], [0, 1]), torch.tensor([0.9, 0.8]))


def test_of_equal_boxes_and_scores_the_first_is_kept():
    torch.testing.assert_close(nms([WHOLE, WHOLE, WHOLE], [0.9] * 3), torch.tensor([0.9, 0.0, 0.0]))


def test_no_boxes():
    assert matrix_nms(
        torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long)
    ).shape == (0,)
