"""Make plans of shelves from photos, and check shelves against them."""

from __future__ import annotations

import argparse
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, counted
from .options import add_output
from .shelf_photos import (
    PAGE,
    Shots,
    add_input_arguments,
    add_output_arguments,
    clear_pictures,
    open_shots,
    write_files,
    write_picture,
)

if TYPE_CHECKING:
    from ..stock import Place


def add_arguments(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(
        dest="action", metavar="ACTION", required=True, help="make or check"
    )
    make = commands.add_parser("make", help="write a plan of what photos of one shelf show")
    text = "the plan, .csv or .json (default: %(default)s)"
    add_output(make, text, default=Path("plan.csv"), metavar="FILE")
    make.add_argument(
        "--tolerance",
        type=int,
        default=0,
        metavar="N",
        help="facings more or less that are allowed (default: 0)",
    )
    add_input_arguments(make)
    check = commands.add_parser("check", help="show what on photos is not as planned")
    check.add_argument("plan", metavar="PLAN", type=Path, help="plan, .csv or .json")
    add_input_arguments(check)
    add_output_arguments(check, "output/planogram")


def run(args: argparse.Namespace) -> int:
    """Of make 0; of check 0 if all is as planned, 1 if not. Of both 1 if an input was not used."""
    from ..stock import read_plan

    if args.action == "make":
        return _make(args)
    shots = open_shots(args, args.inputs, not args.no_pictures)
    return report_checks(read_plan(args.plan, shots.known), shots, args)


def _make(args: argparse.Namespace) -> int:
    from ..stock import runs_of, typical
    from ..stock.plan import plan_bytes

    if args.tolerance < 0:
        raise InputError(f"--tolerance is {args.tolerance}; it must be 0 or more")
    plan_bytes([], args.output)  # refuses other endings before the work
    shots = open_shots(args, args.inputs)
    photo = typical(shots.photos())
    if photo.rows.note:
        print(f"note: {photo.rows.note}")
    plan = [place._replace(tolerance=args.tolerance) for place, _ in runs_of(photo)]
    content = plan_bytes(plan, args.output)
    if os.path.lexists(args.output) and args.output.read_bytes() != content:
        raise InputError(
            f"{args.output} is there already, with other content: name another file with --output, "
            "or remove that one"
        )
    write_files(args.output.parent, {args.output.name: content})
    positions = counted(len(plan), "position", "positions")
    rows = counted(len(photo.rows), "row", "rows")
    print(f"{args.output}: {positions} in {rows}, from {photo.name}")
    return shots.status()


def report_checks(plan: list[Place], shots: Shots, args: argparse.Namespace) -> int:
    """Check photos, print what deviates, and write positions.csv, positions.json, a page and
    pictures."""
    from tabulate import tabulate

    from ..files import to_csv, to_json
    from ..report.shelf_page import ShelfCard, said, shelf_page
    from ..stock import check_plan
    from ..stock.compliance import COLUMNS, RIGHT
    from ..stock.pictures import draw_check

    table, photos, cards = [], [], []
    clear_pictures(args)
    for number, shot in enumerate(shots.each, 1):
        check = check_plan(plan, shot.photo)
        rows = check.table()
        table += rows
        facts = {"share right": round(check.share, 4), **check.numbers}
        photos.append(shot.photo.facts() | facts)
        draw = functools.partial(draw_check, check)
        picture = write_picture(args, number, shot, draw, shots.failures)
        wrong = [row for row in rows if row["status"] != RIGHT]
        cards.append(ShelfCard.of(shot.photo, picture, facts, {"Not as planned": wrong}))
    files = {
        "positions.csv": to_csv(table, COLUMNS),
        "positions.json": to_json({"photos": photos, "positions": table}),
        PAGE: shelf_page("Are the shelves as planned?", cards),
    }
    write_files(args.output, files)
    wrong = [row for row in table if row["status"] != RIGHT]
    if wrong:
        print(
            tabulate([list(row.values()) for row in wrong], COLUMNS, tablefmt="github"), end="\n\n"
        )
    print(tabulate([said(facts) for facts in photos], "keys", tablefmt="github"))
    print(f"results: {args.output}")
    return shots.status(bool(wrong))
