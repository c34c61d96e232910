import copy
from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.modeling.poolers import ROIPooler
from detectron2.structures import Boxes
from detectron2.utils.events import EventStorage

from locount.config import load_config
from locount.data.config_checks import num_classes_option
from locount.training.mixed_precision import autocast, half_type, prepare, train_in_mixed_precision

CONFIGS = Path(__file__).parents[2] / "configs" / "Shelf"


def train(model, batch):
    with EventStorage():
        losses = model.train()(batch)
    sum(losses.values()).backward()
    return losses


@pytest.mark.parametrize("strategy", ["classification", "regression", "none"])
def test_losses_are_nearly_those_of_float32(tiny_cfg, batch, strategy):
    tiny_cfg.MODEL.COUNT_HEAD.STRATEGY = strategy
    torch.manual_seed(0)  # else a label at the very threshold of a matcher could flip
    model = build_model(tiny_cfg)
    mixed = copy.deepcopy(model)
    train_in_mixed_precision(mixed)
    expected, losses = train(model, batch), train(mixed, batch)
    for name, loss in losses.items():
        # bfloat16 has 8 significant bits: 0.4 % in each of some twenty layers.
        torch.testing.assert_close(loss, expected[name], rtol=0.05, atol=0.005)
    assert any(not torch.equal(loss, expected[name]) for name, loss in losses.items())
    assert {p.dtype for p in mixed.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in mixed.parameters() if p.grad is not None} == {torch.float32}


def test_evaluation_stays_float32(tiny_cfg, batch):
    # The layout changes the order of sums, by some 1e-7; bfloat16 has steps of 1/256.
    model = build_model(tiny_cfg).eval()
    mixed = copy.deepcopy(model)
    train_in_mixed_precision(mixed)
    with torch.no_grad():
        for expected, output in zip(model(batch), mixed(batch), strict=True):
            scores = output["instances"].scores
            torch.testing.assert_close(scores, expected["instances"].scores, rtol=0, atol=1e-5)


def test_a_copy_runs_its_own_weights(tiny_cfg, batch):
    model = build_model(tiny_cfg)
    train_in_mixed_precision(model)
    copied = copy.deepcopy(model)
    train(copied, batch)
    assert all(p.grad is None for p in model.parameters())
    assert any(p.grad is not None for p in copied.parameters())


def test_boxes_are_pooled_where_they_are():
    # In bfloat16 the neighbours of 301 are 300 and 302.
    pooler = ROIPooler(output_size=3, scales=(1.0,), sampling_ratio=2, pooler_type="ROIAlignV2")
    features = torch.rand(1, 2, 320, 320).bfloat16()
    boxes = [Boxes(torch.tensor([[290.0, 290.0, 301.0, 301.0]]))]
    expected = pooler([features.float()], boxes)
    prepare(pooler)
    assert torch.equal(pooler([features], boxes), expected)


@pytest.mark.parametrize(
    ("capability", "expected"), [((7, 5), torch.float16), ((8, 0), torch.bfloat16)]
)
def test_gpus_before_ampere_have_no_bfloat16(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert half_type(torch.device("cuda")) == expected
    assert half_type(torch.device("cpu")) == torch.bfloat16


@pytest.mark.parametrize("name", ["retinanet_cls", "fcos", "reppoints_cls", "yolov3"])
def test_dense_detectors_score_and_place_in_float32(name, batch):
    options = ["MODEL.DEVICE", "cpu", "MODEL.WEIGHTS", "", "MODEL.TIMM.PRETRAINED", False]
    cfg = load_config(str(CONFIGS / f"{name}_small.yaml"), options)
    key = num_classes_option(cfg).replace("NUM_CLASSES", "SCORE_THRESH_TEST")
    cfg.merge_from_list([key, 0.0])
    model = build_model(cfg).eval()
    for prepared in (False, True):
        if prepared:
            prepare(model)
        with torch.no_grad(), autocast(model.device, True):
            detections = model(batch)[0]["instances"]
        assert len(detections) > 0
        scores = detections.scores
        assert scores.dtype == detections.pred_boxes.tensor.dtype == torch.float32
        assert not torch.equal(scores, scores.bfloat16().float())
