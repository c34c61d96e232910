"""Show what a trained model can do, on one page for the browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError, listing
from .options import add_output, remark, writing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    text = "folder of `locount train` or `locount eval`"
    parser.add_argument("folder", nargs="?", help=text, metavar="DIR", type=Path)
    parser.add_argument("--run", help="the same", metavar="DIR", type=Path)
    parser.add_argument(
        "--dataset", metavar="NAME", help="only the results of this one (default: of all)"
    )
    parser.add_argument(
        "--photos",
        metavar="DIR",
        type=Path,
        help="show only photos of this folder: the page shows what the results name, so give it "
        "for results that are not your own",
    )
    add_output(parser, "where to write the page (default: report.html in DIR)", metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """0, or 1 if something is missing from the page."""
    from ..files import write_bytes
    from ..report import build_report

    if (args.folder is None) == (args.run is None):
        raise InputError("Name one folder of a run, such as `locount report output/shop`.")
    folder = args.folder or args.run
    report = build_report(folder, args.dataset, args.photos)
    output = args.output or folder / "report.html"
    data = report.html.encode()
    with writing(output):
        write_bytes(output, data)
    print(f"{output}: {len(data) / 1e6:.1f} MB")
    if report.problems:
        remark(
            f"locount report: {len(report.problems)} things are missing from the page:\n"
            f"{listing(report.problems)}"
        )
        return 1
    return 0
