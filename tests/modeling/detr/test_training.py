"""From training to prediction, with averaged weights, mixed precision and a stop in between."""

import json

import cv2
import pytest
from detectron2.engine import DefaultPredictor

from locount.data import check_datasets
from locount.inference import Predictor
from locount.training import Trainer

pytestmark = pytest.mark.usefixtures("own_handlers")


@pytest.fixture
def train(detr_cfg, photos, tmp_path):
    """Train up to some iterations, or go on; the config, and the last of each logged figure."""

    def train(iterations, *, resume=False):
        names = {split: (f"locount:{photos}:{split}",) for split in ("train", "test")}
        cfg = detr_cfg(
            "d_fine",
            *("DATASETS.TRAIN", names["train"], "DATASETS.TEST", names["test"]),
            *("MODEL.DETR.NUM_CLASSES", 2, "DATALOADER.NUM_WORKERS", 0),
            *("INPUT.MIN_SIZE_TRAIN", (64,), "INPUT.MIN_SIZE_TEST", 64),
            *("SOLVER.IMS_PER_BATCH", 2, "SOLVER.MAX_ITER", iterations, "SOLVER.WARMUP_ITERS", 1),
            *("SOLVER.AMP.ENABLED", True, "SOLVER.CHECKPOINT_PERIOD", 1, "TEST.EVAL_PERIOD", 2),
            *("PREDICT.SCORE", 0.0, "PREDICT.MAX_OVERLAP", 1.0),
            *("OUTPUT_DIR", str(tmp_path / "output")),
        )
        check_datasets(cfg, [*names["train"], *names["test"]])
        trainer = Trainer(cfg)
        trainer.resume_or_load(resume)
        assert trainer.start_iter == (1 if resume else 0)
        trainer.train()
        with open(tmp_path / "output/metrics.json") as lines:
            logged = map(json.loads, lines)
            return cfg, {key: value for entry in logged for key, value in entry.items()}

    return train


def test_train_resume_evaluate_and_predict(train, photos, tmp_path):
    train(1)
    cfg, logged = train(2, resume=True)
    assert {"loss_count", "loss_vfl_dn", "loss_ddf", "bbox/APlc"} <= logged.keys()

    cfg.MODEL.WEIGHTS = str(tmp_path / "output/model_final.pth")
    image = cv2.imread(str(photos / "Locount_ImagesTest/0.jpg"))
    found = DefaultPredictor(cfg)(image)["instances"]
    ours = Predictor(cfg.MODEL.WEIGHTS)(image)
    assert len(found) == len(ours.boxes) > 0
    assert found.pred_counts.tolist() == ours.counts.tolist()
