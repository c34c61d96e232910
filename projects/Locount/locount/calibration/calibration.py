"""What a model file holds of how far its numbers can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

import msgspec
import numpy as np

from ..errors import InputError
from ..model_file import stored
from .conformal import Interval, Quantiles, Spread, check_level, photos_needed
from .isotonic import Isotonic

# Under which a model file holds it, beside "model".
CALIBRATION_KEY = "calibration"
# Photos are of one size between two of these numbers of predicted items.
SIZES = (10, 100)


def size_of(totals: np.ndarray | int) -> np.ndarray:
    """The size of photos, from 0 to len(SIZES), by their predicted items."""
    return np.digitize(totals, SIZES)


class Intervals(msgspec.Struct, frozen=True):
    """Intervals of one kind of number.

    Attributes:
        everywhere: errors on all photos.
        by_category, by_size: of a category by its id, and of photos of one size, where there are
            enough photos.
    """

    spread: Spread
    everywhere: Quantiles
    by_category: dict[int, Quantiles] = {}
    by_size: dict[int, Quantiles] = {}

    def of(
        self,
        numbers: np.ndarray,
        category_ids: Iterable[int | None],
        totals: Iterable[int],
        level: float,
        least: int,
    ) -> list[Interval]:
        """The interval of each number, by the errors of its category, else by those on photos of
        its size, else by those everywhere; where the first are too few for the level, by the
        larger of their largest and that everywhere.

        Args:
            numbers: N, predicted.
            category_ids: N.
            totals: N, the predicted items of each one's photo.
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

        def own(quantiles: Quantiles) -> float:
            error = quantiles.at(level)
            return max(quantiles.errors[-1], everywhere) if error == np.inf else error

        by_category: dict[int | None, float] = {
            key: own(quantiles) for key, quantiles in self.by_category.items()
        }
        by_size = {key: own(quantiles) for key, quantiles in self.by_size.items()}
        sizes = size_of(np.array([*totals], np.int64)).tolist()
        errors = [
            by_category.get(category, by_size.get(size, everywhere))
            for category, size in zip(category_ids, sizes, strict=True)
        ]
        low, high = self.spread.bounds(numbers, np.array(errors), least)
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
        probability: the share of boxes on an object (IoU 0.5), by score.
        probability_by_size: that on photos of one size.
        totals: of photos.
        categories: of a category on a photo where it was found; None of a model with one category,
            where it is the total.
        boxes: of boxes on an object; None where they were on too few photos.
    """

    score: float
    max_overlap: float
    probability: Isotonic
    totals: Intervals
    categories: Intervals | None
    boxes: Intervals | None
    probability_by_size: dict[int, Isotonic] = {}

    @classmethod
    def of_model_file(cls, path: str) -> Self | None:
        """
        Raises:
            InputError: if the file is damaged.
        """
        return stored(path, CALIBRATION_KEY, cls)

    def check(self, level: float) -> None:
        """
        Raises:
            InputError: if there are no intervals of one of the kinds at the level.
        """
        for intervals in filter(None, (self.totals, self.categories, self.boxes)):
            intervals.of(np.empty(0), (), (), level, 0)

    def probabilities(self, scores: np.ndarray, total: int) -> np.ndarray:
        """That boxes of these scores are on an object.

        Args:
            scores: N.
            total: the predicted items of the photo.
        """
        return self.probability_by_size.get(int(size_of(total)), self.probability)(scores)

    def total_interval(self, total: int, level: float) -> Interval:
        """Of the number of items on a photo; ``total`` is in it.

        Raises:
            InputError: if the level is not between 0 and 1, or takes more photos than there were.
        """
        return self.totals.of(np.array([total]), [None], [total], level, 0)[0]

    def category_intervals(self, totals: Mapping[int, int], level: float) -> list[Interval]:
        """Of the items of each category that was found on a photo. Raises as for the total.

        Args:
            totals: the items, by the category's id.
        """
        intervals = self.categories or self.totals
        of_photo = [sum(totals.values())] * len(totals)
        return intervals.of(np.array([*totals.values()], np.int64), totals, of_photo, level, 0)

    def count_intervals(
        self, category_ids: Iterable[int], counts: np.ndarray, level: float
    ) -> list[Interval]:
        """Of the counts of all boxes of a photo, if they are on an object. Raises as for the total,
        and where boxes have no intervals."""
        if self.boxes is None:
            raise InputError(
                "too few photos of the calibration have a box on an object, so counts have no "
                "intervals"
            )
        of_photo = [int(counts.sum())] * len(counts)
        return self.boxes.of(counts, category_ids, of_photo, level, 1)
