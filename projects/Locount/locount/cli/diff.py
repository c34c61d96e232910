"""Tell what has changed on a shelf between two photos."""

from __future__ import annotations

import argparse
import functools

from ..errors import InputError
from .options import open_predictor
from .planogram import report_checks
from .shelf_photos import (
    add_input_arguments,
    add_output_arguments,
    open_shots,
    refuse_options_of_prediction,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_input_arguments(parser, "before", "after")
    add_output_arguments(parser, "output/diff")


def run(args: argparse.Namespace) -> int:
    """0 if the same is there, 1 if not, or if an input was not used."""
    from ..stock import runs_of

    model = functools.cache(functools.partial(open_predictor, args))
    before = open_shots(args, [args.before], model=model)
    photos = before.photos()
    if len(photos) != 1:
        raise InputError(f"{args.before} holds {len(photos)} photos: name one")
    plan = [place for place, _ in runs_of(photos[0])]
    shots = open_shots(args, [args.after], not args.no_pictures, model)
    if not model.cache_info().currsize:
        refuse_options_of_prediction(args)
    shots.failures.extend(before.failures)
    return report_checks(plan, shots, args)
