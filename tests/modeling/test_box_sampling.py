import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.structures import Boxes, Instances, pairwise_iou
from detectron2.utils.events import EventStorage

from locount.modeling import BoxLossROIHeads, CLCNetROIHeads, sample_iou_balanced


def draw_counts(ious, num_samples, **kwargs):
    """How often each IoU was drawn. A box is never drawn twice."""
    ious = torch.tensor(ious)
    drawn = sample_iou_balanced(ious, num_samples, **kwargs)
    assert drawn.dtype == torch.int64
    assert len(drawn.unique()) == len(drawn)
    values = ious[drawn].tolist()
    return {iou: values.count(iou) for iou in set(ious.tolist())}


def ious_of(*groups):
    return [iou for iou, n in groups for _ in range(n)]


# The largest IoU is 0.75 here, so that the bins of K = 3 are [0, 0.25), [0.25, 0.5), [0.5, 0.75].
@pytest.mark.parametrize(
    ("groups", "num_samples", "expected"),
    [
        pytest.param(
            [(0.0, 90), (0.25, 6), (0.75, 9)], 15, {0.0: 5, 0.25: 5, 0.75: 5}, id="each bin alike"
        ),
        pytest.param(
            [(0.0, 90), (0.25, 2), (0.75, 1)],
            15,
            {0.0: 12, 0.25: 2, 0.75: 1},
            id="what bins lack comes from the rest",
        ),
        pytest.param([(0.0, 90), (0.75, 1)], 15, {0.0: 14, 0.75: 1}, id="an empty bin"),
        pytest.param(
            [(0.0, 5), (0.25, 5), (0.75, 5)], 14, None, id="the remainder of 14 / 3 is drawn too"
        ),
        pytest.param([(0.0, 2), (0.75, 1)], 15, {0.0: 2, 0.75: 1}, id="fewer than asked for"),
        pytest.param([(0.0, 9), (0.75, 9)], 0, {0.0: 0, 0.75: 0}, id="none asked for"),
        pytest.param([(0.0, 20)], 15, {0.0: 15}, id="all far from any object"),
    ],
)
def test_number_from_each_bin(groups, num_samples, expected):
    counts = draw_counts(ious_of(*groups), num_samples)
    if expected is None:
        assert sum(counts.values()) == num_samples
        assert min(counts.values()) >= num_samples // 3
    else:
        assert counts == expected


def test_the_number_of_bins_is_free():
    # Ten bins of width 0.1 from 0 to 1: two of each.
    groups = [(i / 10 + 0.05, 4) for i in range(9)] + [(1.0, 4)]
    counts = draw_counts(ious_of(*groups), 20, bins=10)
    assert set(counts.values()) == {2}


@pytest.mark.parametrize(
    ("num_samples", "expected"),
    [
        # [0.125, 0.3125), [0.3125, 0.5), [0.5, 0.6875] hold 2, 2 and 2.
        (6, {0.0: 0, 0.125: 2, 0.375: 2, 0.6875: 2}),
        (9, {0.0: 3, 0.125: 2, 0.375: 2, 0.6875: 2}),
    ],
)
def test_below_the_floor_only_what_the_bins_lack(num_samples, expected):
    groups = [(0.0, 50), (0.125, 2), (0.375, 2), (0.6875, 2)]
    assert draw_counts(ious_of(*groups), num_samples, floor=0.125) == expected


def test_all_below_the_floor_is_a_draw_from_all():
    assert draw_counts([0.125] * 9, 6, floor=0.5) == {0.125: 6}


def test_nothing_to_draw_from():
    assert sample_iou_balanced(torch.zeros(0), 5).tolist() == []


def test_every_box_of_a_bin_can_be_drawn():
    # Each draw takes one of three boxes; that 200 miss one has a probability below 1e-34.
    ious = torch.tensor([0.0, 0.0, 0.0, 0.75])
    drawn = [sample_iou_balanced(ious, 2, bins=2) for _ in range(200)]
    assert set(torch.cat(drawn).tolist()) == {0, 1, 2, 3}


SHAPES = {"p4": ShapeSpec(channels=4, stride=16), "p5": ShapeSpec(channels=4, stride=32)}
OBJECT = torch.tensor([[0.0, 0, 30, 30]])


def instances(**fields):
    return Instances((300, 300), **fields)


def proposals_of(boxes):
    return instances(proposal_boxes=Boxes(boxes), objectness_logits=torch.zeros(len(boxes)))


def targets_of(boxes):
    classes, counts = torch.zeros(len(boxes)), torch.ones(len(boxes))
    return instances(gt_boxes=Boxes(boxes), gt_classes=classes.long(), gt_counts=counts.long())


@pytest.fixture(params=[CLCNetROIHeads, BoxLossROIHeads])
def heads(tiny_cfg, request):
    """Sixteen samples, four of them foreground."""
    model = tiny_cfg.MODEL
    model.BOX_SAMPLING.STRATEGY = "iou_balanced"
    model.ROI_HEADS.NAME = request.param.__name__
    model.ROI_HEADS.BATCH_SIZE_PER_IMAGE, model.ROI_HEADS.POSITIVE_FRACTION = 16, 0.25
    return request.param(tiny_cfg, SHAPES)


# Squares within the object, of side 30 * sqrt(IoU): six that match it, and background of IoU near
# 0.2 and 0.4. And 100 boxes far away.
SIDES = 30 * torch.tensor([0.8] * 6 + [0.2] * 8 + [0.45] * 8).sqrt()
NEAR = torch.stack([torch.zeros(22), torch.zeros(22), SIDES, SIDES], dim=1)
FAR = torch.tensor([[100.0, 100, 130, 130]]).expand(100, 4)


def sample(heads, proposals, targets):
    with EventStorage():
        return heads.label_and_sample_proposals(proposals, targets)


def test_the_first_stage_samples_background_by_iou(heads):
    (sampled,) = sample(heads, [proposals_of(torch.cat([FAR, NEAR]))], [targets_of(OBJECT)])
    background = sampled[sampled.gt_classes == heads.num_classes]
    assert (len(sampled), len(background)) == (16, 12)
    ious = pairwise_iou(background.proposal_boxes, Boxes(OBJECT))[:, 0]
    # Three bins from 0 to 0.45.
    assert torch.bucketize(ious, torch.tensor([0.15, 0.3])).bincount().tolist() == [4, 4, 4]


@pytest.mark.parametrize("append", [True, False])
def test_background_fills_what_foreground_leaves(heads, append):
    # Without a match among the proposals the object itself is the only foreground, if it is one of
    # them.
    heads.proposal_append_gt = append
    (sampled,) = sample(heads, [proposals_of(FAR)], [targets_of(OBJECT)])
    foreground = sampled.gt_classes != heads.num_classes
    assert (len(sampled), int(foreground.sum())) == (16, int(append))


def test_images_without_objects_or_proposals(heads):
    empty = torch.zeros(0, 4)
    no_object, no_proposal, neither = sample(
        heads,
        [proposals_of(FAR), proposals_of(empty), proposals_of(empty)],
        [targets_of(empty), targets_of(OBJECT), targets_of(empty)],
    )
    assert (no_object.gt_classes == heads.num_classes).tolist() == [True] * 16
    assert no_proposal.gt_classes.tolist() == [0]
    assert len(neither) == 0
