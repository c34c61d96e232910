"""What `locount train`, `locount eval` and `train_net.py` do."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from argparse import Namespace
from datetime import timedelta
from typing import cast

import torch
from detectron2.config import CfgNode
from detectron2.engine import default_setup, launch
from detectron2.evaluation import verify_results
from detectron2.utils import comm
from detectron2.utils.logger import setup_logger
from torch.multiprocessing import ProcessExitedException

from ..checkpoint import Checkpointer, load_weights
from ..class_names import Classes
from ..config import named_keys
from ..data import check_datasets, fill_num_classes
from ..errors import InputError, printable
from ..files import locked_folder
from ..messages import set_up_messages
from ..model_choice import open_config
from .trainer import Trainer

# What Detectron2's messages begin with that are pages long, or that config.yaml has, too.
FOR_THE_LOG = (
    *("Rank of current process", "Environment info", "Command line arguments"),
    *("Contents of args.config_file", "Running with full config", "Full config saved", "Model:"),
)


def run(args: Namespace) -> int:
    """:func:`main` in each process, and the exit status.

    It is 1 for a training that diverged, which has left checkpoints, a process that was killed, or
    figures that are not those of TEST.EXPECTED_RESULTS, and 2 for input that can't be used or a
    disk that can't be written to.

    Args:
        args: those of :func:`main`, and of ``launch``: num_gpus (processes of this machine),
            num_machines, machine_rank, dist_url; and patience, in minutes.
    """
    if not 0 <= args.machine_rank < args.num_machines:
        raise InputError(
            f"--machine-rank is {args.machine_rank} and --num-machines {args.num_machines}: "
            "machines are numbered from 0 on"
        )
    try:
        launch(
            _in_process,
            args.num_gpus,
            num_machines=args.num_machines,
            machine_rank=args.machine_rank,
            dist_url=args.dist_url,
            args=(args,),
            timeout=timedelta(minutes=args.patience),
        )
    except SystemExit as end:
        return cast(int, end.code)
    except ProcessExitedException as end:  # one of several; the others have been ended
        if end.signal_name is None:  # it has said why
            return end.exit_code
        print(
            f"locount {_command(args)}: process {end.error_index} of this machine was killed "
            f"({end.signal_name}), as it is when memory runs out, and so the others were ended. "
            "`locount train --resume` continues from the newest checkpoint.",
            file=sys.stderr,
        )
        return 1
    return 0


def _command(args: Namespace) -> str:
    return "eval" if args.eval_only else "train"


def _in_process(args: Namespace) -> None:
    set_up_messages()  # of a process that was started here
    try:
        main(args)
    except (InputError, FloatingPointError, OSError) as error:
        print(f"locount {_command(args)}: {printable(str(error), keep=chr(10))}", file=sys.stderr)
        sys.exit(1 if isinstance(error, FloatingPointError) else 2)
    if comm.get_world_size() > 1:
        # Or a process that ends before the others may abort them.
        comm.synchronize()
        torch.distributed.destroy_process_group()


def main(args: Namespace) -> dict | None:
    """Train, with OUTPUT_DIR locked, or evaluate.

    Args:
        args: config_file and weights as ``choose`` returns them, opts (keys and values in turn),
            eval_only, and resume: continue from the newest checkpoint in OUTPUT_DIR.

    Returns:
        The results by task and metric, on the main process.

    Raises:
        InputError: for input that can't be used.
        FloatingPointError: if the training diverges.
    """
    cfg = setup(args)
    locks = comm.is_main_process() and not args.eval_only
    with locked_folder(cfg.OUTPUT_DIR) if locks else contextlib.nullcontext():
        _set_up_run(cfg, Namespace(**{**vars(args), "config_file": args.config_file or ""}))
        check_datasets(cfg, _datasets(args, cfg))
        return _run(args, cfg)


def _run(args: Namespace, cfg: CfgNode) -> dict | None:
    if not args.eval_only:
        trainer = Trainer(cfg)
        trainer.resume_or_load(resume=args.resume)
        return trainer.train()
    model = Trainer.build_model(cfg)
    checkpointer = Checkpointer(model, save_dir=cfg.OUTPUT_DIR)
    resumed = args.resume and checkpointer.has_checkpoint()
    weights = checkpointer.get_checkpoint_file() if resumed else cfg.MODEL.WEIGHTS
    load_weights(model, weights)
    if classes := Classes.of_checkpoint(weights):
        classes.check_data(cfg.DATASETS.TEST[0])  # the others have the same ones
    results = Trainer.test(cfg, model)
    if cfg.TEST.AUG.ENABLED:
        results.update(Trainer.test_with_TTA(cfg, model))
    if comm.is_main_process():
        verify_results(cfg, results)
    return results


def setup(args: Namespace) -> CfgNode:
    """The config of this run, with its number of classes."""
    cfg = open_config(args.config_file, args.weights, args.opts)
    datasets = _datasets(args, cfg)
    if args.eval_only and not datasets:
        raise InputError("There is nothing to evaluate on: name the data, with --data DATASET.")
    if args.config_file is not None:  # the config in a model file has the number of its classes
        fill_num_classes(cfg, datasets, named_keys(args.config_file, args.opts))
    cfg.freeze()
    return cfg


def _datasets(args: Namespace, cfg: CfgNode) -> tuple[str, ...]:
    return cfg.DATASETS.TEST if args.eval_only else (*cfg.DATASETS.TRAIN, *cfg.DATASETS.TEST)


def _set_up_run(cfg: CfgNode, args: Namespace) -> None:
    """Detectron2's, which prints less than it logs."""
    rank = comm.get_rank()
    logger = setup_logger(cfg.OUTPUT_DIR, distributed_rank=rank)  # which default_setup gets, too
    logger.addFilter(_without_colors)
    for handler in logger.handlers:
        if getattr(handler, "stream", None) is sys.stdout:
            handler.addFilter(_is_news)
    default_setup(cfg, args)
    setup_logger(cfg.OUTPUT_DIR, distributed_rank=rank, name="locount").info(
        "Config, log and results are in %s", cfg.OUTPUT_DIR
    )


def _without_colors(record: logging.LogRecord) -> bool:
    """A filter that takes the terminal's commands out of a message."""
    record.msg, record.args = re.sub(r"\x1b\[[\d;]*m", "", record.getMessage()), ()
    return True


def _is_news(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(FOR_THE_LOG)
