import math

import torch

from locount.data import register_datasets
from locount.training import Trainer


def test_counts_are_balanced_by_the_training_data(tiny_cfg, photos, tmp_path):
    # Three boxes count 1 and three count 2. Stage 0: all six in bin 0, weight 1. Stage 1: 6 /
    # (2 sqrt 3) / sqrt 3 = 1 for both, and sqrt 3 for the numbers without a box.
    name = f"locount:{photos}:train"
    register_datasets([name])
    tiny_cfg.DATASETS.TRAIN = (name,)
    tiny_cfg.DATALOADER.NUM_WORKERS = 0
    tiny_cfg.MODEL.COUNT_HEAD.BALANCE = "inverse_sqrt"
    tiny_cfg.OUTPUT_DIR = str(tmp_path)
    stages = Trainer(tiny_cfg).model.roi_heads.box_predictor
    expected = torch.full((100,), math.sqrt(3))
    expected[[1, 2]] = 1.0
    torch.testing.assert_close(stages[1].count_weights, expected)
    torch.testing.assert_close(stages[0].count_weights[0], torch.tensor(1.0))
