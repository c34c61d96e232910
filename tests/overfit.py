"""Learning four real photos by heart: a detector that matches or decodes wrongly can not."""

import shutil
from pathlib import Path

import pytest
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog

from locount.data import check_datasets, register_datasets
from locount.data.config_checks import num_classes_option
from locount.training import Trainer

PACKS = Path(__file__).resolve().parents[2] / "shared" / "data" / "packs"

# 25 boxes of 4 of the 11 categories.
PHOTOS = ("000022", "000097", "000142", "000183")

needs_packs = pytest.mark.skipif(
    not PACKS.is_dir(),
    reason="the real photos (../shared/data/packs beside the repository) are not here",
)


def overfit(cfg: CfgNode, iterations: int, folder: Path, photos: Path | None = None) -> float:
    """Train on the four photos with a long side of 320, four in each iteration.

    The learning rate and the optimizer are the config's; the rate falls after 0.8 of the
    iterations. Counts are trained where the config says so.

    Args:
        cfg: any detector; is changed.
        folder: an empty one, for the data and the results.
        photos: others, in Locount layout, where the four are not here.

    Returns:
        AP50 on the same photos, in [0, 100].
    """
    name = f"locount:{photos or _copy_photos(folder / 'photos')}:train"
    register_datasets([name])
    option = num_classes_option(cfg)
    cfg.merge_from_list([option, len(MetadataCatalog.get(name).thing_classes)])
    cfg.DATASETS.TRAIN = cfg.DATASETS.TEST = (name,)
    cfg.DATALOADER.NUM_WORKERS = 0
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.MAX_SIZE_TRAIN = (320,), 320
    cfg.INPUT.MIN_SIZE_TEST = cfg.INPUT.MAX_SIZE_TEST = 320
    cfg.INPUT.RANDOM_FLIP = "none"
    cfg.INPUT.CROP.ENABLED = False
    cfg.AUGMENTATION.COLOR, cfg.AUGMENTATION.POLICY = 0.0, "none"
    cfg.SOLVER.IMS_PER_BATCH = len(PHOTOS)
    cfg.SOLVER.MAX_ITER = iterations
    cfg.SOLVER.STEPS = (round(0.8 * iterations),)
    cfg.SOLVER.WARMUP_ITERS = iterations // 10
    cfg.SOLVER.CHECKPOINT_PERIOD = iterations
    cfg.TEST.EVAL_PERIOD = iterations
    cfg.MODEL.DEVICE, cfg.MODEL.WEIGHTS = "cpu", ""
    cfg.OUTPUT_DIR = str(folder)
    check_datasets(cfg, cfg.DATASETS.TRAIN)
    trainer = Trainer(cfg)
    trainer.train()
    ap50, _ = trainer.storage.latest()["bbox/AP50"]
    return ap50


def _copy_photos(root: Path) -> Path:
    """The photos as a dataset in Locount layout."""
    for kind, suffix in (("Images", "jpg"), ("GtTxts", "txt")):
        part = root / f"Locount_{kind}Train"
        part.mkdir(parents=True)
        for stem in PHOTOS:
            shutil.copy(PACKS / part.name / f"{stem}.{suffix}", part)
    shutil.copy(PACKS / "categories.txt", root)
    return root
