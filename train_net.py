#!/usr/bin/env python
"""Train, resume or evaluate a model; the arguments are Detectron2's, and --from.

Usage::

    python train_net.py --config-file CONFIG [KEY VALUE ...]
    python train_net.py --config-file CONFIG --from products [KEY VALUE ...]
    python train_net.py --config-file CONFIG --resume
    python train_net.py --config-file CONFIG --eval-only MODEL.WEIGHTS output/model_final.pth
"""

from __future__ import annotations

import logging
from argparse import ArgumentParser
from contextlib import ExitStack
from datetime import timedelta

import detectron2.utils.comm as comm
from detectron2.config import CfgNode
from detectron2.engine import default_argument_parser, default_setup, launch
from detectron2.evaluation import verify_results
from detectron2.utils.logger import setup_logger
from torch.multiprocessing import ProcessExitedException

from locount.checkpoint import Checkpointer, load_weights
from locount.config import load_config, named_keys
from locount.data import check_datasets, fill_num_classes
from locount.errors import InputError
from locount.files import locked_folder
from locount.training import Trainer


def setup(args) -> CfgNode:
    """The config of this run, with its number of classes."""
    start = [] if args.start is None else ["MODEL.WEIGHTS", args.start]
    opts = [*args.opts, *start]
    cfg = load_config(args.config_file, opts)
    fill_num_classes(cfg, _datasets(args, cfg), named_keys(args.config_file, opts))
    cfg.freeze()
    return cfg


def _datasets(args, cfg: CfgNode) -> tuple[str, ...]:
    return cfg.DATASETS.TEST if args.eval_only else (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST)


def main(args) -> dict | None:
    cfg = setup(args)
    with ExitStack() as stack:
        if comm.is_main_process() and not args.eval_only:
            stack.enter_context(locked_folder(cfg.OUTPUT_DIR))
        default_setup(cfg, args)
        setup_logger(cfg.OUTPUT_DIR, distributed_rank=comm.get_rank(), name="locount")
        check_datasets(cfg, _datasets(args, cfg))
        return _run(args, cfg)


def _run(args, cfg: CfgNode) -> dict | None:
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
    logging.raiseExceptions = False  # a log that can't be written is no reason to say more
    try:
        main(args)
    except (InputError, FloatingPointError, OSError) as error:
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
    parser.add_argument(
        "--patience",
        type=float,
        default=30,
        metavar="MINUTES",
        help="how long a process waits for the others before it ends with an error; more than the "
        "evaluation of one dataset takes (default: %(default)s)",
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
            timeout=timedelta(minutes=args.patience),
        )
    except ProcessExitedException as error:  # of several, one that has said why
        raise SystemExit(f"train_net.py: {error}") from None
