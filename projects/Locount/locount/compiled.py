"""How loops are compiled: without the interpreter lock, and kept on disk."""

from __future__ import annotations

import os

from numba import njit

# Loops that allocate arrays.
allocating = njit(cache=True, nogil=True, error_model="numpy")
# Loops that only use the arrays they are given. Numba then counts no references to them, which in
# functions of a few instructions takes more time than all else: reading JSON takes 0.4 of the time.
loop = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


def num_usable_cpus() -> int:
    # sched_getaffinity knows the limits of containers and job schedulers, but only Linux has it
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
