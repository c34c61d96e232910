"""Run a model over a dataset and evaluate its boxes and counts."""

from __future__ import annotations

import argparse

from .options import add_model, add_output
from .train import add_processes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        metavar="DATASET",
        nargs="+",
        help="evaluate on these, such as locount:ROOT:test (default: DATASETS.TEST of the config)",
    )
    add_model(parser)
    add_output(
        parser,
        "folder for the results, which `locount report` makes a page from (default: that of --run, "
        "else OUTPUT_DIR of --config-file, else output/eval)",
        metavar="DIR",
    )
    add_processes(parser)


def run(args: argparse.Namespace) -> int:
    from ..model_choice import choose
    from ..training import program

    opts = list(args.opts)
    if args.data:
        opts += ["DATASETS.TEST", tuple(args.data)]
    output = args.output or args.run or (None if args.config_file else "output/eval")
    if output:
        opts += ["OUTPUT_DIR", str(output)]
    config_file, weights = choose(args.config_file, args.weights, args.run)
    own = {"config_file": config_file, "weights": weights, "opts": opts}
    return program.run(argparse.Namespace(**{**vars(args), **own}, eval_only=True, resume=False))
