"""Train several configs under one budget and compare them in one table."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_opts, add_output, at_least_1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "configs",
        metavar="CONFIG[+KEY=VALUE…]",
        nargs="+",
        help="a YAML file, or a name that `locount configs` lists, and options that change it",
    )
    parser.add_argument("--train", metavar="DATASET", required=True, help="such as shelf:600:1")
    parser.add_argument("--test", metavar="DATASET", required=True, help="such as shelf:100:2")
    parser.add_argument(
        "--budget", metavar="N", type=at_least_1, required=True, help="iterations of each training"
    )
    parser.add_argument(
        "--seeds",
        metavar="N",
        type=int,
        nargs="+",
        default=[0],
        help="one training for each (default: 0)",
    )
    parser.add_argument(
        "--variant",
        metavar="KEY=VALUE[+…]",
        action="append",
        default=[],
        help="evaluate every trained model with these options as well; can be given repeatedly",
    )
    add_opts(parser)
    add_output(
        parser,
        "folder for the table, and one for each training (default: %(default)s)",
        metavar="DIR",
        default=Path("output/compare"),
    )
    parser.add_argument(
        "--jobs", metavar="N", type=at_least_1, default=1, help="rows at the same time (default: 1)"
    )
    parser.add_argument(
        "--threads", metavar="N", type=int, default=0, help="CPU threads of each row"
    )


def run(args: argparse.Namespace) -> int:
    from ..training.comparison import Comparison, compare, markdown, options, parse_rows

    comparison = Comparison(
        train=args.train,
        test=args.test,
        iterations=args.budget,
        opts=options(args.opts),
        variants=tuple(args.variant),
        threads=args.threads,
    )
    rows = parse_rows(args.configs, args.seeds)
    print(markdown(compare(rows, comparison, args.output, args.jobs)))
    print(f"\n{args.output / 'table.md'}, {args.output / 'rows.csv'}; a folder for each training")
    return 0
