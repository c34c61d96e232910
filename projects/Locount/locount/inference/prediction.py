"""What a model says about one photo, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from detectron2.structures import Instances

from ..calibration import DEFAULT_LEVEL, Calibration, Interval
from ..class_names import Classes
from ..errors import InputError
from ..evaluation.parts import outside_better


@dataclass(frozen=True, eq=False)
class Prediction:
    """The detections of one image. Arrays have one entry for each, best score first.

    Attributes:
        name: path of the photo, or what its array was called.
        instances: Detectron2's own form, on the CPU.
        classes: of the model.
        pixels: H x W x 3, uint8, BGR, where they were asked for.
        orientation: the EXIF orientation of the file, by which its stored pixels were turned before
            all else; 1 if they were not.
        calibration: of the model; None of one that has none.
        score: detections below it were left out.
        max_overlap: so were those that lie in better ones by more than this share.
    """

    name: str
    instances: Instances
    classes: Classes
    pixels: np.ndarray | None = None
    orientation: int = 1
    calibration: Calibration | None = None
    score: float = 0.0
    max_overlap: float = 1.0

    def __len__(self) -> int:
        return len(self.instances)

    @property
    def height(self) -> int:
        return self.instances.image_size[0]

    @property
    def width(self) -> int:
        return self.instances.image_size[1]

    @property
    def boxes(self) -> np.ndarray:
        """N x 4, float32: absolute XYXY in pixels of the image."""
        return self.instances.pred_boxes.tensor.numpy()

    @property
    def scores(self) -> np.ndarray:
        """N, float32, in [0, 1]."""
        return self.instances.scores.numpy()

    @property
    def class_ids(self) -> np.ndarray:
        """N, int64, in [0, number of classes)."""
        return self.instances.pred_classes.numpy()

    @property
    def names(self) -> list[str]:
        """The name of each detection's class."""
        return [self.classes.names[i] for i in self.class_ids]

    @property
    def counts(self) -> np.ndarray:
        """N, int64, from 1 on; 1 everywhere from a model that does not count."""
        if not self.instances.has("pred_counts"):
            return np.ones(len(self), dtype=np.int64)
        return self.instances.pred_counts.numpy()

    @property
    def count_scores(self) -> np.ndarray:
        """N, float32, in [0, 1]; NaN everywhere from a model that gives none."""
        if not self.instances.has("count_scores"):
            return np.full(len(self), np.nan, dtype=np.float32)
        return self.instances.count_scores.numpy()

    def above(self, score: float) -> Prediction:
        """With the detections of at least this score."""
        instances = self.instances[self.instances.scores >= score]
        return replace(self, instances=instances, score=max(score, self.score))

    def without_parts(self, max_overlap: float) -> Prediction:
        """Without detections that lie in a better one of their class, so that items count once.

        Args:
            max_overlap: as for :func:`outside_better`; 1 keeps all.
        """
        keep = outside_better(self.boxes, self.class_ids, max_overlap)
        return replace(
            self,
            instances=self.instances[torch.from_numpy(keep)],
            max_overlap=min(max_overlap, self.max_overlap),
        )

    def calibrated(self) -> Prediction:
        """With the detections that the calibration is about: what the intervals speak of.

        Raises:
            InputError: if the model has no calibration, or some of them were left out before.
        """
        calibration = self.calibration
        if calibration is None:
            raise InputError(
                "the model holds no calibration that fits, so there are no intervals: "
                "`locount calibrate` makes one"
            )
        if self.score > calibration.score or self.max_overlap < calibration.max_overlap:
            raise InputError(
                f"intervals are of detections of score {calibration.score:g} and above, with "
                f"max_overlap {calibration.max_overlap:g}, and of these some were left out (score "
                f"{self.score:g}, max_overlap {self.max_overlap:g}): ask before, or calibrate "
                "with these numbers"
            )
        return self.above(calibration.score).without_parts(calibration.max_overlap)

    def total_interval(self, level: float = DEFAULT_LEVEL) -> Interval:
        """Of the items on the photo: covers their number on at least that share of new photos of
        the kind that the model was calibrated on.

        It holds the sum of :meth:`calibrated`'s counts.

        Args:
            level: between 0 and 1.

        Raises:
            InputError: as :meth:`calibrated`, and if the photos of the calibration were too few
                for the level.
        """
        found = self.calibrated()
        return found.calibration.total_interval(int(found.counts.sum()), level)

    def category_totals(self) -> dict[int, int]:
        """The items of each class that was found, by its number, ascending."""
        totals = np.bincount(self.class_ids, self.counts)
        return {int(i): int(totals[i]) for i in np.flatnonzero(totals)}

    def category_intervals(self, level: float = DEFAULT_LEVEL) -> dict[int, Interval]:
        """Of the items of each class in :meth:`calibrated`, by its number, likewise."""
        found = self.calibrated()
        totals = found.category_totals()
        by_id = {self.classes.ids[i]: total for i, total in totals.items()}
        intervals = found.calibration.category_intervals(by_id, level)
        return dict(zip(totals, intervals, strict=True))

    def count_intervals(self, level: float = DEFAULT_LEVEL) -> list[Interval]:
        """Of the count of each detection of :meth:`calibrated` that is on an object, likewise."""
        found = self.calibrated()
        ids = [self.classes.ids[i] for i in found.class_ids]
        return found.calibration.count_intervals(ids, found.counts, level)

    @property
    def probabilities(self) -> np.ndarray:
        """N, float64: the share of boxes of such a score that are on an object (IoU 0.5); NaN from
        a model without calibration.

        Raises:
            InputError: as :meth:`calibrated`, of a model with one.
        """
        if self.calibration is None:
            return np.full(len(self), np.nan)
        total = int(self.calibrated().counts.sum())
        return self.calibration.probabilities(self.scores, total)
