"""Isotonic regression: the share of hits as a function that never falls with the score."""

from __future__ import annotations

from typing import Self

import msgspec
import numpy as np

# Of steps before neighbors are pooled, and the least number of scores of one.
MAX_STEPS, LEAST_IN_STEP = 100, 20


class Isotonic(msgspec.Struct, frozen=True):
    """A step function that never falls.

    Attributes:
        starts: ascending, where each step begins; the first one reaches down without end.
        values: of each step, ascending.
    """

    starts: list[float]
    values: list[float]

    def __post_init__(self) -> None:
        if len(self.starts) != len(self.values) or not self.starts:
            raise ValueError("as many starts as values, and one at least")

    @classmethod
    def fit(cls, scores: np.ndarray, hits: np.ndarray) -> Self:
        """The non-decreasing steps nearest to the hits in least squares, by pooling adjacent
        violators (Ayer et al., Annals of Mathematical Statistics, 1955).

        Steps begin with some LEAST_IN_STEP scores, so that a few hits at the top are no certainty.

        Args:
            scores: N, not empty.
            hits: N, 0 or 1.
        """
        values, place, numbers = np.unique(scores, return_inverse=True, return_counts=True)
        sums = np.bincount(place, hits)
        size = max(LEAST_IN_STEP, -(-len(scores) // MAX_STEPS))
        begins, upto = [0], np.append(0, np.cumsum(numbers))
        for i in range(1, len(values)):
            if upto[i] - upto[begins[-1]] >= size and len(scores) - upto[i] >= size:
                begins.append(i)
        sums, numbers = np.add.reduceat(sums, begins), np.add.reduceat(numbers, begins)
        blocks: list[tuple[float, float, int]] = []  # start, sum, number
        for start, total, number in zip(values[begins], sums, numbers, strict=True):
            while blocks and blocks[-1][1] * number >= total * blocks[-1][2]:
                start, before, more = blocks.pop()
                total, number = total + before, number + more
            blocks.append((float(start), float(total), int(number)))
        return cls([s for s, _, _ in blocks], [total / number for _, total, number in blocks])

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """The value at each score, float64."""
        place = np.searchsorted(self.starts, scores, side="right") - 1
        return np.asarray(self.values)[place.clip(min=0)]
