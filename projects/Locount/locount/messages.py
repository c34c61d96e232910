"""What a process says beside its results: logged messages and warnings, on standard error."""

from __future__ import annotations

import logging
import sys
import warnings


def set_up_messages() -> None:
    """Show our own messages from INFO on, those of libraries from WARNING on, once each.

    Warnings that a library causes in a library are not shown: nobody who calls a command can do
    anything about them. Those of our own lines are, and ``python -W`` shows all.
    """
    logging.basicConfig(format="%(levelname)s: %(message)s")
    logging.getLogger("locount").setLevel(logging.INFO)
    # It says where no CUDA toolkit is, which only those need who compile.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    if not sys.warnoptions:
        warnings.filterwarnings("ignore", module=r"(?!locount\b)")
