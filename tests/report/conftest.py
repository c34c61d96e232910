import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from locount.config import load_config

NAMES = ("<b>cup</b> & co", "bowl", "apple")
# Image, category, box (XYWH), count.
TRUTH = (
    (1, 0, (10, 10, 40, 20), 12),
    (1, 1, (60, 10, 20, 20), 1),
    (2, 1, (10, 40, 30, 30), 4),
    (2, 2, (60, 40, 30, 20), 2),
)
# The same with a score in front of the count: cups right, a bowl missed, a bowl of 4 said to be 6.
FOUND = (
    (1, 0, (10, 10, 40, 20), 0.9, 12),
    (2, 1, (10, 40, 30, 30), 0.8, 6),
    (2, 2, (60, 40, 30, 20), 0.7, 2),
    (1, 2, (0, 60, 10, 10), 0.2, 1),
)

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def run_dir(tmp_path, add_evaluation):
    """What a training leaves: config, two lines of log, and an evaluation on two drawn photos."""
    folder = tmp_path / "run"
    folder.mkdir()
    cfg = load_config(
        str(CONFIGS / "Locount/clcnet_s2_cls10_R_50_FPN_1x.yaml"),
        ["DATASETS.TEST", ("locount:/shelves:test",), "OUTPUT_DIR", str(folder)],
    )
    (folder / "config.yaml").write_text(cfg.dump())
    lines = [
        {"iteration": 19, "total_loss": 2.0, "loss_cls_stage0": 1.5, "loss_cls_stage1": 1.0},
        {"iteration": 39, "total_loss": 1.0, "loss_cls_stage0": float("nan"), "lr": 0.02},
        {"iteration": 40, "bbox/AP": 50.0, "bbox/APlc": 25.0},
    ]
    (folder / "metrics.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "last_checkpoint").write_text("model_final.pth")
    add_evaluation(folder, "locount__shelves_test")
    return folder


@pytest.fixture
def add_evaluation():
    """Adds an evaluation of a name to a run: FOUND against TRUTH, on two photos of its own."""
    return _add_evaluation


def _add_evaluation(run_dir, name):
    folder = run_dir / "inference" / name
    folder.mkdir(parents=True)
    images = []
    for i in (1, 2):
        photo = folder / f"{i}.jpg"
        cv2.imwrite(str(photo), np.full((80, 100, 3), 60 * i, np.uint8))
        images.append({"id": i, "file_name": str(photo), "width": 100, "height": 80})
    truth = {
        "images": images,
        "categories": [{"id": i, "name": name} for i, name in enumerate(NAMES)],
        "annotations": [
            {"id": n, "image_id": i, "category_id": k, "bbox": box, "count": c}
            for n, (i, k, box, c) in enumerate(TRUTH, 1)
        ],
    }
    found = [
        {"image_id": i, "category_id": k, "bbox": box, "score": s, "count": c}
        for i, k, box, s, c in FOUND
    ]
    (folder / "locount_ground_truth.json").write_text(json.dumps(truth))
    (folder / "locount_instances_results.json").write_text(json.dumps(found))
