"""Tell what has changed on a shelf between two photos."""

from __future__ import annotations

import argparse

from ..errors import InputError
from .planogram import report_checks
from .shelf_photos import add_input_arguments, add_output_arguments, open_shots


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_input_arguments(parser, "before", "after")
    add_output_arguments(parser, "output/diff")


def run(args: argparse.Namespace) -> int:
    """0 if the same is there, 1 if not, or if an input was not used."""
    from ..stock import runs_of

    before = open_shots(args, [args.before], without_model=True)
    photos = before.photos()
    if len(photos) != 1:
        raise InputError(f"{args.before} holds {len(photos)} photos: name one")
    plan = [place for place, _ in runs_of(photos[0])]
    shots = open_shots(args, [args.after], not args.no_pictures, without_model=True)
    shots.failures.extend(before.failures)
    return report_checks(plan, shots, args)
