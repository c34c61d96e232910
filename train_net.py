#!/usr/bin/env python
"""Train, resume or evaluate a model; the arguments are Detectron2's, and --from.

Usage::

    python train_net.py --config-file CONFIG [KEY VALUE ...]
    python train_net.py --config-file CONFIG --from products [KEY VALUE ...]
    python train_net.py --config-file CONFIG --resume
    python train_net.py --config-file CONFIG --eval-only MODEL.WEIGHTS output/model_final.pth
"""

from __future__ import annotations

from argparse import ArgumentParser

import detectron2.utils.comm as comm
from detectron2.config import CfgNode
from detectron2.engine import default_argument_parser, default_setup, launch
from detectron2.evaluation import verify_results
from detectron2.utils.logger import setup_logger
from torch.multiprocessing import ProcessExitedException

from locount.checkpoint import Checkpointer, load_weights
from locount.config import load_config
from locount.data import check_datasets
from locount.errors import InputError
from locount.training import Trainer


def setup(args) -> CfgNode:
    """The config of this run, with its datasets read and checked against it."""
    start = [] if args.start is None else ["MODEL.WEIGHTS", args.start]
    cfg = load_config(args.config_file, [*args.opts, *start])
    cfg.freeze()
    default_setup(cfg, args)
    setup_logger(cfg.OUTPUT_DIR, distributed_rank=comm.get_rank(), name="locount")
    datasets = cfg.DATASETS.TEST if args.eval_only else (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST)
    check_datasets(cfg, datasets)
    return cfg


def main(args) -> dict | None:
    cfg = setup(args)
    if args.eval_only:
        model = Trainer.build_model(cfg)
        checkpointer = Checkpointer(model, save_dir=cfg.OUTPUT_DIR)
        resumed = args.resume and checkpointer.has_checkpoint()
        load_weights(model, checkpointer.get_checkpoint_file() if resumed else cfg.MODEL.WEIGHTS)
        results = Trainer.test(cfg, model)
        if cfg.TEST.AUG.ENABLED:
            results.update(Trainer.test_with_TTA(cfg, model))
        if comm.is_main_process():
            verify_results(cfg, results)
        return results
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=args.resume)
    return trainer.train()


def run(args) -> None:
    """:func:`main` in each process; what its message explains ends it without a traceback."""
    try:
        main(args)
    except (InputError, FloatingPointError) as error:
        raise SystemExit(f"train_net.py: {error}") from None


def argument_parser() -> ArgumentParser:
    parser = default_argument_parser()
    parser.add_argument(
        "--from",
        dest="start",
        metavar="WEIGHTS",
        help="start from these weights: a file, or `products`, those that come with locount; what "
        "does not fit the config is listed and begins anew",
    )
    return parser


if __name__ == "__main__":
    args = argument_parser().parse_args()
    try:
        launch(
            run,
            args.num_gpus,
            num_machines=args.num_machines,
            machine_rank=args.machine_rank,
            dist_url=args.dist_url,
            args=(args,),
        )
    except ProcessExitedException as error:  # of several, one that has said why
        raise SystemExit(f"train_net.py: {error}") from None
