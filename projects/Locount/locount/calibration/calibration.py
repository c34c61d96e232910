"""What a model file holds of how far its numbers can be trusted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Generic, Self, TypeVar

import msgspec
import numpy as np
from detectron2.config import CfgNode

from ..config import changed
from ..errors import InputError
from ..model_file import stored, stored_config
from .conformal import Interval, Quantiles, Spread, check_level, photos_needed
from .isotonic import Isotonic

# Under which a model file holds it, beside "model".
CALIBRATION_KEY = "calibration"
# Photos are of one size between two of these numbers of predicted items.
SIZES = (10, 100)

Key = TypeVar("Key", int, str)

logger = logging.getLogger(__name__)


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


class Total(msgspec.Struct):
    """The items on a photo, or of one category on it, and their interval."""

    count: int
    low: int
    high: int

    @property
    def interval(self) -> Interval:
        return Interval(self.low, self.high)

    def __str__(self) -> str:
        return f"{self.count} ({self.interval})"


class Totals(msgspec.Struct, Generic[Key]):
    """The totals of a photo.

    Attributes:
        level: of the intervals.
        categories: those that were found, by their ids or names.
    """

    level: float
    photo: Total
    categories: dict[Key, Total]

    def named(self, names: Mapping[Key, str]) -> Totals[str]:
        """By the names of the categories."""
        by_name = {names[key]: total for key, total in self.categories.items()}
        return Totals(self.level, self.photo, by_name)


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

    @classmethod
    def of_config(cls, cfg: CfgNode) -> Self | None:
        """The one in its MODEL.WEIGHTS, if it is of detections that the config gives.

        Raises:
            InputError: as :meth:`of_model_file`.
        """
        path = cfg.MODEL.WEIGHTS
        calibration = cls.of_model_file(path)
        if calibration is None or _detecting(cfg) == _detecting(stored_config(path)):
            return calibration
        logger.warning(
            "%s is calibrated for the config in it. With another one there are no intervals; "
            "`locount calibrate` makes them.",
            path,
        )
        return None

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

    def totals_of(self, items: Mapping[int, int], level: float) -> Totals[int]:
        """Of a photo. Raises as for the total.

        Args:
            items: of each category that was found, by its id.
        """
        count, numbers = sum(items.values()), np.array([*items.values()], np.int64)
        own = (self.categories or self.totals).of(numbers, items, [count] * len(items), level, 0)
        categories = {i: Total(items[i], *bounds) for i, bounds in zip(items, own, strict=True)}
        return Totals(level, Total(count, *self.total_interval(count, level)), categories)

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


def _detecting(cfg: CfgNode) -> str:
    """The same for configs that give the same detections, all of them."""
    cfg = changed(cfg, "MODEL.WEIGHTS", "", "MODEL.DEVICE", "")
    return CfgNode({key: cfg[key] for key in ("MODEL", "INPUT", "TEST")}).dump()
