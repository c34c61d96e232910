"""Name the photos whose annotation would teach a model most."""

from __future__ import annotations

import argparse
import json
import os
import sys

from ..errors import InputError
from .options import (
    add_device,
    add_model,
    add_score,
    at_least_1,
    least_score,
    open_predictor,
    report_failures,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("inputs", nargs="+", metavar="PHOTO", help="photos, folders, patterns")
    add_model(parser)
    parser.add_argument(
        "--number",
        type=at_least_1,
        required=True,
        metavar="N",
        help="how many photos to name, the most useful one first",
    )
    parser.add_argument(
        "--known",
        nargs="+",
        default=[],
        metavar="PHOTO",
        help="photos, folders, patterns of what is annotated already: not named again, and what "
        "looks like them comes later",
    )
    add_score(parser, "default: PREDICT.SCORE of the config")
    parser.add_argument(
        "--json", action="store_true", help="print a line of JSON for each photo, with the reasons"
    )
    add_device(parser)


def run(args: argparse.Namespace) -> int:
    """0 if all photos could be looked at, 1 if some could, 2 if none could."""
    from ..inference.acquisition import rank
    from ..inference.inputs import Failure, expand_inputs, is_video, unreadable

    known = [path for path in expand_inputs(args.known).paths if not is_video(path)]
    annotated = set(map(os.path.realpath, known))
    inputs = expand_inputs(args.inputs)
    paths = [
        path
        for path in inputs.paths
        if not is_video(path) and os.path.realpath(path) not in annotated
    ]
    if len(paths) < args.number:
        raise InputError(
            f"--number is {args.number}, but there are {len(paths)} photos that are not annotated: "
            "ask for fewer, or name more photos"
        )
    predictor = open_predictor(args)
    failures = unreadable(inputs.passed_over)
    problem = "is a video, which can't be annotated: save frames of it as pictures"
    failures += (Failure(path, problem) for path in inputs.paths if is_video(path))
    score = least_score(args, predictor)
    rows = rank(predictor, paths, known, args.number, score, failures.append)
    for row in rows:
        if args.json:
            print(json.dumps(row))
        else:  # as it is called on the disk, for the next command
            sys.stdout.buffer.write(os.fsencode(row["file_name"]) + b"\n")
    return report_failures(failures, len(rows))
