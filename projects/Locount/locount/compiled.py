"""How loops are compiled: without the interpreter lock, and kept on disk."""

from __future__ import annotations

from collections.abc import Callable

from numba import njit
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys


class _Cache(FunctionCache):
    """A cache that does not get numba ready to compile before it looks whether that is needed.

    This takes 0.3 s, half of what numba needs to start. What compiles does it in any case.
    """

    def load_overload(self, sig, target_context):
        rtsys.initialize(target_context)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)


def _compiled(**options) -> Callable:
    def compile_later(function: Callable) -> Callable:
        dispatcher = njit(nogil=True, error_model="numpy", **options)(function)
        dispatcher._cache = _Cache(function)  # as the option cache=True, with numba's own
        return dispatcher

    return compile_later


# Loops that allocate arrays.
allocating = _compiled()
# Loops that only use the arrays they are given. Numba then counts no references to them, which in
# functions of a few instructions takes most of the time: reading JSON takes 0.4 of it without.
loop = _compiled(_nrt=False)
