"""Train several configs under one budget and tell them apart in one table."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "configs",
        metavar="CONFIG[+KEY=VALUE…]",
        nargs="+",
        help="YAML of a model, and options that make it another",
    )
    parser.add_argument("--train", metavar="DATASET", required=True, help="such as shelf:600:1")
    parser.add_argument("--test", metavar="DATASET", required=True, help="such as shelf:100:2")
    parser.add_argument(
        "--budget", metavar="N", type=int, required=True, help="iterations of each training"
    )
    parser.add_argument("--seeds", metavar="N", type=int, nargs="+", default=[0])
    parser.add_argument(
        "--variant",
        metavar="KEY=VALUE[+…]",
        action="append",
        default=[],
        help="evaluate every trained model with these options as well; can be given repeatedly",
    )
    parser.add_argument(
        "--opts", metavar="KEY=VALUE", nargs="+", default=[], help="options over every config"
    )
    parser.add_argument("--output", metavar="DIR", type=Path, default=Path("output/compare"))
    parser.add_argument(
        "--jobs", metavar="N", type=int, default=1, help="rows at the same time (default: 1)"
    )
    parser.add_argument(
        "--threads", metavar="N", type=int, default=0, help="CPU threads of each row"
    )


def run(args: argparse.Namespace) -> int:
    from ..training.comparison import Comparison, compare, key_values, markdown, parse_rows

    for option, value in (("--budget", args.budget), ("--jobs", args.jobs)):
        if value < 1:
            raise InputError(f"{option} is {value}; it must be 1 or more")
    comparison = Comparison(
        train=args.train,
        test=args.test,
        iterations=args.budget,
        opts=key_values(args.opts),
        variants=tuple(args.variant),
        threads=args.threads,
    )
    rows = parse_rows(args.configs, args.seeds)
    print(markdown(compare(rows, comparison, args.output, args.jobs)))
    print(f"\n{args.output / 'table.md'}, {args.output / 'rows.csv'}; a folder for each training")
    return 0
