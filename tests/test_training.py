import math

import pytest
import torch

from locount.data import register_datasets
from locount.errors import InputError
from locount.training import Trainer


@pytest.fixture
def cfg(tiny_cfg, photos, tmp_path):
    name = f"locount:{photos}:train"
    register_datasets([name])
    tiny_cfg.DATASETS.TRAIN, tiny_cfg.DATASETS.TEST = (name,), ()
    tiny_cfg.DATALOADER.NUM_WORKERS = 0
    tiny_cfg.INPUT.MIN_SIZE_TRAIN = (64,)
    tiny_cfg.SOLVER.IMS_PER_BATCH = 2
    tiny_cfg.OUTPUT_DIR = str(tmp_path)
    return tiny_cfg


def test_counts_are_balanced_by_the_training_data(cfg):
    # Three boxes count 1 and three count 2. Stage 0: all six in bin 0, weight 1. Stage 1: 6 /
    # (2 sqrt 3) / sqrt 3 = 1 for both, and sqrt 3 for the numbers without a box.
    cfg.MODEL.COUNT_HEAD.BALANCE = "inverse_sqrt"
    stages = Trainer(cfg).model.roi_heads.box_predictor
    expected = torch.full((100,), math.sqrt(3))
    expected[[1, 2]] = 1.0
    torch.testing.assert_close(stages[1].count_loss.weights, expected)
    torch.testing.assert_close(stages[0].count_loss.weights[0], torch.tensor(1.0))


def test_resuming_goes_on_with_the_momentum(cfg):
    cfg.SOLVER.MAX_ITER = 1
    first = Trainer(cfg)
    first.train()
    second = Trainer(cfg)
    second.resume_or_load()
    expected, momentum = (t.optimizer.state_dict()["state"] for t in (first, second))
    assert len(expected) > 0
    for parameter, state in expected.items():
        assert torch.equal(momentum[parameter]["momentum_buffer"], state["momentum_buffer"])


def test_a_detector_that_cannot_be_augmented_fails_before_training(cfg):
    cfg.TEST.AUG.ENABLED = True
    cfg.MODEL.META_ARCHITECTURE = "RetinaNet"
    cfg.MODEL.RETINANET.IN_FEATURES = ["p4", "p5"]
    with pytest.raises(InputError, match=r"TEST\.AUG\.ENABLED False"):
        Trainer(cfg)
