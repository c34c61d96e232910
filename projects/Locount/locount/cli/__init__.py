"""The command line: a command is a module here with `add_arguments(parser)` and `run(args)`."""

from .main import main

__all__ = ["main"]
