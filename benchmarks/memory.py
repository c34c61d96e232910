"""The most memory that a process has had."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def peak_memory() -> int:
    """Bytes of this process at its peak.

    Linux hands the peak of ``getrusage`` on from a process to the one that it starts, so a small
    process that a large one started would seem as large. VmHWM begins anew.
    """
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if "VmHWM" in line)
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
