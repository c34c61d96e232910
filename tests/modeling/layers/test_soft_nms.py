import math

import numpy as np
import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_roi_heads
from detectron2.structures import Boxes, Instances, pairwise_iou
from detectron2.utils.testing import assert_instances_allclose, random_boxes

from locount.modeling import SoftNMS

from ..heads import NUM_CLASSES, PROPOSALS, make_cfg, predict

SIGMA = 0.5


def soft_nms(detections, method="linear", score_threshold=0.0, max_detections=-1):
    return SoftNMS(method, SIGMA)(detections, 0.5, score_threshold, max_detections)


def make_detections(boxes, scores, classes):
    n = len(scores)
    return Instances(
        (100, 100),
        pred_boxes=Boxes(torch.as_tensor(boxes, dtype=torch.float32).reshape(n, 4)),
        scores=torch.as_tensor(scores, dtype=torch.float32),
        pred_classes=torch.as_tensor(classes, dtype=torch.int64),
        pred_counts=torch.arange(n),
    )


# IoU of the first with the second 0.8, with the third 0.4; of the second with the third 0.5.
NESTED = [[0, 0, 10, 10], [0, 0, 10, 8], [0, 0, 10, 4]]


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        # The second falls to 0.9 * (1 - 0.8) = 0.18 and comes after the third, whose IoU with the
        # first is below 0.5. The third has IoU 0.5 with the second: 0.18 * (1 - 0.5) = 0.09.
        ("linear", {0: 1.0, 2: 0.8, 1: 0.09}),
        # exp(-0.4² / 0.5) leaves the third before the second: 0.8 * 0.726 > 0.9 * 0.278.
        (
            "gaussian",
            {
                0: 1.0,
                2: 0.8 * math.exp(-0.16 / SIGMA),
                1: 0.9 * math.exp(-0.64 / SIGMA) * math.exp(-0.25 / SIGMA),
            },
        ),
    ],
)
def test_scores_fall_as_in_the_paper(method, expected):
    detections = make_detections(NESTED, [1.0, 0.9, 0.8], [0, 0, 0])
    result, kept = soft_nms(detections, method)
    assert kept.tolist() == result.pred_counts.tolist() == list(expected)
    torch.testing.assert_close(result.scores, torch.tensor(list(expected.values())))


def test_other_classes_keep_their_scores():
    result, _ = soft_nms(make_detections(NESTED, [1.0, 0.9, 0.8], [0, 1, 2]))
    torch.testing.assert_close(result.scores, torch.tensor([1.0, 0.9, 0.8]))


def obvious_soft_nms(boxes, scores, method, score_threshold):
    """The pseudo-code of the paper's figure 3, as {place: score}."""
    left, found = dict(enumerate(scores)), {}
    while left:
        m = max(left, key=left.get)
        score = left.pop(m)
        if score > score_threshold:
            found[m] = score
        for i in left:
            iou = pairwise_iou(Boxes(boxes[m][None]), Boxes(boxes[i][None])).item()
            if method == "gaussian":
                left[i] *= math.exp(-(iou**2) / SIGMA)
            elif iou >= 0.5:
                left[i] *= 1 - iou
    return found


@pytest.mark.parametrize("method", ["linear", "gaussian"])
def test_equals_the_obvious_loop_over_each_class(method):
    boxes, scores = random_boxes(60, 30), torch.rand(60)
    classes = torch.randint(3, (60,))
    expected = {}
    for k in range(3):
        places = (classes == k).nonzero().squeeze(1)
        found = obvious_soft_nms(boxes[places], scores[places].tolist(), method, 0.05)
        expected |= {int(places[i]): score for i, score in found.items()}
    result, kept = soft_nms(make_detections(boxes, scores, classes), method, 0.05)
    assert kept.tolist() == sorted(expected, key=expected.get, reverse=True)
    np.testing.assert_allclose(result.scores, [expected[i] for i in kept.tolist()], rtol=1e-5)


def test_at_most_so_many_stay_and_those_are_the_best():
    detections = make_detections(NESTED, [1.0, 0.9, 0.8], [0, 0, 0])
    assert soft_nms(detections, max_detections=2)[1].tolist() == [0, 2]


def test_none_of_none_with_all_fields():
    result, kept = soft_nms(make_detections([], [], []))
    assert len(result) == len(kept) == 0
    assert result.get_fields().keys() == make_detections([], [], []).get_fields().keys()


def make_heads(cfg):
    return build_roi_heads(cfg, {"p2": ShapeSpec(channels=4, stride=4)})


def infer(heads):
    torch.manual_seed(0)  # the features are random
    return predict(heads, [PROPOSALS])[0]


HEADS = [
    ("FasterRCNNROIHeads", "none"),
    ("CLCNetROIHeads", "none"),
    ("CLCNetROIHeads", "classification"),
]


def make_cfg_of(name, strategy):
    cfg = make_cfg((0.5,), STRATEGY=strategy)
    cfg.MODEL.ROI_HEADS.NAME = name
    return cfg


@pytest.mark.parametrize(("name", "strategy"), HEADS)
def test_heads_rescore_what_their_nms_would_drop(name, strategy):
    cfg = make_cfg_of(name, strategy)
    plain = make_heads(cfg)
    cfg.MODEL.SOFT_NMS.METHOD = "linear"
    soft = make_heads(cfg)
    soft.load_state_dict(plain.state_dict())
    hard = infer(plain)
    predictor = plain.box_predictor
    (predictor if name == "FasterRCNNROIHeads" else predictor[-1]).test_nms_thresh = 1.0
    everything, found = infer(plain), infer(soft)
    # two of the three proposals overlap by more than 0.5
    assert len(everything) == 3 * NUM_CLASSES > len(hard)
    expected, _ = soft_nms(everything)
    assert found.get_fields().keys() == hard.get_fields().keys()
    assert_instances_allclose(found, expected)


def test_joint_ranking_comes_after_soft_nms():
    # It multiplies each score by a share of AC thresholds, and finds the same boxes.
    cfg = make_cfg(RANKING="class")
    cfg.MODEL.SOFT_NMS.METHOD = "gaussian"
    by_class = make_heads(cfg)
    cfg.MODEL.COUNT_HEAD.RANKING = "joint"
    jointly = make_heads(cfg)
    jointly.load_state_dict(by_class.state_dict())
    a, b = infer(by_class), infer(jointly)
    rows = [torch.cat([d.pred_boxes.tensor, d.pred_classes[:, None]], 1).tolist() for d in (a, b)]
    assert sorted(rows[0]) == sorted(rows[1])
    assert b.scores.max() < a.scores.max()


@pytest.mark.parametrize(("name", "strategy"), HEADS)
def test_heads_find_nothing_without_proposals(name, strategy):
    cfg = make_cfg_of(name, strategy)
    cfg.MODEL.SOFT_NMS.METHOD = "gaussian"
    (found,) = predict(make_heads(cfg), [PROPOSALS[[]]])
    assert len(found) == 0
