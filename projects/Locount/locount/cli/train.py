"""Train a model, or continue a training."""

from __future__ import annotations

import argparse

from .options import add_config_file, add_opts, add_output, at_least_1

# What suits photos of one's own, and the weights that come with locount.
CONFIG = "Photos/clcnet_s2_cls10_lite0"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of Detectron2's training scripts, and more."""
    add_config_file(parser, f"what to train (default: {CONFIG})", default=CONFIG)
    parser.add_argument(
        "--from",
        dest="start",
        metavar="FILE",
        help="start from these weights: a file, or `products`, which come with locount; parts that "
        "do not fit the config are listed and start from scratch",
    )
    parser.add_argument(
        "--data",
        metavar="DATASET",
        nargs="+",
        help="train on these, such as locount:ROOT:train (default: DATASETS.TRAIN of the config)",
    )
    parser.add_argument(
        "--test",
        metavar="DATASET",
        nargs="+",
        help="evaluate on these (default: DATASETS.TEST of the config; with --data none)",
    )
    add_output(
        parser,
        "folder for checkpoints, logs and results (default: OUTPUT_DIR of the config)",
        metavar="DIR",
    )
    add_opts(parser)
    parser.add_argument(
        "--resume", action="store_true", help="continue from the newest checkpoint in the folder"
    )
    parser.add_argument("--eval-only", action="store_true", help="evaluate, as `locount eval` does")
    add_processes(parser)
    parser.add_argument(
        "pairs",
        metavar="KEY VALUE",
        nargs=argparse.REMAINDER,
        help="the same as after --opts, at the end of the line",
    )


def add_processes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--num-gpus", type=at_least_1, default=1, help="GPUs of this machine (default: 1)"
    )
    parser.add_argument("--num-machines", type=at_least_1, default=1, help="machines (default: 1)")
    parser.add_argument(
        "--machine-rank", type=int, default=0, help="number of this machine, from 0 on (default: 0)"
    )
    parser.add_argument(
        "--dist-url",
        default="auto",
        help="where the processes meet; for several machines tcp://ADDRESS:PORT of the first "
        "(default: any free port of this machine)",
    )
    parser.add_argument(
        "--patience",
        type=at_least_1,
        default=30,
        metavar="MINUTES",
        help="how long a process waits for the others before it ends with an error; more than the "
        "evaluation of one dataset takes (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    from ..training import program

    return program.run(task(args))


def task(args: argparse.Namespace) -> argparse.Namespace:
    """What :mod:`locount.training.program` takes."""
    from ..model_choice import choose

    opts = [*args.opts, *args.pairs]
    if args.data:
        opts += ["DATASETS.TRAIN", tuple(args.data)]
    if args.data or args.test:
        opts += ["DATASETS.TEST", tuple(args.test or ())]
    if args.output:
        opts += ["OUTPUT_DIR", str(args.output)]
    config_file, weights = choose(args.config_file, args.start)
    own = {"config_file": config_file, "weights": weights, "opts": opts}
    return argparse.Namespace(**{**vars(args), **own})
