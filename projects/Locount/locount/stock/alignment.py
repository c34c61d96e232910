"""Alignment of two sequences with the least cost, and why of equal ones it is that one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np


def align(
    skip_first: Sequence[float], skip_second: Sequence[float], pair: np.ndarray
) -> tuple[float, list[tuple[int | None, int | None]]]:
    """Needleman and Wunsch (1970): pair up two sequences in order.

    Of several alignments with the least cost it is the one that, from the start on, pairs where it
    can, else skips an element of the first sequence.

    Args:
        skip_first: (N,), the cost of leaving out each element of the first sequence; costs are
            multiples of a half, which sums keep exact.
        skip_second: (M,), likewise.
        pair: N x M, the cost of pairing two elements.

    Returns:
        The cost, and the steps: places in both sequences, None where one has no partner.
    """
    n, m = pair.shape
    # costs[i, j]: of aligning what begins at i and j, so that ties are decided from the start.
    costs = np.empty((n + 1, m + 1))
    rest = np.append(np.cumsum(skip_second[::-1])[::-1], 0)
    costs[n] = rest
    for i in range(n - 1, -1, -1):
        best = skip_first[i] + costs[i + 1]
        best[:m] = np.minimum(best[:m], pair[i] + costs[i + 1, 1:])
        # To leave out elements of the second sequence up to k costs rest[j] - rest[k].
        costs[i] = rest + np.minimum.accumulate((best - rest)[::-1])[::-1]
    return float(costs[0, 0]), list(_steps(costs, skip_first, pair))


def _steps(
    costs: np.ndarray, skip_first: Sequence[float], pair: np.ndarray
) -> Iterator[tuple[int | None, int | None]]:
    i = j = 0
    n, m = pair.shape
    while i < n or j < m:
        if i < n and j < m and costs[i, j] == pair[i, j] + costs[i + 1, j + 1]:
            yield i, j
            i, j = i + 1, j + 1
        elif i < n and costs[i, j] == skip_first[i] + costs[i + 1, j]:
            yield i, None
            i += 1
        else:
            yield None, j
            j += 1
