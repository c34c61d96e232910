"""Intervals that cover the truth in a given share of new photos: split conformal prediction.

n photos for calibration; photo i has m_i errors, such as one of its total or one of each box.
Nothing is assumed of them but that the photos and a new one are exchangeable.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import msgspec
import numpy as np

from ..errors import InputError

# Of intervals where none is asked for. A calibration on too few photos for it is not made.
DEFAULT_LEVEL = 0.9
# Shares of levels that are kept exactly; between them the next higher one is taken.
LEVELS = np.arange(1, 200) / 200
# Of sums of shares, for rounding.
_EPSILON = 1e-9
# Of the two sides of errors: even ones are mixed in as if of so many more numbers, and neither is
# taken for smaller than this part of the other.
_EVEN_NUMBERS, _LEAST_SIDE = 10, 0.25


class Interval(NamedTuple):
    """Whole numbers from ``low`` to ``high``, both included."""

    low: int
    high: int

    def __str__(self) -> str:
        return f"{self.low}–{self.high}"


def photos_needed(level: float) -> int:
    """How many photos an interval of that level takes: the least n with n / (n + 1) >= level."""
    return math.ceil(level / (1 - level) - _EPSILON)


def check_level(level: float) -> None:
    """
    Raises:
        InputError: unless the level is between 0 and 1.
    """
    if not 0 < level < 1:
        raise InputError(f"the level of an interval is {level}; it must be between 0 and 1")


class Quantiles(msgspec.Struct, frozen=True):
    """What errors of new photos will not exceed.

    Each photo has the weight 1 / (n + 1), dealt evenly to its m_i errors, and a new photo is one
    more whose error is as large as can be. The quantile of that covers an error drawn from a new
    photo with at least the level's probability (Lee, Barber and Willett, 2023, "Distribution-free
    inference with hierarchical data"). With one error a photo it is the
    ceil(level · (n + 1))-th smallest (Vovk et al., 2005).

    Attributes:
        photos: n.
        errors: ascending.
        shares: the weight of all errors up to each.
    """

    photos: int
    errors: list[float]
    shares: list[float]

    def __post_init__(self) -> None:
        if len(self.errors) != len(self.shares):
            raise ValueError("as many errors as shares")

    @classmethod
    def of(cls, errors: np.ndarray, photo: np.ndarray) -> Self:
        """
        Args:
            errors: N, from 0 on.
            photo: N, the number of each one's photo.
        """
        _, place, sizes = np.unique(photo, return_inverse=True, return_counts=True)
        order = np.argsort(errors, kind="stable")
        shares = np.cumsum(1 / sizes[place[order]]) / (len(sizes) + 1)
        # Thousands of boxes: only the errors that answer for a level are kept, and the largest.
        kept = np.searchsorted(shares, [*(LEVELS - _EPSILON), shares[-1] if len(shares) else 0.0])
        kept = np.unique(kept[kept < len(shares)])
        return cls(len(sizes), errors[order][kept].tolist(), shares[kept].tolist())

    def at(self, level: float) -> float:
        """The error that is not exceeded; infinite where there are less than
        :func:`photos_needed`."""
        place = int(np.searchsorted(self.shares, level - _EPSILON))
        return self.errors[place] if place < len(self.errors) else math.inf


class Spread(msgspec.Struct, frozen=True):
    """How errors grow with the number: the unit that they are measured in.

    With p predicted and t true the error is max((p - t) / (below · w), (t - p) / (above · w)),
    w = (p + 1) ** power.

    Attributes:
        power: 0.5 for errors as of things that are found one by one, 1 for shares of the number.
        below, above: how far the truth lies on either side, so that a model that finds too little
            gets intervals that reach further up.
    """

    power: float
    below: float
    above: float

    @classmethod
    def fit(cls, predicted: np.ndarray, true: np.ndarray, power: float) -> Self:
        """The sides by the sums of the distances on them.

        Args:
            predicted, true: N.
        """
        distance = (true - predicted) / (predicted + 1.0) ** power
        sides = np.array([side.clip(min=0).sum() for side in (-distance, distance)])
        if not sides.any():
            return cls(power, 0.5, 0.5)
        sides += sides.sum() / 2 * _EVEN_NUMBERS / len(distance)
        sides = sides.clip(min=_LEAST_SIDE * sides.max())
        return cls(power, *(sides / sides.sum()).tolist())

    def errors(self, predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
        distance = (true - predicted) / (predicted + 1.0) ** self.power
        return np.maximum(-distance / self.below, distance / self.above)

    def bounds(
        self, predicted: np.ndarray, error: np.ndarray | float, least: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The whole numbers whose error is at most ``error``: the lowest, ``least`` or more, and
        the highest. ``predicted`` always lies between, as its own error is 0."""
        width = error * (predicted + 1.0) ** self.power
        low = np.ceil(predicted - self.below * width - _EPSILON).clip(min=least)
        high = np.floor(predicted + self.above * width + _EPSILON)
        return low.astype(np.int64), high.astype(np.int64)
