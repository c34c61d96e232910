"""What a process says beside its results: logged messages and warnings, on standard error."""

from __future__ import annotations

import logging
import os
import sys
import warnings

# What Detectron2 makes torch say while it is imported, which a process that this one starts does
# before it comes here.
OF_IMPORTS = "ignore::FutureWarning:torch.jit._script"


def set_up_messages() -> None:
    """Show our own messages from INFO on, those of libraries from WARNING on, once each.

    Warnings that a library causes in a library are not shown: nobody who calls a command can do
    anything about them. Those of our own lines are, and ``python -W`` shows all.
    """
    logging.basicConfig(format="%(levelname)s: %(message)s")
    logging.raiseExceptions = False  # a log that can't be written is no reason to say more
    logging.getLogger("locount").setLevel(logging.INFO)
    # It says where no CUDA toolkit is, which only those need who compile.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    # What FFmpeg says of damaged videos, which commands name themselves.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    if sys.warnoptions in ([], [OF_IMPORTS]):
        warnings.filterwarnings("ignore", module=r"(?!locount\b)")
        os.environ.setdefault("PYTHONWARNINGS", OF_IMPORTS)
