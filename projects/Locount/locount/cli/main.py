"""The one entry point of the command line."""

from __future__ import annotations

import argparse
import codecs
import difflib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from .. import __version__
from ..errors import InputError, printable
from ..messages import set_up_messages
from .options import check_output

# Name of the module here, and of the command with '-' for '_'. Imported only when asked for: torch
# takes seconds.
COMMANDS = {
    "calibrate": "find the best score threshold, and how far numbers can be trusted",
    "check-data": "report what is wrong with datasets, and what they contain",
    "compare": "train several configs under one budget and write one table",
    "configs": "list the configs that come with locount",
    "convert": "write a dataset in another annotation format",
    "diff": "show what has changed on a shelf between two photos",
    "doctor": "print the versions of everything that matters and what is missing",
    "eval": "run a model over a dataset and evaluate its boxes and counts",
    "evaluate": "score detections against ground truth, jointly in IoU and count",
    "export": "write a model as ONNX or TorchScript",
    "fit-anchors": "find the anchors that suit a dataset, and what they gain",
    "fit-threshold": "find the score threshold that makes totals match",
    "make-shelf": "render pictures of shelves with their counts",
    "planogram": "make plans of shelves from photos, and check shelves against them",
    "predict": "find and count the products on photos: pictures, tables, results",
    "report": "show on one HTML page what a trained model can do",
    "restock": "make new photos from annotated ones, with other goods on their shelves",
    "rows": "show what is where on shelves: rows, facings, shares, gaps",
    "select": "name the photos that are most worth annotating",
    "serve": "open a web page that shows what is on a photo",
    "slim": "make a small file from a checkpoint, for prediction",
    "stock": "list what is running out on shelves",
    "train": "train a model, or continue a training",
}

# Exit statuses beside those of commands: what shells say of a program that Ctrl+C ends, and of one
# that writes to a pipe which nobody reads any more.
INTERRUPTED, NO_READER = 130, 141


class Parser(argparse.ArgumentParser):
    """One whose errors are those of all bad input."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (see `{self.prog} --help`)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``locount COMMAND ...`` and return its exit status.

    0: done. 1: done, but some of it failed, or a check found something. 2: could not be done.
    """
    program = "locount"
    _open_streams()
    try:
        name, arguments = _command(argv)
        program += f" {name}"
        set_up_messages()
        args = command_parser(name).parse_args(arguments)
        check_output(args)
        status = command_module(name).run(args)
        sys.stdout.flush()  # a reader that is gone shows here and not at the end of the process
        return status
    except InputError as error:
        problem = str(error)
    except BrokenPipeError:
        # What is left in the buffer goes nowhere, or the end of the process would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except OSError as error:  # the disk is full, or of others
        problem = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    except UnicodeEncodeError as error:
        if error.encoding != sys.getfilesystemencoding():
            raise
        problem = (
            f"{error.object} can't be the name of a file in {error.encoding}, the encoding of the "
            "locale: set LC_ALL to C.UTF-8, or PYTHONUTF8=1"
        )
    except KeyboardInterrupt:
        print(f"\n{program}: interrupted", file=sys.stderr)
        return INTERRUPTED
    print(f"{program}: {printable(problem, keep=chr(10))}", file=sys.stderr)
    return 2


def _open_streams() -> None:
    """Streams that take every text.

    Services and cron jobs may close standard streams, which Python then has not.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, to the end of the process
    for stream in (sys.stdout, sys.stderr):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        encoding = codecs.lookup(stream.encoding).name
        if encoding == "ascii":  # as Python itself does for the locale C, if not told otherwise
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
        elif encoding != "utf-8":
            stream.reconfigure(errors="backslashreplace")


def command_parser(name: str) -> argparse.ArgumentParser:
    """The parser of one of COMMANDS."""
    parser = Parser(prog=f"locount {name}", description=COMMANDS[name])
    command_module(name).add_arguments(parser)
    return parser


def command_module(name: str) -> ModuleType:
    """The module of one of COMMANDS."""
    # `python doctor.py` has this folder on its path, where a select.py would hide Python's.
    module = {"select": "selection"}.get(name, name.replace("-", "_"))
    return importlib.import_module(f"locount.cli.{module}")


def _command(argv: Sequence[str] | None) -> tuple[str, list[str]]:
    """The name of the command, and its arguments."""
    width = max(map(len, COMMANDS))
    table = "\n".join(f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items())
    parser = Parser(
        prog="locount",
        usage="locount [-h] [--version] COMMAND ...",
        description="Localize and count products on shelf photos.",
        epilog=f"commands:\n{table}\n\n`locount COMMAND --help` says more about a command. Exit "
        "status: 0 done, 1 some of it\nfailed or a check found something, 2 could not be done.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"locount {__version__}")
    parser.add_argument("command", metavar="COMMAND", help=argparse.SUPPRESS)
    rest = parser.add_argument("arguments", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    rest.required = False  # or the error without a command would name it
    args = parser.parse_args(argv)
    if args.command not in COMMANDS:
        near = difflib.get_close_matches(args.command, COMMANDS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        parser.error(f"{args.command!r} is not a command{hint}")
    return args.command, args.arguments
