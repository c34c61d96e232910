import math

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.roi_heads import CascadeROIHeads
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from locount.modeling import CountAwareMatcher, CountingFastRCNNOutputLayers, SoftNMS
from locount.modeling.counting.matcher import IGNORED_COUNT

from ..heads import (
    IMAGE_SIZE,
    NUM_CLASSES,
    PROPOSALS,
    TARGETS,
    WEIGHTS,
    make_cfg,
    make_heads,
    make_inputs,
    make_proposals,
    make_targets,
    predict,
    train,
)


@pytest.mark.parametrize(("ious", "bins"), [((0.5,), [100]), ((0.5, 0.7), [10, 100])])
def test_stages_count_over_the_bins_of_the_partition(ious, bins):
    heads = make_heads(make_cfg(ious))
    assert [p.count_pred.out_features for p in heads.box_predictor] == bins
    assert all(isinstance(m, CountAwareMatcher) for m in heads.proposal_matchers)
    assert [p.box2box_transform.weights for p in heads.box_predictor] == list(WEIGHTS[: len(ious)])


@pytest.mark.parametrize(
    "count_head",
    [
        {"STRATEGY": "regression"},
        *({"LOSS": loss} for loss in ["cross_entropy", "cumulative_link"]),
    ],
    ids=lambda count_head: next(iter(count_head.values())),
)
def test_every_stage_has_its_count_loss(count_head):
    losses, _ = train(make_heads(make_cfg(**count_head)), [PROPOSALS], [TARGETS])
    assert set(losses) == {
        f"loss_{name}_stage{stage}" for name in ("cls", "box_reg", "count") for stage in range(2)
    }
    assert all(loss > 0 for name, loss in losses.items() if "count" in name or "cls" in name)


def test_without_counting_it_is_cascade_rcnn():
    cfg = make_cfg(STRATEGY="none")
    ours = make_heads(cfg)
    plain = CascadeROIHeads(cfg, {"p2": ShapeSpec(channels=4, stride=4)})
    plain.load_state_dict(ours.state_dict())  # strict: the same parameters
    assert not any(isinstance(p, CountingFastRCNNOutputLayers) for p in ours.box_predictor)
    images, features = make_inputs()
    results = []
    for heads in (ours, plain):
        torch.manual_seed(1)
        with EventStorage():
            _, losses = heads.train()(images, features, [PROPOSALS], [TARGETS])
        with torch.no_grad():
            instances, _ = heads.eval()(images, features, [PROPOSALS])
        results.append((losses, instances[0]))
    assert results[0][0] == results[1][0]
    assert torch.equal(results[0][1].pred_boxes.tensor, results[1][1].pred_boxes.tensor)
    assert not results[0][1].has("pred_counts")


def test_class_and_box_of_detections_are_those_of_cascade_rcnn():
    # Counting adds a layer and changes nothing else: with equal weights scores and boxes are equal.
    counting = make_heads(make_cfg())
    plain = make_heads(make_cfg(STRATEGY="none"))
    missing = plain.load_state_dict(counting.state_dict(), strict=False)
    assert not missing.missing_keys
    images, features = make_inputs()
    with torch.no_grad():
        ours, _ = counting.eval()(images, features, [PROPOSALS])
        base, _ = plain.eval()(images, features, [PROPOSALS])
    assert torch.equal(ours[0].pred_boxes.tensor, base[0].pred_boxes.tensor)
    assert torch.equal(ours[0].pred_classes, base[0].pred_classes)
    torch.testing.assert_close(ours[0].scores, base[0].scores)


def test_detections_carry_the_count_of_the_last_stage():
    heads = make_heads(make_cfg())
    with torch.no_grad():
        heads.box_predictor[0].count_pred.bias[2] = 99.0  # twenty-something
        heads.box_predictor[1].count_pred.bias[17] = 99.0
    (detections,) = predict(heads, [PROPOSALS])
    assert len(detections) > 0
    assert (detections.pred_counts == 17).all()
    assert detections.pred_counts.dtype == torch.int64
    torch.testing.assert_close(detections.count_scores, torch.ones(len(detections)))


