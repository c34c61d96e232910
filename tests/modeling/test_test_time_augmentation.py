import copy

import pytest
import torch
from detectron2.modeling import GeneralizedRCNNWithTTA, RetinaNet, build_model

from locount.errors import InputError
from locount.modeling import CountingRCNNWithTTA
from locount.modeling.test_time_augmentation import vote_on_counts


@pytest.fixture
def cfg(tiny_cfg):
    tiny_cfg.TEST.AUG.MIN_SIZES = (48, 64)
    return tiny_cfg


def vote(votes, weights=None):
    """The winner of one detection's votes, pairs of count and count score."""
    counts, scores = torch.tensor(votes).T
    weights = torch.ones(len(votes)) if weights is None else torch.tensor(weights)
    (count,), (score,) = vote_on_counts(weights[None], counts.long(), scores)
    return count.item(), pytest.approx(score.item())


def test_a_single_vote_is_the_result():
    assert vote([(7, 0.25)]) == (7, 0.25)


def test_the_count_that_passes_most_thresholds_wins_and_not_the_most_voted():
    # Thresholds 0.50:0.05:0.95 and 1 passed if 9, 10 and 11 are true: by reporting 10 eight (AC
    # 8/9), eleven and nine (AC 10/11), together 28; by reporting 9 11 + 9 + 7 = 27, by 11
    # 6 + 9 + 11 = 26. The two votes for 1 give 22 to reporting 1.
    votes = [(1, 1.0), (1, 1.0), (9, 1.0), (10, 1.0), (11, 1.0)]
    assert vote(votes) == (10, 0.2)


def test_of_counts_that_pass_the_same_the_likelier_wins():
    assert vote([(49, 0.3), (47, 0.2)]) == (49, 0.15)  # 47 / 49 > 0.95


def test_detections_know_only_their_own_votes():
    counts, scores = vote_on_counts(torch.eye(2), torch.tensor([49, 47]), torch.tensor([0.3, 0.2]))
    assert counts.tolist() == [49, 47]
    torch.testing.assert_close(scores, torch.tensor([0.3, 0.2]))


def test_votes_weigh_by_score_and_certainty():
    assert vote([(1, 0.9), (5, 0.5)]) == (1, 0.45)
    assert vote([(1, 0.9), (5, 0.5)], weights=[0.2, 0.8]) == (5, 0.4)
    assert vote([(5, 0.5), (1, 0.9), (5, 0.5)]) == (5, pytest.approx(1 / 3))


def test_no_votes_no_counts():
    counts, scores = vote_on_counts(torch.ones(0, 0), torch.ones(0).long(), torch.ones(0))
    assert counts.shape == scores.shape == (0,)


@pytest.mark.parametrize("strategy", ["classification", "regression", "none"])
def test_detections_are_those_of_detectron2(cfg, batch, strategy):
    cfg.MODEL.COUNT_HEAD.STRATEGY = strategy
    model = build_model(cfg).eval()
    with torch.inference_mode():
        expected = GeneralizedRCNNWithTTA(cfg, model)(copy.deepcopy(batch))
        outputs = CountingRCNNWithTTA(cfg, model)(batch)
    for e, o in zip(expected, outputs, strict=True):
        e, o = e["instances"], o["instances"]
        assert len(o) > 0
        torch.testing.assert_close(o.pred_boxes.tensor, e.pred_boxes.tensor)
        assert torch.equal(o.scores, e.scores)
        assert torch.equal(o.pred_classes, e.pred_classes)
        assert o.has("pred_counts") == (strategy != "none")


def test_one_unchanged_version_of_the_image_gives_counts_of_plain_prediction(cfg, batch):
    # What is left after non-maximum suppression overlaps nothing, so that each votes for itself.
    cfg.TEST.AUG.MIN_SIZES, cfg.TEST.AUG.FLIP = (64,), False
    model = build_model(cfg).eval()
    with torch.inference_mode():
        for image in batch:
            (e,), (o,) = model([image]), CountingRCNNWithTTA(cfg, model)([image])
            e, o = e["instances"], o["instances"]
            o = o[o.pred_boxes.nonempty()]  # as plain prediction leaves them out
            assert torch.equal(o.scores, e.scores)
            assert torch.equal(o.pred_counts, e.pred_counts)
            torch.testing.assert_close(o.count_scores, e.count_scores)


def test_an_image_without_detections_has_none(cfg, batch):
    cfg.MODEL.ROI_HEADS.SCORE_THRESH_TEST = 1.0
    model = build_model(cfg).eval()
    with torch.inference_mode():
        for output in CountingRCNNWithTTA(cfg, model)(batch):
            detections = output["instances"]
            assert len(detections) == len(detections.pred_counts) == 0
            assert len(detections.count_scores) == 0


def test_a_detector_that_cannot_be_augmented_names_the_option(cfg):
    cfg.MODEL.META_ARCHITECTURE = RetinaNet.__name__
    cfg.MODEL.RETINANET.IN_FEATURES = ["p4", "p5"]
    with pytest.raises(InputError, match=r"TEST\.AUG\.ENABLED False"):
        CountingRCNNWithTTA(cfg, build_model(cfg))
