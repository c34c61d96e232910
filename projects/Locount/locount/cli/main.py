"""The one entry point of the command line."""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from ..errors import InputError, printable

# Name of the module here, and of the command with '-' for '_'. Imported only when asked for: torch
# takes seconds.
COMMANDS = {
    "check-data": "report everything wrong with datasets, and what they hold",
    "compare": "train several configs under one budget and write one table",
    "convert": "write a dataset in another annotation format",
    "doctor": "print the versions of everything that matters and what is missing",
    "evaluate": "score detections against ground truth, jointly in IoU and count",
    "export": "write a model as ONNX or TorchScript",
    "fit-anchors": "find the anchors that suit a dataset, and what they gain",
    "fit-threshold": "find the score from which on detections count",
    "make-shelf": "render pictures of shelves with their counts",
    "predict": "find and count the products on photos: pictures, tables, results",
    "report": "show what a trained model can do, on one page for the browser",
    "serve": "show on a page in the browser what is on a photo",
    "slim": "make a small file of a checkpoint, for prediction",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``locount <command> ...`` and return its exit status: 0 for success, 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="locount",
        description="Localize and count products on shelf photos.",
        epilog="`locount COMMAND --help` tells more of a command.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        commands.add_parser(name, help=summary, add_help=False)
    name = parser.parse_known_args(argv)[0].command

    module = importlib.import_module(f"locount.cli.{name.replace('-', '_')}")
    command_parser = argparse.ArgumentParser(prog=f"locount {name}", description=COMMANDS[name])
    module.add_arguments(command_parser)
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = command_parser.parse_args(arguments[arguments.index(name) + 1 :])
    logging.raiseExceptions = False  # a log that can't be written is no reason to say more
    try:
        return module.run(args)
    except (InputError, OSError) as error:
        print(f"locount {name}: {printable(str(error), keep=chr(10))}", file=sys.stderr)
        return 2
