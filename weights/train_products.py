"""Train the weights that come with the project: on photos in Locount layout and rendered shelves.

    python weights/train_products.py --packs FOLDER --groceries FOLDER --output DIR
        [--rendered NAME ...] [--repeat-packs N] [--config-file FILE] [--minutes N] [KEY VALUE ...]

All goods are one category, "product". A tenth of each folder's training photos is held back and
evaluated at the end; test photos are not looked at. Steps are timed first, so that the schedule
ends with the minutes. README.md beside this file has what came out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from detectron2.config import CfgNode
from detectron2.engine import HookBase, default_setup
from detectron2.utils.logger import setup_logger

from locount.config import load_config, named_keys
from locount.data import check_datasets, fill_num_classes
from locount.training import Trainer

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs/Photos/products_lite0.yaml"
# As in the photos, one box holds like items side by side.
RENDERED = [
    "shelf:2500:11?style=varied&rule=row&as=product",
    "shelf:1500:12?style=varied&rule=touching&as=product",
]
# Iterations that are timed, after as many to warm up.
TIMED = 30


class Stopwatch(HookBase):
    """Seconds of a step, without those of the first half of a training."""

    def before_step(self) -> None:
        if self.trainer.iter == self.trainer.max_iter // 2:
            self.start = time.perf_counter()

    def after_train(self) -> None:
        steps = self.trainer.max_iter - self.trainer.max_iter // 2
        self.seconds = (time.perf_counter() - self.start) / steps


def datasets(args: argparse.Namespace) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the training and of the validation sets."""
    train, held_back = [], []
    # Neighbors show one shelf or one kind of goods: what is held back is runs of them.
    for folder, runs, repeat in ((args.packs, 3, args.repeat_packs), (args.groceries, 25, 1)):
        name = f"locount:{folder}:train?as=product&runs={runs}"
        train.append(f"{name}&part=1-9/10&repeat={repeat}")
        held_back.append(f"{name}&part=0/10")
    return (*train, *args.rendered), tuple(held_back)


def seconds_per_step(cfg: CfgNode) -> float:
    cfg = cfg.clone()
    cfg.SOLVER.MAX_ITER = 2 * TIMED
    cfg.SOLVER.STEPS = ()
    cfg.DATASETS.TEST = ()
    trainer = Trainer(cfg)
    stopwatch = Stopwatch()
    trainer.register_hooks([stopwatch])
    trainer.resume_or_load(resume=False)
    trainer.train()
    return stopwatch.seconds


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--packs", required=True)
    parser.add_argument("--groceries", required=True)
    parser.add_argument("--rendered", nargs="*", default=RENDERED, help="dataset names")
    parser.add_argument("--repeat-packs", type=int, default=8)
    parser.add_argument("--config-file", default=str(CONFIG))
    parser.add_argument("--minutes", type=float, default=60, help="that the training takes")
    parser.add_argument("--output", required=True)
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE")
    args = parser.parse_args(argv)

    cfg = load_config(args.config_file, args.opts)
    cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = datasets(args)
    fill_num_classes(cfg, cfg.DATASETS.TRAIN, named_keys(args.config_file, args.opts))
    cfg.OUTPUT_DIR = args.output
    cfg.TEST.EVAL_PERIOD = 0
    default_setup(cfg, None)
    setup_logger(cfg.OUTPUT_DIR, name="locount")
    check_datasets(cfg, (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST))
    steps = int(60 * args.minutes / seconds_per_step(cfg))
    scale = steps / cfg.SOLVER.MAX_ITER
    cfg.SOLVER.STEPS = tuple(round(step * scale) for step in cfg.SOLVER.STEPS)
    cfg.SOLVER.MAX_ITER = steps
    cfg.freeze()
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()


if __name__ == "__main__":
    main()
