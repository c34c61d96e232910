"""Functions that numba compiles."""

from __future__ import annotations

from collections.abc import Callable

from numba import njit


def compiled(function: Callable) -> Callable:
    """The function in machine code, which is kept for other runs where a folder can be written.

    numba looks for one beside the module, in the user's cache and in $NUMBA_CACHE_DIR.
    """
    try:
        return njit(function, cache=True, nogil=True)
    except RuntimeError:  # there is none: it is compiled in each run
        return njit(function, nogil=True)
