"""Which detection found which ground truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..matching.engine import Matcher
from ..matching.kernels import Truth
from ..protocol import WHOLE
from . import cause_kernels


@dataclass(frozen=True)
class Matches:
    """Blind to counts at IoU 0.50: M pairs of a detection and the ground truth that it took, and
    the G' boxes that none took.

    All are places in ``dt`` and ``gt`` of the matcher.
    """

    dt: np.ndarray  # (M,)
    gt: np.ndarray  # (M,)
    missed: np.ndarray  # (G',)

    def above(self, scores: np.ndarray, threshold: float) -> Matches:
        """Only with the detections of at least this score, as if there were no others.

        Args:
            scores: of all detections of the matcher.
        """
        # Better detections are matched first, whatever comes after them.
        kept = scores[self.dt] >= threshold
        return Matches(
            self.dt[kept], self.gt[kept], np.sort(np.append(self.missed, self.gt[~kept]))
        )


def blind_matches(matcher: Matcher, *, max_dets: int) -> Matches:
    """Of the first ``max_dets`` detections of each image and category; crowds are left out."""
    m = matcher
    partner = np.empty(len(m.paired), np.int32)
    m.over_categories(cause_kernels.blind_partners, m.paired_start, m.pairs, m.gt.crowd, partner)
    found = (partner >= 0) & (m.rank[m.paired] < max_dets)
    dt, gt = m.paired[found], partner[found]
    return Matches(dt, gt, np.setdiff1d(np.flatnonzero(~m.gt.crowd), gt))


def matches_in_cells(matcher: Matcher) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Matches on the whole set at every pair of thresholds, as bit sets of cells.

    Returns:
        (C, 2) matched to ground truth that counts, (C, 2) to a crowd, for the C detections with
        pairs; (G, 2) taken, for the ground truth.
    """
    m = matcher
    taken = np.zeros((len(m.gt), 2), np.uint64)
    matched, ignored = np.empty((2, len(m.paired), 2), np.uint64)
    truth, cells = Truth(m.gt.crowd, m.gt.crowd, taken), WHOLE.cells
    m.over_categories(
        cause_kernels.record_matches, m.paired_start, m.pairs, truth, cells, matched, ignored
    )
    return matched, ignored, taken
