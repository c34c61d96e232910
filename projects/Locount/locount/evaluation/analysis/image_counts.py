"""How many products an image holds, counted by detection: everything above a score is counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ..annotations import Detections, GroundTruth


@dataclass(frozen=True)
class ImageCounts:
    """The true number of every image, and what each detection adds to the predicted one.

    I images, in the order of their ids; D detections. All numbers are whole.
    """

    true: np.ndarray  # (I,) float64
    image: np.ndarray  # (D,) place of the image
    scores: np.ndarray  # (D,)
    added: np.ndarray  # (D,) float64

    @classmethod
    def of(cls, gt: GroundTruth, dt: Detections, *, items: bool) -> ImageCounts:
        """Of all categories together. Crowds are left out of the truth.

        Args:
            items: add up the counts of the boxes; else count the boxes.
        """
        kept = gt.take(np.flatnonzero(~gt.crowd))
        true = np.bincount(
            kept.image, kept.counts if items else None, minlength=len(gt.image_ids)
        ).astype(np.float64)
        added = dt.counts if items else np.ones(len(dt))
        return cls(true, dt.image, dt.scores, added.astype(np.float64))

    def predicted(self, threshold: float) -> np.ndarray:
        """The number of each image when scores of at least ``threshold`` count: (I,)."""
        counted = self.scores >= threshold
        return np.bincount(self.image[counted], self.added[counted], minlength=len(self.true))

    def errors(self, threshold: float) -> dict[str, float]:
        """ "MAE", "RMSE" and "bias" (predicted minus true) per image; NaN without images."""
        return _errors(self.predicted(threshold) - self.true)

    def best_threshold(self) -> float:
        """The threshold of least MAE of all there are; of equal ones the highest score.

        Infinity if every score is worse than to count nothing.
        """
        order = np.lexsort((-self.scores, self.image))
        image, scores, added = self.image[order], self.scores[order], self.added[order]
        # The error of the image of each detection when this one and all better ones count.
        upto = np.cumsum(added)
        before_image = np.append(0, upto)[np.searchsorted(image, image)]
        error = upto - before_image - self.true[image]
        change = np.abs(error) - np.abs(error - added)

        by_score = np.argsort(-scores, kind="stable")
        scores, total = scores[by_score], np.cumsum(change[by_score])
        last_of_score = np.append(scores[1:] != scores[:-1], True)[: len(scores)]
        scores, total = scores[last_of_score], total[last_of_score]
        # Counting nothing changes nothing.
        if not len(total) or total.min() > 0:
            return float("inf")
        return float(scores[total.argmin()])

    def fitted_threshold(self, source: str) -> float:
        """:meth:`best_threshold`, where there is one.

        Args:
            source: where the detections are from, for messages.

        Raises:
            InputError: if there is no detection, or to count nothing is better.
        """
        if not len(self.scores):
            raise InputError(f"{source} has no detections: predict with a lower PREDICT.SCORE")
        threshold = self.best_threshold()
        if threshold == float("inf"):
            raise InputError(
                f"{source}: at every score the error is larger than without any detection: are "
                "they of the same images, and of a trained model?"
                + ("" if self.true.any() else " No image holds a box, so each detection is wrong")
            )
        return threshold

    def cross_fitted_errors(self) -> dict[str, float]:
        """:meth:`errors` of each half of the images at the best threshold of the other half.

        The halves are every other image, in the order of the ids. NaN for less than two images.
        """
        if len(self.true) < 2:
            return _errors(np.empty(0))
        half = np.arange(len(self.true)) % 2
        difference = np.empty_like(self.true)
        for judged in (0, 1):
            threshold = self.of_images(half != judged).best_threshold()
            difference[half == judged] = (self.predicted(threshold) - self.true)[half == judged]
        return _errors(difference)

    def of_images(self, kept: np.ndarray) -> ImageCounts:
        """Of the images where ``kept`` is true."""
        place, of_kept = np.cumsum(kept) - 1, kept[self.image]
        return ImageCounts(
            self.true[kept],
            place[self.image[of_kept]],
            self.scores[of_kept],
            self.added[of_kept],
        )


def _errors(difference: np.ndarray) -> dict[str, float]:
    if not len(difference):
        return dict.fromkeys(("MAE", "RMSE", "bias"), float("nan"))
    return {
        "MAE": float(np.abs(difference).mean()),
        "RMSE": float(np.sqrt(np.square(difference).mean())),
        "bias": float(difference.mean()),
    }
