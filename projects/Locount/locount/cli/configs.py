"""List the configs that come with locount."""

from __future__ import annotations

import argparse

from ..config_files import describe, names
from ..errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words", metavar="WORD", nargs="*", help="only those with these words in their lines"
    )


def run(args: argparse.Namespace) -> int:
    width = max(map(len, names()))
    lines = [f"{name:<{width}}  {describe(name)}" for name in names()]
    words = [word.lower() for word in args.words]
    lines = [line for line in lines if all(word in line.lower() for word in words)]
    if not lines:
        raise InputError(f"No config has {' and '.join(args.words)} in its line.")
    print("\n".join(lines))
    return 0
