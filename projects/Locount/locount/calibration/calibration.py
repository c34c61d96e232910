"""What a model file holds of how far its numbers can be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import msgspec
import numpy as np

from ..errors import InputError
from ..model_file import stored
from .conformal import Interval, Quantiles, Spread, check_level, photos_needed
from .isotonic import Isotonic

# Under which a model file holds it, beside "model".
CALIBRATION_KEY = "calibration"


class Intervals(msgspec.Struct, frozen=True):
    """Intervals of one kind of number.

    Attributes:
        everywhere: errors of all categories together.
        by_category: of a category alone, by its id, where it was on enough photos.
    """

    spread: Spread
    everywhere: Quantiles
    by_category: dict[int, Quantiles] = {}

    def of(
        self, numbers: np.ndarray, category_ids: Iterable[int | None], level: float, least: int
    ) -> list[Interval]:
        """The interval of each number: of its category's own errors where they suffice for the
        level, else of those everywhere.

        Args:
            numbers: N, predicted.
            category_ids: N.
            least: the least number that there is.

        Raises:
            InputError: if the photos are too few for the level.
        """
        check_level(level)
        everywhere = self.everywhere.at(level)
        if everywhere == np.inf:
            raise InputError(
                f"an interval at {level:g} takes {photos_needed(level)} photos in the half of the "
                f"calibration that measures, and there were {self.everywhere.photos}: ask for "
                f"{self.highest_level:.2g} or less, or calibrate with more photos"
            )
        own = {i: quantiles.at(level) for i, quantiles in self.by_category.items()}
        errors = [own.get(i, np.inf) for i in category_ids]
        errors = np.array([everywhere if error == np.inf else error for error in errors])
        low, high = self.spread.bounds(numbers, errors, least)
        return list(map(Interval, low.tolist(), high.tolist()))

    @property
    def highest_level(self) -> float:
        """The highest level that :meth:`of` gives, rounded down to percents."""
        photos = self.everywhere.photos
        return int(100 * photos / (photos + 1)) / 100


class Calibration(msgspec.Struct, frozen=True):
    """What was learnt from annotated photos, for detections of at least ``score`` without those
    that lie in better ones by more than ``max_overlap``.

    Attributes:
        data: the photos, in words.
        probability: the share of boxes on an object (IoU 0.5), by score.
        totals: of photos.
        categories: of a category on a photo where it was found; None of a model with one category,
            where it is the total.
        boxes: of boxes on an object; None where there was none.
    """

    score: float
    max_overlap: float
    data: str
    probability: Isotonic
    totals: Intervals
    categories: Intervals | None
    boxes: Intervals | None

    @classmethod
    def of_model_file(cls, path: str) -> Self | None:
        """
        Raises:
            InputError: if the file is damaged.
        """
        return stored(path, CALIBRATION_KEY, cls)

    def total_interval(self, total: int, level: float) -> Interval:
        """Of the number of items on a photo; ``total`` lies in it.

        Raises:
            InputError: if the level is not between 0 and 1, or takes more photos than there were.
        """
        return self.totals.of(np.array([total]), [None], level, 0)[0]

    def category_intervals(
        self, category_ids: Iterable[int], totals: Iterable[int], level: float
    ) -> list[Interval]:
        """Of the items of categories that were found on a photo. Raises as for the total."""
        intervals = self.categories or self.totals
        return intervals.of(np.array([*totals], np.int64), category_ids, level, 0)

    def count_intervals(
        self, category_ids: Iterable[int], counts: np.ndarray, level: float
    ) -> list[Interval]:
        """Of the counts of boxes that are on an object. Raises as for the total, and where no box
        of the calibration was on an object."""
        if self.boxes is None:
            raise InputError(
                "no box of the calibration was on an object, so counts have no intervals"
            )
        return self.boxes.of(counts, category_ids, level, 1)
