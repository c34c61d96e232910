"""What Detectron2 offers works with the counting heads."""

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import BitMasks, Boxes, Instances
from detectron2.utils.events import EventStorage
from torch.testing import assert_close

from locount.modeling import CountingRCNNWithTTA


@pytest.fixture(params=["classification", "regression"])
def cfg(tiny_cfg, request):
    tiny_cfg.MODEL.COUNT_HEAD.STRATEGY = request.param
    return tiny_cfg


def build(cfg):
    """A model whose regions count differently."""
    model = build_model(cfg)
    for predictor in model.roi_heads.box_predictor:
        predictor.count_pred.weight.data.uniform_(0, 100)
    return model


def train(model, batch):
    with EventStorage():
        losses = model.train()(batch)
    sum(losses.values()).backward()
    return losses


def test_a_batch_is_predicted_as_its_images_one_by_one(cfg, batch):
    # All regions in all classes: non-maximum suppression could turn a rounding error into another
    # detection. The order of equal scores is anyone's.
    cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST = 1.0
    cfg.TEST.DETECTIONS_PER_IMAGE = 1000
    model = build(cfg).eval()
    with torch.no_grad():
        expected = [model([image])[0]["instances"] for image in batch]
    with torch.inference_mode():
        outputs = [output["instances"] for output in model(batch)]
    for e, o in zip(expected, outputs, strict=True):
        assert len(o) == len(e) > 100
        keys = [torch.cat([d.pred_boxes.tensor, 100 * d.pred_classes[:, None]], 1) for d in (e, o)]
        distance, match = (keys[0][:, None] - keys[1][None]).abs().amax(dim=2).min(dim=1)
        assert distance.max() < 1e-3
        assert torch.equal(o.pred_counts[match], e.pred_counts)
        assert_close(o.count_scores[match], e.count_scores, rtol=1e-3, atol=1e-5)
        assert_close(o.scores[match], e.scores, rtol=1e-3, atol=1e-5)
    assert len(outputs[0].pred_counts.unique()) > 1


@pytest.mark.parametrize("all_of_it", [True, False])
def test_heads_learn_on_a_frozen_backbone(cfg, batch, all_of_it):
    cfg.MODEL.BACKBONE.FREEZE_AT = 5
    model = build_model(cfg)
    frozen = model.backbone.requires_grad_(False) if all_of_it else model.backbone.bottom_up
    train(model, batch)
    assert all(p.grad is None for p in frozen.parameters())
    assert any(p.grad is not None for p in model.backbone.parameters()) != all_of_it
    for predictor in model.roi_heads.box_predictor:
        assert predictor.count_pred.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("append", [True, False])
def test_ground_truth_among_the_proposals_carries_its_own_count(tiny_cfg, batch, append):
    tiny_cfg.MODEL.ROI_HEADS.PROPOSAL_APPEND_GT = append
    targets = batch[0]["instances"]
    nowhere = Instances((64, 64), proposal_boxes=Boxes(torch.tensor([[60.0, 60, 64, 64]])))
    nowhere.objectness_logits = torch.zeros(1)
    with EventStorage():
        heads = build_model(tiny_cfg).roi_heads
        (sampled,) = heads.label_and_sample_proposals([nowhere], [targets])
    foreground = sampled[sampled.gt_classes < tiny_cfg.MODEL.ROI_HEADS.NUM_CLASSES]
    counts = {
        tuple(box.tolist()): count.item()
        for box, count in zip(foreground.proposal_boxes, foreground.gt_counts, strict=True)
    }
    assert counts == ({(8, 8, 40, 56): 12, (30, 20, 50, 40): 1} if append else {})
    assert len(sampled) == len(counts) + 1


def test_masks_and_counts(cfg, batch):
    cfg.MODEL.MASK_ON = True
    cfg.MODEL.ROI_MASK_HEAD.CONV_DIM = 8
    cfg.TEST.AUG.MIN_SIZES = (48, 64)
    for image in batch:
        masks = torch.zeros(len(image["instances"]), 64, 64, dtype=torch.bool)
        image["instances"].gt_masks = BitMasks(masks)
    model = build_model(cfg)
    losses = train(model, batch)
    assert torch.isfinite(losses["loss_mask"])
    with torch.inference_mode():
        for predict in (model.eval(), CountingRCNNWithTTA(cfg, model)):
            for output in predict(batch):
                detections = output["instances"]
                assert len(detections) == len(detections.pred_counts) > 0
                assert detections.pred_masks.shape == (len(detections), 64, 64)
