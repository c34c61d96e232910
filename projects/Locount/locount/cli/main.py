"""The one entry point of the command line."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence

# Name of the module here, and of the command with '-' for '_'. Imported only when asked for: torch
# takes seconds.
COMMANDS = {
    "doctor": "print the versions of everything that matters and what is missing",
    "evaluate": "score detections against ground truth, jointly in IoU and count",
    "predict": "draw a model's boxes with category and count on photos",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``locount <command> ...`` and return its exit status: 0 for success, 2 for bad input."""
    parser = argparse.ArgumentParser(
        prog="locount", description="Localize and count products on shelf photos."
    )
    parser.add_argument(
        "command", choices=COMMANDS, help="; ".join(f"{k}: {v}" for k, v in COMMANDS.items())
    )
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, help="`locount COMMAND --help` lists them"
    )
    args = parser.parse_args(argv)
    module = importlib.import_module(f"locount.cli.{args.command.replace('-', '_')}")
    command_parser = argparse.ArgumentParser(
        prog=f"locount {args.command}", description=COMMANDS[args.command]
    )
    module.add_arguments(command_parser)
    return module.run(command_parser.parse_args(args.arguments))
