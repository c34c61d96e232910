"""How often detections of a score are right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reliability:
    """Detections by score, in bins that are not empty, ascending.

    Attributes:
        scores: the mean of each bin.
        shares: of the bin's detections that are on an object.
        numbers: of detections in it.
    """

    scores: np.ndarray
    shares: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, hits: np.ndarray, num_bins: int = 10) -> Reliability:
        """
        Args:
            scores: N, in [0, 1].
            hits: N, 0 or 1.
        """
        bins = (scores * num_bins).astype(np.int64).clip(0, num_bins - 1)
        numbers = np.bincount(bins, minlength=num_bins)
        used = numbers > 0
        means, shares = (
            np.bincount(bins, values, num_bins)[used] / numbers[used] for values in (scores, hits)
        )
        return cls(means, shares, numbers[used])

    @property
    def error(self) -> float:
        """The expected calibration error: how far scores and shares differ, on average over
        detections (Guo et al., ICML 2017); NaN without detections."""
        if not len(self.numbers):
            return float("nan")
        return float(np.average(np.abs(self.scores - self.shares), weights=self.numbers))
