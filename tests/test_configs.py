"""Every config builds a model that trains two steps and predicts; the docs name the configs."""

import re
from pathlib import Path

import pytest
import torch
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from torch import nn

from locount.config import load_config
from locount.data.config_checks import num_classes_option
from locount.modeling import balance_counts
from locount.training import Trainer

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
LEAVES = sorted(p for p in CONFIGS.rglob("*.yaml") if not p.name.startswith("Base-"))
# Configs of the papers, which say only what differs.
PAPER_LEAVES = [p for p in LEAVES if p.parent.name not in ("Photos", "Shelf")]

TWO_STAGE = [p for p in LEAVES if p.name.startswith(("clcnet", "cascade", "faster", "dense"))]

every_leaf = pytest.mark.parametrize("path", LEAVES, ids=lambda p: str(p.relative_to(CONFIGS)))
# Networks that nothing here makes narrow.
SLOW = ("ssd300_VGG_16_1x", "ssd512_VGG_16_1x", "faster_rcnn_SENet154_FPN")

# Frozen batch norm relies on pretrained weights: with random ones activations overflow. Networks
# keep their depth, but are narrow where that can be had, to save time.
RANDOM_WEIGHTS = [
    *("MODEL.DEVICE", "cpu"),
    *("SOLVER.BASE_LR", 0.001),
    *("MODEL.RESNETS.NORM", "GN"),
    *("MODEL.BACKBONE.FREEZE_AT", 0),
    *("MODEL.RESNETS.WIDTH_PER_GROUP", 32, "MODEL.RESNETS.RES2_OUT_CHANNELS", 64),
    *("MODEL.FPN.OUT_CHANNELS", 64, "MODEL.ROI_BOX_HEAD.FC_DIM", 32),
]


def untrained(path):
    """The config of a model with random weights, all of whose detections are good enough."""
    cfg = load_config(str(path), RANDOM_WEIGHTS)
    cfg.MODEL.TORCHVISION.PRETRAINED_BACKBONE = cfg.MODEL.TIMM.PRETRAINED = False
    if "timm" in cfg.MODEL.BACKBONE.NAME:
        cfg.MODEL.TIMM.NORM = "BN"
    if cfg.MODEL.META_ARCHITECTURE == "CountingDETR":
        cfg.MODEL.DETR.HIDDEN_DIM = cfg.MODEL.DETR.FFN_DIM = 64
        cfg.MODEL.DETR.NUM_QUERIES //= 3
    key = num_classes_option(cfg).replace("NUM_CLASSES", "SCORE_THRESH_TEST")
    cfg.merge_from_list([key, 0.0])
    return cfg


def targets(size):
    return Instances(
        size,
        gt_boxes=Boxes(torch.tensor([[8.0, 8, 40, 56]])),
        gt_classes=torch.tensor([0]),
        gt_counts=torch.tensor([12]),
    )


def test_there_are_configs():
    assert len(PAPER_LEAVES) > 0


@every_leaf
def test_photos_without_goods_are_trained_on_but_of_coco(path):
    cfg = load_config(str(path))
    assert cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS is (path.parent.name == "COCO")


@pytest.mark.parametrize(
    "path",
    [pytest.param(p, marks=pytest.mark.slow if p.stem in SLOW else ()) for p in LEAVES],
    ids=lambda p: str(p.relative_to(CONFIGS)),
)
def test_config_builds_trains_and_predicts(path):
    cfg = untrained(path)
    model = build_model(cfg)
    if cfg.MODEL.COUNT_HEAD.BALANCE != "none":
        balance_counts(model, torch.tensor([1, 1, 12]))  # as the trainer does
    image = torch.randint(256, (3, 64, 64), dtype=torch.uint8)
    optimizer = Trainer.build_optimizer(cfg, model)
    # Two images, because SSDlite normalizes a map of one pixel; the second shows no goods.
    shelves = [targets((64, 64)), targets((64, 64))[:0]][: 1 if path.stem in SLOW else 2]
    batch = [{"image": image, "instances": shelf} for shelf in shelves]
    for _ in range(2):
        with EventStorage():
            losses = model.train()(batch)
        assert all(torch.isfinite(loss) for loss in losses.values())
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    counts = cfg.MODEL.COUNT_HEAD.STRATEGY != "none"
    assert any(name.startswith("loss_count") for name in losses) == counts

    with torch.no_grad():
        (output,) = model.eval()([{"image": image, "height": 128, "width": 96}])
    detections = output["instances"]
    assert detections.image_size == (128, 96)
    assert 0 < len(detections) <= cfg.TEST.DETECTIONS_PER_IMAGE
    assert detections.has("pred_counts") == counts


@pytest.mark.parametrize("path", TWO_STAGE, ids=lambda p: str(p.relative_to(CONFIGS)))
def test_boxes_of_two_stages_are_trained_by_smooth_l1(path):
    # β of the papers' frameworks; 0 would be L1. Losses of another type do not read it.
    model = build_model(untrained(path))
    assert model.proposal_generator.smooth_l1_beta == pytest.approx(1 / 9, abs=1e-4)
    predictors = model.roi_heads.box_predictor
    for predictor in predictors if isinstance(predictors, nn.ModuleList) else [predictors]:
        assert predictor.smooth_l1_beta == 1.0


def test_only_clcnet_is_tested_with_the_proposals_of_its_paper():
    proposals = {
        path: load_config(str(path)).MODEL.RPN.POST_NMS_TOPK_TEST
        for path in TWO_STAGE
        if path in PAPER_LEAVES
    }
    assert {p.name for p, n in proposals.items() if n == 512} == {
        p.name for p in proposals if p.name.startswith("clcnet")
    }
    assert set(proposals.values()) == {512, 1000}


@pytest.mark.parametrize("name", ["reppoints", "reppoints_cls"])
def test_reppoints_clips_the_whole_gradient_as_its_authors_do(name):
    clip = load_config(str(CONFIGS / f"Locount/{name}_R_50_FPN_1x.yaml")).SOLVER.CLIP_GRADIENTS
    assert (clip.ENABLED, clip.CLIP_TYPE, clip.CLIP_VALUE) == (True, "full_model", 35.0)
    assert clip.NORM_TYPE == 2.0


@every_leaf
def test_schedule_fits_together(path):
    solver = load_config(str(path)).SOLVER
    assert solver.WARMUP_ITERS < solver.MAX_ITER
    if solver.LR_SCHEDULER_NAME == "WarmupCosineLR":
        return  # it has no steps
    assert list(solver.STEPS) == sorted(solver.STEPS)
    assert all(step < solver.MAX_ITER for step in solver.STEPS)


@pytest.mark.parametrize("path", PAPER_LEAVES, ids=lambda p: str(p.relative_to(CONFIGS)))
def test_a_leaf_says_only_what_differs(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert len(lines) < 12


def test_the_model_zoo_links_every_config_of_the_papers():
    links = re.findall(r"\]\(\.\./configs/(\S+?\.yaml)\)", (ROOT / "docs/model_zoo.md").read_text())
    assert {CONFIGS / link for link in links} == set(PAPER_LEAVES)


@pytest.mark.parametrize(
    "document",
    [ROOT / "README.md", ROOT / "projects/Locount/README.md", *sorted(ROOT.glob("docs/*.md"))],
    ids=lambda p: p.name,
)
def test_configs_that_the_docs_name_exist(document):
    names = re.findall(r"\bconfigs/[\w/-]+\.yaml", document.read_text())
    assert [name for name in names if not (ROOT / name).is_file()] == []
