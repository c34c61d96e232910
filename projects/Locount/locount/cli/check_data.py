"""Report everything wrong with datasets, and what they hold."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_output, remark, writing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "datasets",
        metavar="DATASET",
        nargs="+",
        help="as in DATASETS.TRAIN, such as locount:ROOT:train or coco:ANNOTATIONS.json:IMAGE_ROOT",
    )
    add_output(
        parser,
        "write all findings and tables, plots and a contact sheet of samples there",
        metavar="DIR",
    )
    parser.add_argument(
        "--fix",
        metavar="OUT",
        type=Path,
        help="write a copy there, correcting what can only be corrected in one way, with a list of "
        "changes",
    )
    parser.add_argument(
        "--no-images",
        action="store_true",
        help="don't decode the images: much faster, but says nothing about their content",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON, and nothing else, to standard output"
    )


def run(args: argparse.Namespace) -> int:
    # Here and not above: `--help` should not wait for torch.
    from ..data.inspection import inspect_datasets, write_fixed
    from ..files import require_new, to_json

    if args.fix:
        require_new(args.fix)  # before the work, which may take minutes
    report = inspect_datasets(args.datasets, decode=not args.no_images)
    print(to_json(report.as_dict()).decode() if args.json else report.text())
    if args.output:
        with writing(args.output):
            report.write(args.output)
    if args.fix:
        num_changes = write_fixed(report, args.fix)
        remark(
            f"{args.fix} is a copy with {num_changes} change(s), listed in its changes.csv. "
            "Check it to see what is left."
        )
    return 1 if report.num("error") else 0
