import copy

import pytest
import torch
from detectron2.modeling import GeneralizedRCNNWithTTA, RetinaNet, build_model
from detectron2.structures import Instances
from torch.testing import assert_close

from locount.errors import InputError
from locount.modeling import CountingRCNNWithTTA


@pytest.fixture
def cfg(tiny_cfg):
    tiny_cfg.TEST.AUG.MIN_SIZES = (48, 64)
    return tiny_cfg


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
        assert_close(o.pred_boxes.tensor, e.pred_boxes.tensor)
        assert torch.equal(o.scores, e.scores)
        assert torch.equal(o.pred_classes, e.pred_classes)
        assert o.has("pred_counts") == (strategy != "none")


def test_one_unchanged_version_of_the_image_gives_counts_of_plain_prediction(cfg, batch):
    # What non-maximum suppression has left it leaves again.
    cfg.TEST.AUG.MIN_SIZES, cfg.TEST.AUG.FLIP = (64,), False
    model = build_model(cfg).eval()
    with torch.inference_mode():
        for image in batch:
            (e,), (o,) = model([image]), CountingRCNNWithTTA(cfg, model)([image])
            e, o = e["instances"], o["instances"]
            o = o[o.pred_boxes.nonempty()]  # as plain prediction leaves them out
            assert torch.equal(o.scores, e.scores)
            assert torch.equal(o.pred_counts, e.pred_counts)
            assert_close(o.count_scores, e.count_scores)


def test_a_merged_box_keeps_the_count_of_the_version_it_comes_from(cfg):
    # The first box of both versions is one object, of class 1; the second is found in one only.
    boxes = torch.tensor([[8.0, 8, 40, 56], [8, 8, 39, 56], [44, 20, 60, 40]])
    plain, flipped = (Instances((64, 64)) for _ in range(2))
    plain.scores, flipped.scores = torch.tensor([0.6]), torch.tensor([0.9, 0.3])
    plain.pred_classes, flipped.pred_classes = torch.tensor([1]), torch.tensor([1, 2])
    plain.pred_counts, flipped.pred_counts = torch.tensor([12]), torch.tensor([11, 5])
    plain.count_scores, flipped.count_scores = torch.tensor([0.8]), torch.tensor([0.5, 0.4])
    tta = CountingRCNNWithTTA(cfg, build_model(cfg))
    tta._detections = [plain, flipped]
    merged = tta._merge_detections(boxes, [0.6, 0.9, 0.3], [1, 1, 2], (64, 64))
    assert merged.pred_boxes.tensor.tolist() == [[8, 8, 39, 56], [44, 20, 60, 40]]
    assert merged.pred_counts.tolist() == [11, 5]
    assert_close(merged.count_scores, torch.tensor([0.5, 0.4]))


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
