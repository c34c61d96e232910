"""Show what a trained model can do, on one page for the browser."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import InputError, listing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run_dir",
        metavar="RUN_DIR",
        type=Path,
        help="OUTPUT_DIR of train_net.py, after training or --eval-only",
    )
    parser.add_argument(
        "--dataset", metavar="NAME", help="only the results of this one (default: of all)"
    )
    parser.add_argument(
        "--photos",
        metavar="DIR",
        type=Path,
        help="show only photos of this folder: the page holds what the results name, so give it "
        "for results that are not your own",
    )
    parser.add_argument(
        "--output",
        metavar="FILE.html",
        type=Path,
        help="where to write the page (default: RUN_DIR/report.html)",
    )


def run(args: argparse.Namespace) -> int:
    """0, or 1 if something is missing on the page."""
    from ..files import write_bytes
    from ..report import build_report

    report = build_report(args.run_dir, args.dataset, args.photos)
    output = args.output or args.run_dir / "report.html"
    data = report.html.encode()
    try:
        write_bytes(output, data)
    except OSError as error:
        raise InputError(
            f"can't write {output} ({error.strerror}): name another file with --output"
        ) from error
    print(f"{output}: {len(data) / 1e6:.1f} MB")
    if report.problems:
        print(
            f"locount report: {len(report.problems)} things are missing on the page:\n"
            f"{listing(report.problems)}",
            file=sys.stderr,
        )
        return 1
    return 0
