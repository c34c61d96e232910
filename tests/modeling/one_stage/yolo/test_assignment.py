import torch
from detectron2.structures import Boxes, Instances

from locount.modeling.one_stage.yolo.anchors import Levels, anchor_grid
from locount.modeling.one_stage.yolo.assignment import (
    assign_targets,
    find_objects,
    match_objects,
    shape_iou,
    size_weights,
)

# Predictions 0 to 31 are on the fine level of 4 x 4 cells, 32 to 39 on the coarse one of 2 x 2.
ANCHORS = torch.tensor([[[10.0, 10], [20, 10]], [[40, 40], [80, 40]]])
LEVELS = Levels(ANCHORS, [8, 16], [(4, 4), (2, 2)])


def box(centre_x, centre_y, width, height):
    return [
        centre_x - width / 2,
        centre_y - height / 2,
        centre_x + width / 2,
        centre_y + height / 2,
    ]


def match(*boxes):
    return match_objects(torch.tensor(boxes).reshape(-1, 4), LEVELS)


def test_shape_iou_ignores_the_place():
    # 10 x 20 on 20 x 10: 100 of 300 are common.
    ious = shape_iou(torch.tensor([[10.0, 20], [20, 10]]), torch.tensor([[20.0, 10]]))
    torch.testing.assert_close(ious, torch.tensor([[1 / 3], [1.0]]))


def test_an_object_gets_the_best_anchor_of_all_levels_in_its_cell():
    predictions, learnt = match(
        box(17, 9, 20, 10),  # fine, second anchor, column 2, row 1: (1 * 4 + 2) * 2 + 1
        box(17, 18, 30, 36),  # coarse, first anchor, column 1, row 1: 32 + (1 * 2 + 1) * 2
    )
    assert predictions.tolist() == [13, 38]
    assert learnt.tolist() == [0, 1]


def test_matches_are_those_of_a_search_through_all_predictions():
    grid = anchor_grid(LEVELS)
    for _ in range(20):
        centre, size = 32 * torch.rand(2), 2 + 60 * torch.rand(2)
        best, best_iou = None, -1.0
        for r in range(40):
            corner = grid.cells[r] * grid.strides[r]
            inside = ((corner <= centre) & (centre < corner + grid.strides[r])).all()
            common = torch.minimum(size, grid.sizes[r]).prod()
            iou = common / (size.prod() + grid.sizes[r].prod() - common)
            if inside and iou > best_iou:
                best, best_iou = r, iou
        assert match(box(*centre.tolist(), *size.tolist()))[0].tolist() == [best]


def test_of_two_objects_in_one_place_the_later_is_learnt():
    predictions, learnt = match(box(4, 4, 10, 10), box(20, 4, 10, 10), box(5, 3, 10, 9))
    assert learnt.tolist() == [1, 2]
    assert predictions.tolist() == [4, 0]


def test_a_centre_on_the_edge_of_the_image_belongs_to_the_last_cell():
    assert match(box(32, 32, 10, 10))[0].tolist() == [30]


def test_small_objects_weigh_up_to_twice_as_much():
    boxes = torch.tensor([[0.0, 0, 20, 10], [0, 0, 10, 5]])
    assert size_weights(boxes, (10, 20)).tolist() == [1.0, 1.75]


def test_a_prediction_is_not_wrong_where_it_overlaps_an_object_by_more_than_the_threshold():
    predicted = torch.tensor([[0.0, 0, 10, 8], [0, 0, 10, 6], [50, 50, 60, 60]])  # IoU 0.8, 0.6, 0
    boxes = torch.tensor([[20.0, 20, 30, 30], [0, 0, 10, 10]])
    assert find_objects(predicted, boxes, 0.7).tolist() == [True, False, False]
    assert find_objects(predicted, boxes[:0], 0.7).tolist() == [False, False, False]


def test_only_unmatched_predictions_are_left_unjudged():
    image = Instances((32, 32), gt_boxes=Boxes(torch.tensor([box(4, 4, 10, 10)])))
    image.gt_classes = torch.tensor([7])
    predicted = torch.zeros(2, 40, 4)
    predicted[:, :2] = torch.tensor(box(4, 4, 10, 10))  # 0 is matched, 1 is not
    targets = assign_targets(predicted, [image, image[:0]], LEVELS, ignore_thresh=0.7)
    assert targets.judged[0].nonzero().flatten().tolist() == [0, *range(2, 40)]
    assert targets.judged[1].all()  # nothing to overlap
    assert targets.objectness.nonzero().tolist() == [[0, 0]]
    assert (targets.images.tolist(), targets.predictions.tolist()) == ([0], [0])
    assert targets.classes.tolist() == [7]