@pytest.mark.parametrize("strategy", ["classification", "regression"])
@pytest.mark.parametrize("matching", ["iou", "ignore", "negative"])
@pytest.mark.parametrize(
    ("proposals", "targets"),
    [
        pytest.param([PROPOSALS], [make_targets([], [], [])], id="no ground truth"),
        pytest.param([make_proposals([])], [TARGETS], id="no proposal"),
        pytest.param([make_proposals([])], [make_targets([], [], [])], id="neither"),
        pytest.param(
            [PROPOSALS, PROPOSALS],
            [make_targets([], [], []), TARGETS],
            id="one image without ground truth",
        ),
    ],
)
def test_empty_images_train(strategy, matching, proposals, targets):
    heads = make_heads(make_cfg(MATCHING=matching, STRATEGY=strategy))
    losses, _ = train(heads, proposals, targets)
    has_foreground = sum(map(len, targets)) > 0
    for stage, predictor in enumerate(heads.box_predictor):
        loss = losses[f"loss_count_stage{stage}"]
        assert torch.isfinite(loss)
        if not has_foreground:
            assert loss == 0
        heads.zero_grad()
        loss.backward(retain_graph=True)
        assert predictor.count_pred.weight.grad is not None


@pytest.mark.parametrize("strategy", ["classification", "regression"])
def test_no_proposal_gives_well_formed_empty_detections(strategy):
    heads = make_heads(make_cfg(STRATEGY=strategy))
    detections, others = predict(heads, [make_proposals([]), PROPOSALS])
    assert len(detections) == 0
    assert set(detections.get_fields()) == set(others.get_fields())
    assert detections.pred_boxes.tensor.shape == (0, 4)
    assert detections.pred_counts.dtype == others.pred_counts.dtype == torch.int64


def unsure_of_the_count(**count_head):
    """One stage, which says 12 with 36, 15 and 16 with 32 per cent each."""
    heads = make_heads(make_cfg((0.5,), **count_head))
    with torch.no_grad():
        layer = heads.box_predictor[0].count_pred
        layer.weight.zero_()
        layer.bias.fill_(-99.0)
        layer.bias[[12, 15, 16]] = torch.tensor([0.36, 0.32, 0.32]).log()
    return heads


def test_expected_ac_reports_what_passes_more_thresholds():
    (argmax,) = predict(unsure_of_the_count(), [PROPOSALS])
    assert (argmax.pred_counts == 12).all()
    torch.testing.assert_close(argmax.count_scores, torch.full((len(argmax),), 0.36))
    # 15 passes 6 of ten thresholds if there are 12, all if there are 15 and 9 if there are 16.
    (expected,) = predict(unsure_of_the_count(DECODE="expected_ac"), [PROPOSALS])
    share = 0.36 * 0.6 + 0.32 + 0.32 * 0.9
    assert (expected.pred_counts == 15).all()
    torch.testing.assert_close(expected.count_scores, torch.full((len(expected),), share))


def test_joint_ranking_multiplies_scores_by_the_expected_share():
    images, features = make_inputs()
    joint, plain = unsure_of_the_count(RANKING="joint"), unsure_of_the_count()
    plain.load_state_dict(joint.state_dict())
    with torch.no_grad():
        ours, _ = joint.eval()(images, features, [PROPOSALS])
        base, _ = plain.eval()(images, features, [PROPOSALS])
    # 12 passes all ten thresholds if there are 12, 7 if there are 15 and 6 if there are 16.
    share = 0.36 + 0.32 * 0.7 + 0.32 * 0.6
    torch.testing.assert_close(ours[0].scores, share * base[0].scores)
    assert torch.equal(ours[0].pred_counts, base[0].pred_counts)


@pytest.mark.parametrize(
    ("ranking", "boxes", "scores", "counts"),
    [
        ("class", [[0, 0, 20, 20], [40, 40, 60, 60]], [0.9, 0.06], [1, 1]),
        ("joint", [[0, 0, 20, 16], [40, 40, 60, 60]], [0.8, 0.03], [4, 1]),
    ],
)
def test_nms_keeps_what_is_ranked_first(ranking, boxes, scores, counts):
    # The first two overlap with IoU 0.8; all but the second waver between 1 and 4, which have no
    # AC in common. The threshold of 0.05 is one of the class score, whatever the ranking.
    heads = make_heads(make_cfg((0.5,), RANKING=ranking)).eval()
    heads.box_predictor[0].test_score_thresh = 0.05
    proposals = make_proposals([[0, 0, 20, 20], [0, 0, 20, 16], [40, 40, 60, 60], [10, 40, 30, 60]])
    foreground = torch.tensor([0.9, 0.8, 0.06, 0.04])
    classes = torch.full((4, NUM_CLASSES + 1), 1e-9)
    classes[:, 0], classes[:, -1] = foreground, 1 - foreground
    counting = torch.full((4, 100), -99.0)
    counting[[0, 2, 3], 1] = 1e-3  # of equal ones either might be reported
    counting[:, 4] = 0.0
    predictions = classes.log(), torch.zeros(4, 4 * NUM_CLASSES), counting
    (found,) = heads._inference([(predictions, [proposals])])
    assert found.pred_boxes.tensor.tolist() == boxes
    torch.testing.assert_close(found.scores, torch.tensor(scores), rtol=1e-3, atol=0)
    assert found.pred_counts.tolist() == counts


