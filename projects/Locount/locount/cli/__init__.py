"""`locount <command>`: each command is a module here with ``add_arguments(parser)`` and ``run(args)
-> exit status``."""

from .main import main

__all__ = ["main"]
