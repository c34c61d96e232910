"""Which boxes are worth looking at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..evaluation.analysis.pairs import Matches
from ..evaluation.matching.engine import Matcher


class Case(NamedTuple):
    """A box worth looking at: places in the matcher, -1 for no detection."""

    gt: int
    dt: int


def worst_misses(matcher: Matcher, matches: Matches) -> list[Case]:
    """Boxes that nothing was matched to: most items first, then the largest."""
    gt = matcher.gt
    missed = matches.missed
    order = np.lexsort((-gt.box_areas[missed], -gt.counts[missed]))
    return [Case(g, -1) for g in missed[order].tolist()]


def worst_counts(matcher: Matcher, matches: Matches) -> list[Case]:
    """Boxes with a wrong count: most items off first, then the surest."""
    off = np.abs(matcher.dt.counts[matches.dt] - matcher.gt.counts[matches.gt])
    order = np.lexsort((-matcher.dt.scores[matches.dt], -off))
    return _cases(matches, order[off[order] > 0])


def best_cases(matcher: Matcher, matches: Matches) -> list[Case]:
    """Boxes with the right count: most items first, then the surest."""
    counts = matcher.gt.counts[matches.gt]
    right = matcher.dt.counts[matches.dt] == counts
    order = np.lexsort((-matcher.dt.scores[matches.dt], -counts))
    return _cases(matches, order[right[order]])


def _cases(matches: Matches, order: np.ndarray) -> list[Case]:
    pairs = zip(matches.gt[order].tolist(), matches.dt[order].tolist(), strict=True)
    return [Case(g, d) for g, d in pairs]