def iou_aware(ious=(0.5, 0.7), exponent=0.5, **count_head):
    cfg = make_cfg(ious, **count_head)
    cfg.MODEL.IOU_AWARE.LOSS_WEIGHT, cfg.MODEL.IOU_AWARE.EXPONENT = 2.0, exponent
    return make_heads(cfg)


@pytest.mark.parametrize("strategy", ["none", "classification", "regression"])
def test_the_last_stage_predicts_the_iou_of_its_boxes(strategy):
    heads = iou_aware(STRATEGY=strategy)
    names = {name for name, _ in heads.named_parameters() if "iou_pred" in name}
    assert names == {f"box_predictor.1.iou_pred.{part}" for part in ("weight", "bias")}
    losses, _ = train(heads, [PROPOSALS], [TARGETS])
    assert [name for name in losses if "iou" in name] == ["loss_iou_aware_stage1"]
    losses["loss_iou_aware_stage1"].backward()
    assert heads.box_predictor[1].iou_pred.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "count_head",
    [{"STRATEGY": "none"}, {}, {"RANKING": "joint"}],
    ids=lambda count_head: "".join(count_head.values()),
)
@pytest.mark.parametrize("exponent", [0.0, 0.25, 1.0])
def test_a_predicted_iou_is_a_factor_of_the_score(count_head, exponent):
    ours, plain = iou_aware(exponent=exponent, **count_head), make_heads(make_cfg(**count_head))
    plain.load_state_dict(ours.state_dict(), strict=False)
    torch.nn.init.zeros_(ours.box_predictor[1].iou_pred.weight)
    torch.nn.init.constant_(ours.box_predictor[1].iou_pred.bias, math.log(0.2 / 0.8))
    images, features = make_inputs()
    with torch.no_grad():
        (found,), _ = ours.eval()(images, features, [PROPOSALS])
        (base,), _ = plain.eval()(images, features, [PROPOSALS])
    expected = base.scores ** (1 - exponent) * 0.2**exponent
    torch.testing.assert_close(found.scores, expected)
    if exponent < 1:
        assert torch.equal(found.pred_boxes.tensor, base.pred_boxes.tensor)


@pytest.mark.parametrize(
    ("soft_nms", "boxes", "scores"),
    [
        # The second is ranked above the first, so that NMS removes that.
        (None, [[0, 0, 20, 16], [40, 40, 60, 60]], [0.8, 0.3]),
        # It falls to a fifth, and only what is above the threshold stays.
        (SoftNMS("linear"), [[0, 0, 20, 16], [40, 40, 60, 60], [0, 0, 20, 20]], [0.8, 0.3, 0.12]),
    ],
)
def test_a_predicted_iou_ranks_for_nms(soft_nms, boxes, scores):
    # The first two overlap with IoU 0.8. The threshold of 0.1 is one of the class score, which the
    # fourth misses.
    heads = iou_aware((0.5,), STRATEGY="none").eval()
    heads.box_predictor[0].test_score_thresh = 0.1
    heads.box_predictor[0].soft_nms = soft_nms
    proposals = make_proposals([[0, 0, 20, 20], [0, 0, 20, 16], [40, 40, 60, 60], [10, 40, 30, 60]])
    foreground = torch.tensor([0.9, 0.8, 0.12, 0.09])
    classes = torch.full((4, NUM_CLASSES + 1), 1e-9)
    classes[:, 0], classes[:, -1] = foreground, 1 - foreground
    ious = torch.tensor([0.4, 0.8, 0.75, 0.99]).logit()
    (found,) = heads._inference([((classes.log(), torch.zeros(4, 4), ious), [proposals])])
    assert found.pred_boxes.tensor.tolist() == boxes
    torch.testing.assert_close(found.scores, torch.tensor(scores), rtol=1e-3, atol=0)


@pytest.mark.parametrize("loss", ["cross_entropy", "cumulative_link"])
@pytest.mark.parametrize("decode", ["argmax", "expected_ac"])
@pytest.mark.parametrize("ranking", ["class", "joint"])
def test_no_proposal_with_every_decoding(loss, decode, ranking):
    heads = make_heads(make_cfg(LOSS=loss, DECODE=decode, RANKING=ranking))
    detections, others = predict(heads, [make_proposals([]), PROPOSALS])
    assert len(detections) == 0
    assert set(detections.get_fields()) == set(others.get_fields())


def test_regressed_counts_of_the_last_stage():
    heads = make_heads(make_cfg(STRATEGY="regression"))
    with torch.no_grad():
        heads.box_predictor[1].count_pred.weight.zero_()
        heads.box_predictor[1].count_pred.bias.fill_(16.5)
    (detections,) = predict(heads, [PROPOSALS])
    assert len(detections) > 0
    assert (detections.pred_counts == 17).all()


