"""List what is running out on shelves."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from .options import add_output, at_least_1
from .shelf_photos import add_input_arguments, open_shots, write_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "minimums", metavar="MINIMUMS", type=Path, help="CSV file with the header category,minimum"
    )
    add_input_arguments(parser)
    parser.add_argument(
        "--confirm",
        type=at_least_1,
        metavar="K",
        help="a category is short if at least K photos show too little of it (default: all photos)",
    )
    parser.add_argument(
        "--sure",
        action="store_true",
        help="status 1 only if something is short for sure, not if the interval of its number "
        "leaves it open",
    )
    text = "the list, a CSV file (default: %(default)s)"
    add_output(parser, text, default=Path("output/stock.csv"), metavar="FILE")


def run(args: argparse.Namespace) -> int:
    """0 if there is enough of all, 1 if something is short or may be, or an input was not used."""
    from tabulate import tabulate

    from ..files import to_csv
    from ..stock import read_minimums, shortages
    from ..stock.minimum import COLUMNS, ENOUGH, MAYBE, SHORT

    shots = open_shots(args, args.inputs)
    minimums = read_minimums(args.minimums, shots.known)
    photos = shots.photos()
    confirm = len(photos) if args.confirm is None else args.confirm
    if confirm > len(photos):
        raise InputError(f"--confirm is {confirm}; there are only {len(photos)} photos")
    table = shortages(minimums, photos, confirm)
    write_files(args.output.parent, {args.output.name: to_csv(table, COLUMNS)})
    lacking = [row for row in table if row["short"] != ENOUGH]
    if lacking:
        print(tabulate([list(row.values()) for row in lacking], COLUMNS, tablefmt="github"))
    numbers = {state: sum(row["short"] == state for row in table) for state in (SHORT, MAYBE)}
    print(
        f"short: {numbers[SHORT]}, maybe: {numbers[MAYBE]} of {len(table)} categories; results: "
        f"{args.output}"
    )
    return shots.status(bool(numbers[SHORT] or (numbers[MAYBE] and not args.sure)))
