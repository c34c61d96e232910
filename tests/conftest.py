import logging
import random
import shutil
from pathlib import Path

import cv2
import hypothesis
import numpy as np
import pytest
import torch
from detectron2.structures import Boxes, Instances

from locount.config import load_config

# A busy machine is no fault.
hypothesis.settings.register_profile("locount", deadline=None)
hypothesis.settings.load_profile("locount")

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory):
    """Tests leave the user's cache alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOCOUNT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def seed():
    """Random weights and data do not depend on which tests ran before in this process."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002, the state that Detectron2 draws from
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def photos(tmp_path_factory):
    """Three photos a split, each with a stack of two red cups and one blue box; Locount layout."""
    root = tmp_path_factory.mktemp("photos")
    for split in ("Train", "Test"):
        images, texts = root / f"Locount_Images{split}", root / f"Locount_GtTxts{split}"
        images.mkdir()
        texts.mkdir()
        for i in range(3):
            x = 4 + 8 * i
            image = np.full((64, 64, 3), 200, np.uint8)
            cv2.rectangle(image, (x, 8), (x + 15, 39), (0, 0, 255), -1)
            cv2.rectangle(image, (x + 16, 24), (x + 31, 39), (255, 0, 0), -1)
            cv2.imwrite(str(images / f"{i}.jpg"), image)
            (texts / f"{i}.txt").write_text(
                f"{x},8,{x + 16},40,cup,2\n{x + 16},24,{x + 32},40,box,1\n"
            )
    (root / "categories.txt").write_text("box\ncup\n")
    return root


@pytest.fixture
def tiny_cfg():
    """CLCNet-s(2)-cls(10) on the CPU: a narrow ResNet-18, boxes from p4 and p5, three classes.

    On a 64 x 64 image there are 60 anchors; all of them become proposals, and all are trained, so
    that nothing is left to chance but the weights.
    """
    cfg = load_config(str(CONFIGS / "Locount/clcnet_s2_cls10_R_50_FPN_1x.yaml"))
    model = cfg.MODEL
    model.DEVICE, model.WEIGHTS = "cpu", ""
    model.BACKBONE.FREEZE_AT = 0
    model.RESNETS.DEPTH, model.RESNETS.RES2_OUT_CHANNELS = 18, 64
    model.RESNETS.NORM = "GN"  # random weights overflow with frozen batch norm
    model.FPN.OUT_CHANNELS = 32
    model.ANCHOR_GENERATOR.SIZES = [[16], [32]]
    model.RPN.IN_FEATURES = model.ROI_HEADS.IN_FEATURES = ["p4", "p5"]
    model.RPN.NMS_THRESH = 1.0
    model.RPN.BATCH_SIZE_PER_IMAGE = model.ROI_HEADS.BATCH_SIZE_PER_IMAGE = 1000
    model.ROI_BOX_HEAD.FC_DIM = 32
    model.ROI_HEADS.NUM_CLASSES = 3
    model.ROI_HEADS.SCORE_THRESH_TEST = 0.0
    return cfg


@pytest.fixture
def batch():
    """Two noisy 64 x 64 images, one with a stack of twelve and a single item, one with nothing."""
    boxes = torch.tensor([[8.0, 8, 40, 56], [30, 20, 50, 40]])
    full = Instances((64, 64), gt_boxes=Boxes(boxes))
    full.gt_classes, full.gt_counts = torch.tensor([2, 0]), torch.tensor([12, 1])
    return [
        {
            "image": torch.randint(256, (3, 64, 64), dtype=torch.uint8),
            "file_name": name,
            "height": 64,
            "width": 64,
            "instances": instances,
        }
        for name, instances in (("full.jpg", full), ("empty.jpg", full[:0]))
    ]


@pytest.fixture(scope="session")
def untrained(photos, tmp_path_factory):
    """A folder with config.yaml and model.pth of a small network for ``photos``, never trained."""
    from detectron2.checkpoint import DetectionCheckpointer
    from detectron2.modeling import build_model

    from locount.config import load_config

    folder = tmp_path_factory.mktemp("untrained")
    cfg = load_config(
        str(CONFIGS / "Locount/clcnet_s2_cls10_R_50_FPN_1x.yaml"),
        [
            *("MODEL.RESNETS.DEPTH", 18, "MODEL.RESNETS.RES2_OUT_CHANNELS", 64),
            *("MODEL.FPN.OUT_CHANNELS", 32, "MODEL.ROI_BOX_HEAD.FC_DIM", 32),
            *("MODEL.RPN.POST_NMS_TOPK_TEST", 50, "MODEL.ROI_HEADS.NUM_CLASSES", 2),
            *("INPUT.MIN_SIZE_TEST", 64, "MODEL.WEIGHTS", "", "MODEL.DEVICE", "cpu"),
            *("DATASETS.TEST", (f"locount:{photos}:test",), "PREDICT.SCORE", 0.05),
        ],
    )
    model = build_model(cfg)
    for predictor in model.roi_heads.box_predictor:
        # Scores that differ, so that their order does not hang on the last bit.
        predictor.cls_score.weight.data *= 100
        predictor.count_pred.weight.data *= 100
    (folder / "config.yaml").write_text(cfg.dump())
    DetectionCheckpointer(model, str(folder)).save("model")
    return folder


@pytest.fixture
def predict(untrained, tmp_path):
    """`locount predict` into a folder, with the untrained model."""
    from locount.cli import main

    def predict(*arguments, output=tmp_path / "out"):
        model = ["--config-file", untrained / "config.yaml", "--weights", untrained / "model.pth"]
        return main(["predict", *map(str, [*arguments, *model, "--output", output])])

    return predict


@pytest.fixture
def own_handlers():
    """No handlers of another test's logs, which write to streams that are closed."""
    yield
    for name in ("detectron2", "fvcore", "locount"):
        logging.getLogger(name).handlers.clear()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Headless Chromium, of Debian's packages chromium and chromium-driver.

    ``browser.downloads`` is the folder it downloads to.
    """
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no chromium and chromedriver on the PATH")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("headless", "no-sandbox", "disable-gpu", "disable-background-networking"):
        options.add_argument(f"--{argument}")
    downloads = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    browser.downloads = downloads
    yield browser
    browser.quit()


@pytest.fixture(scope="session")
def calibrated(untrained, tmp_path_factory):
    """A model file of ``untrained`` for score 0.05: totals within 4, categories 2, counts 1 at any
    level up to 0.9."""
    from locount.calibration import Calibration
    from locount.calibration.calibration import Intervals
    from locount.calibration.conformal import Quantiles, Spread
    from locount.calibration.isotonic import Isotonic
    from locount.checkpoint import calibrated_checkpoint, slim_checkpoint

    def within(distance):
        nine = Quantiles.of(np.full(9, 2.0 * distance), np.arange(9))
        return Intervals(Spread(0.0, 0.5, 0.5), nine)

    folder = tmp_path_factory.mktemp("calibrated")
    slim_checkpoint(
        untrained / "model.pth", folder / "slim.pth", config_file=untrained / "config.yaml"
    )
    share = Isotonic([0.0, 0.5], [0.25, 0.75])
    calibration = Calibration(0.05, 1.0, share, within(4), within(2), within(1))
    calibrated_checkpoint(folder / "slim.pth", folder / "model.pth", calibration)
    return folder / "model.pth"