def label(heads, boxes, bins, targets):
    """Proposals of the second stage with the given bins (of ten) of the first, after labelling."""
    proposals = Instances(
        IMAGE_SIZE, proposal_boxes=Boxes(torch.tensor(boxes)), count_hypotheses=torch.tensor(bins)
    )
    with EventStorage() as storage:
        (labelled,) = heads._match_and_label_boxes([proposals], 1, [targets])
    return labelled, {name: value for name, (value, _) in storage.latest().items()}


@pytest.mark.parametrize(
    ("matching", "classes", "counts"),
    [
        ("iou", [0, 0, NUM_CLASSES], [12, 12]),
        ("ignore", [0, 0, NUM_CLASSES], [12, IGNORED_COUNT]),
        ("negative", [0, NUM_CLASSES, NUM_CLASSES], [12]),
    ],
)
def test_labels_of_the_second_stage(matching, classes, counts):
    # An object of 12 instances. Proposal 0 says 10 ... 19 and proposal 1 says 0 ... 9, both with
    # IoU 1; proposal 2 is elsewhere.
    heads = make_heads(make_cfg(MATCHING=matching))
    boxes = [[0.0, 0, 20, 20], [0.0, 0, 20, 20], [40.0, 40, 60, 60]]
    labelled, log = label(heads, boxes, [1, 0, 0], make_targets([[0, 0, 20, 20]], [0], [12]))
    assert labelled.gt_classes.tolist() == classes
    assert labelled.gt_counts[: len(counts)].tolist() == counts
    assert log["stage1/roi_head/num_fg_samples"] == sum(c < NUM_CLASSES for c in classes)
    assert log["stage1/roi_head/num_bg_samples"] == sum(c == NUM_CLASSES for c in classes)


@pytest.mark.parametrize("matching", ["iou", "ignore", "negative"])
@pytest.mark.parametrize("strategy", ["classification", "regression"])
def test_an_unknown_count_trains_box_and_class_alone(strategy, matching):
    # Whatever the first stage says about the count, it can't be wrong.
    heads = make_heads(make_cfg(MATCHING=matching, STRATEGY=strategy))
    boxes = [[0.0, 0, 20, 20], [0.0, 0, 20, 20], [40.0, 40, 60, 60]]
    targets = make_targets([[0, 0, 20, 20]], [0], [IGNORED_COUNT])
    labelled, _ = label(heads, boxes, [1, 9, 1], targets)
    assert labelled.gt_classes.tolist() == [0, 0, NUM_CLASSES]
    losses, _ = train(heads, [PROPOSALS], [targets])
    for stage in range(2):
        assert losses[f"loss_count_stage{stage}"] == 0
        assert losses[f"loss_cls_stage{stage}"] > 0


def test_the_second_stage_has_what_it_trains_and_no_other_field():
    targets = make_targets([[0, 0, 20, 20], [40, 40, 60, 60]], [0, 2], [12, 3])
    targets.gt_masks = torch.ones(2, 99)  # such as masks, which it would copy for every proposal
    labelled, _ = label(
        make_heads(make_cfg()), [[40.0, 40, 60, 60], [0.0, 0, 20, 20]], [0, 1], targets
    )
    assert {n for n in labelled.get_fields() if n.startswith("gt_")} == {
        "gt_boxes",
        "gt_classes",
        "gt_counts",
    }
    assert labelled.gt_boxes.tensor.tolist() == labelled.proposal_boxes.tensor.tolist()
    assert labelled.gt_counts.tolist() == [3, 12]
    assert labelled.gt_classes.tolist() == [2, 0]


def test_targets_without_counts_are_refused():
    targets = make_targets([[0, 0, 20, 20]], [0], [1])
    targets.remove("gt_counts")
    with pytest.raises(ValueError, match=r"gt_counts.*LocountDatasetMapper"):
        train(make_heads(make_cfg()), [PROPOSALS], [targets])


@pytest.mark.parametrize("append_gt", [True, False])
def test_ground_truth_as_proposals_or_not(append_gt):
    cfg = make_cfg()
    cfg.MODEL.ROI_HEADS.PROPOSAL_APPEND_GT = append_gt
    losses, storage = train(make_heads(cfg), [make_proposals([[40, 0, 60, 20]])], [TARGETS])
    # The only proposal fits no object: without the ground truth beside it there is no foreground.
    assert storage.latest()["roi_head/num_fg_samples"][0] == (2 if append_gt else 0)
    assert (losses["loss_count_stage0"] > 0) == append_gt
