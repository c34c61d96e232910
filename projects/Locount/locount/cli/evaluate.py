"""Score detections against ground truth, jointly in IoU and count."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from .options import add_output, add_score, at_least_1, writing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "gt", metavar="GT", type=Path, help='COCO json whose annotations have "count"'
    )
    parser.add_argument(
        "dt",
        metavar="DT",
        type=Path,
        nargs="?",
        help='COCO results json with "count", an .npz of the same columns, the folder of a run of '
        "`locount predict`, or a folder or quoted pattern of the Parquet parts of its --cluster",
    )
    parser.add_argument(
        "--max-dets",
        metavar="N",
        type=at_least_1,
        nargs="+",
        default=[150],
        help="detections per image and category that count, in a column each (default: 150)",
    )
    parser.add_argument(
        "--coco-sizes", action="store_true", help="also COCO's APs, APm, APl and their AR"
    )
    parser.add_argument(
        "--errors",
        action="store_true",
        help="also how much each cause of errors costs, and count statistics",
    )
    add_score(
        parser,
        "also errors of the number of products per image; AP uses all; for --suspects 0.5 by "
        "default",
    )
    parser.add_argument(
        "--compare",
        metavar="OTHER",
        type=Path,
        help="detections of another system, as DT: also how much DT is better, with intervals of "
        "95 %% from a paired bootstrap over photos",
    )
    parser.add_argument(
        "--draws", metavar="N", type=at_least_1, help="draws of the bootstrap (default: 1000)"
    )
    parser.add_argument(
        "--suspects",
        action="store_true",
        help="also annotations that confident detections contradict",
    )
    add_output(
        parser,
        "write metrics.json, per_category.csv, grid.png and precision_recall.png there, and "
        "differences.csv and suspects.csv where asked for",
        metavar="DIR",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON, and nothing else, to standard output"
    )
    parser.add_argument(
        "--self-test",
        action="store_true",
        help="evaluate GT against itself, which must score 100 everywhere; no DT",
    )


def run(args: argparse.Namespace) -> int:
    from ..evaluation.report import evaluate_files, self_test, write_report
    from ..files import to_json

    more = args.compare is not None or args.suspects
    if args.self_test == (args.dt is not None) or (args.self_test and more):
        raise InputError(
            "give only GT with --self-test, or GT and DT without (`locount evaluate --help`)"
        )
    if args.draws is not None and args.compare is None:
        raise InputError("--draws is for --compare OTHER only: give both, or leave it out")
    if args.self_test:
        passed, line = self_test(args.gt)
        print(line)
        return 0 if passed else 1
    report = evaluate_files(
        args.gt,
        args.dt,
        args.max_dets,
        coco_sizes=args.coco_sizes,
        with_errors=args.errors,
        score=args.score,
        other=args.compare,
        draws=args.draws,
        with_suspects=args.suspects,
    )
    if args.output:
        with writing(args.output):
            write_report(report, args.output)
    if args.json:
        print(to_json(report.as_dict()).decode())
    else:
        print(report.tables())
    return 0
