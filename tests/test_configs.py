"""Every config builds a model that trains two steps and predicts."""

from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from locount.config import load_config
from locount.modeling import balance_counts

CONFIGS = Path(__file__).parents[1] / "configs"
LEAVES = sorted(p for p in CONFIGS.rglob("*.yaml") if not p.name.startswith("Base-"))

# Frozen batch norm relies on pretrained weights: with random ones activations overflow.
RANDOM_WEIGHTS = [
    *("MODEL.DEVICE", "cpu"),
    *("MODEL.RESNETS.NORM", "GN"),
    *("MODEL.TIMM.NORM", "BN"),
    *("MODEL.ROI_HEADS.SCORE_THRESH_TEST", 0.0),
]


def targets(size):
    return Instances(
        size,
        gt_boxes=Boxes(torch.tensor([[8.0, 8, 40, 56]])),
        gt_classes=torch.tensor([3]),
        gt_counts=torch.tensor([12]),
    )


def test_there_are_configs():
    assert len(LEAVES) > 0


@pytest.mark.parametrize("path", LEAVES, ids=lambda p: str(p.relative_to(CONFIGS)))
def test_config_builds_trains_and_predicts(path):
    cfg = load_config(str(path), RANDOM_WEIGHTS)
    model = build_model(cfg)
    if cfg.MODEL.COUNT_HEAD.BALANCE != "none":
        balance_counts(model, torch.tensor([1, 1, 12]))  # as the trainer does
    image = torch.randint(256, (3, 64, 64), dtype=torch.uint8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
    for _ in range(2):
        with EventStorage():
            losses = model.train()([{"image": image, "instances": targets((64, 64))}])
        assert all(torch.isfinite(loss) for loss in losses.values())
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    counts = "clcnet" in path.name
    assert any(name.startswith("loss_count") for name in losses) == counts

    with torch.no_grad():
        (output,) = model.eval()([{"image": image, "height": 128, "width": 96}])
    detections = output["instances"]
    assert detections.image_size == (128, 96)
    assert 0 < len(detections) <= cfg.TEST.DETECTIONS_PER_IMAGE
    assert detections.has("pred_counts") == counts


@pytest.mark.parametrize("path", LEAVES, ids=lambda p: str(p.relative_to(CONFIGS)))
def test_schedule_fits_together(path):
    solver = load_config(str(path)).SOLVER
    assert list(solver.STEPS) == sorted(solver.STEPS)
    assert solver.STEPS[-1] < solver.MAX_ITER
