"""What a model says about one photo, as plain numbers."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
import torch
from detectron2.structures import Instances
from PIL import Image

from ..calibration import DEFAULT_LEVEL, Calibration, Interval, Totals
from ..class_names import Classes
from ..coco import results
from ..data.images import UPRIGHT, open_picture
from ..errors import InputError, counted
from ..evaluation.parts import outside_better
from ..visualization.drawing import draw_prediction, to_picture

if TYPE_CHECKING:
    import supervision


class Detection(NamedTuple):
    """One box of a :class:`Prediction`.

    Attributes:
        box: absolute XYXY in pixels of the image.
        count_score: NaN if the model gives none.
    """

    name: str
    count: int  # type: ignore[assignment]  # hides tuple's method
    score: float
    box: tuple[float, float, float, float]
    count_score: float
    class_id: int


@dataclass(frozen=True, eq=False)
class Prediction:
    """The detections of one image that count. Arrays have one entry for each, best score first.

    >>> from locount import Predictor
    >>> prediction = Predictor()("photo.jpg")
    >>> for found in prediction:
    ...     print(f"found {found.count} x {found.name} at {found.box}, score {found.score:.2f}")
    found ... x ... at (...), score ...

    A selection is one, too: ``prediction[:10]``, ``prediction[prediction.counts > 1]``. And it
    serves as the dict that Detectron2's ``DefaultPredictor`` returns, by its key "instances":

    >>> len(prediction["instances"]) >= len(prediction)
    True

    Attributes:
        name: path of the photo, or what its array was called.
        instances: those that count in Detectron2's own form, on the CPU.
        classes: of the model.
        pixels: H x W x 3, uint8, BGR, where they were asked for.
        orientation: the EXIF orientation of the file, by which its stored pixels were turned before
            everything else; 1 if they were not.
        all_instances: with those that don't count; None if these are all.
        calibration: of the model; None of one that has none.
    """

    name: str
    instances: Instances
    classes: Classes
    pixels: np.ndarray | None = None
    orientation: int = UPRIGHT
    all_instances: Instances | None = None
    calibration: Calibration | None = None

    def __repr__(self) -> str:
        items, boxes = counted(self.total, "item", "items"), counted(len(self), "box", "boxes")
        return f"<Prediction of {self.name}: {items} in {boxes}>"

    def __len__(self) -> int:
        return len(self.instances)

    def __iter__(self) -> Iterator[Detection]:
        return map(
            Detection._make,
            zip(
                self.names,
                self.counts.tolist(),
                self.scores.tolist(),
                map(tuple, self.boxes.tolist()),
                self.count_scores.tolist(),
                self.class_ids.tolist(),
                strict=True,
            ),
        )

    @overload
    def __getitem__(self, key: str) -> Instances: ...
    @overload
    def __getitem__(self, key: int) -> Detection: ...
    @overload
    def __getitem__(self, key: slice | np.ndarray) -> Prediction: ...
    def __getitem__(self, key):
        """A detection by its position, a selection, or by "instances" all of them."""
        if isinstance(key, str):
            if key not in self:
                raise KeyError(key)
            return self.everything.instances
        if isinstance(key, slice | np.ndarray | list):
            key = key if isinstance(key, slice) else torch.as_tensor(key)
            every = self.everything.instances
            return replace(self, instances=self.instances[key], all_instances=every)
        position = operator.index(key)
        if not -len(self) <= position < len(self):
            raise IndexError(f"{position} of {len(self)} detections")
        position %= len(self)
        return next(iter(self[position : position + 1]))

    def __contains__(self, key: object) -> bool:
        """Whether it is the one key of ``DefaultPredictor``'s dict."""
        return key == "instances"

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
        """N, float32, in [0, 1]; NaN everywhere if the model gives none."""
        if not self.instances.has("count_scores"):
            return np.full(len(self), np.nan, dtype=np.float32)
        return self.instances.count_scores.numpy()

    @property
    def total(self) -> int:
        """The number of products on the photo: the sum of the counts.

        >>> from locount import Predictor
        >>> prediction = Predictor()("photo.jpg")
        >>> prediction.total == sum(found.count for found in prediction)
        True
        """
        return int(self.counts.sum())

    @property
    def totals(self) -> dict[str, int]:
        """The number of products of each category that is on the photo, most first.

        >>> from locount import Predictor
        >>> prediction = Predictor()("photo.jpg")
        >>> sum(prediction.totals.values()) == prediction.total
        True
        """
        numbers: Counter[str] = Counter()
        for name, count in zip(self.names, self.counts.tolist(), strict=True):
            numbers[name] += count
        return dict(numbers.most_common())

    @property
    def everything(self) -> Prediction:
        """With the detections that don't count, too: all that the model gives."""
        if self.all_instances is None:
            return self
        return replace(self, instances=self.all_instances, all_instances=None)

    def counting(self, score: float, max_overlap: float) -> Prediction:
        """Of everything, what counts: :meth:`above` and then :meth:`without_parts`."""
        every = self.everything
        found = every.above(score).without_parts(max_overlap)
        return replace(found, all_instances=every.instances)

    def above(self, score: float) -> Prediction:
        """With the detections of at least this score.

        >>> from locount import Predictor
        >>> prediction = Predictor()("photo.jpg")
        >>> all(prediction.above(0.5).scores >= 0.5)
        True
        """
        return self[self.scores >= score]

    def without_parts(self, max_overlap: float) -> Prediction:
        """Without detections inside a better one of their class, so that items count once.

        Args:
            max_overlap: as for :func:`outside_better`; 1 keeps all.
        """
        return self[outside_better(self.boxes, self.class_ids, max_overlap)]

    @property
    def _own_calibration(self) -> Calibration:
        if self.calibration is None:
            raise InputError(
                f"{self.name} has no intervals: either the model holds no calibration that fits "
                "(`locount calibrate` makes one), or the photo was looked at in tiles "
                '(tiles="none" turns that off)'
            )
        return self.calibration

    def calibrated(self) -> Prediction:
        """Of everything, what the calibration is about, and so the intervals.

        Raises:
            InputError: if the model has no calibration.
        """
        calibration = self._own_calibration
        return self.counting(calibration.score, calibration.max_overlap)

    def total_interval(self, level: float = DEFAULT_LEVEL) -> Interval:
        """Of the products on the photo, whatever is selected here: covers their number on at least
        that share of new photos of the kind that the model was calibrated on.

        It holds the total of :meth:`calibrated`.

        Args:
            level: between 0 and 1.

        Raises:
            InputError: as :meth:`calibrated`, and if the photos of the calibration were too few
                for the level.
        """
        return self._own_calibration.total_interval(self.calibrated().total, level)

    def category_totals(self) -> dict[int, int]:
        """The items of each class that was found, by its number, ascending."""
        totals = np.bincount(self.class_ids, self.counts)
        return {int(i): int(totals[i]) for i in np.flatnonzero(totals)}

    def intervals(self, level: float = DEFAULT_LEVEL) -> Totals[int]:
        """The total of :meth:`calibrated`, and those of its categories by their ids, likewise."""
        totals = self.calibrated().category_totals()
        by_id = {self.classes.ids[i]: total for i, total in totals.items()}
        return self._own_calibration.totals_of(by_id, level)

    def category_intervals(self, level: float = DEFAULT_LEVEL) -> dict[int, Interval]:
        """Those of :meth:`intervals`, by the numbers of the classes."""
        categories = self.intervals(level).categories
        return {self.classes.ids.index(i): total.interval for i, total in categories.items()}

    def count_intervals(self, level: float = DEFAULT_LEVEL) -> list[Interval]:
        """Of the count of each detection of :meth:`calibrated` that is on an object, likewise."""
        found = self.calibrated()
        ids = [self.classes.ids[i] for i in found.class_ids]
        return self._own_calibration.count_intervals(ids, found.counts, level)

    @property
    def probabilities(self) -> np.ndarray:
        """N, float64: the share of boxes of such a score that are on an object (IoU 0.5); NaN from
        a model without calibration."""
        if self.calibration is None:
            return np.full(len(self), np.nan)
        return self.calibration.probabilities(self.scores, self.calibrated().total)

    def plot(self, pixels: np.ndarray | None = None, level: float | None = None) -> Image.Image:
        """A picture of the photo with its boxes, counts and a key below; notebooks show it.

        >>> from locount import Predictor
        >>> Predictor()("photo.jpg").plot().save("found.jpg")

        Args:
            pixels: H x W x 3, uint8, BGR; by default those that it has, or the file's.
            level: of the intervals in the key, as for :func:`draw_prediction`.

        Raises:
            InputError: if the file can't be read any more.
        """
        if pixels is None:
            pixels = self.pixels
        if pixels is None:
            pixels = open_picture(self.name, upright=self.orientation != UPRIGHT).pixels
        return to_picture(draw_prediction(self, pixels, level))

    def to_coco(self, image_id: int = 1) -> list[dict[str, Any]]:
        """COCO results, as in predictions.json of `locount predict`: boxes as XYWH, with counts.

        >>> from locount import Predictor
        >>> sorted(Predictor()("photo.jpg").to_coco(image_id=7)[0])
        ['bbox', 'category_id', 'count', 'count_score', 'image_id', 'score']
        """
        ids = [self.classes.ids[i] for i in self.class_ids]
        columns = [self.scores, self.counts]
        if self.instances.has("count_scores"):
            columns.append(self.count_scores)
        return results(image_id, ids, self.boxes, *columns)

    def to_supervision(self) -> supervision.Detections:
        """For the package supervision; counts and names are in its ``data``.

        >>> from locount import Predictor
        >>> detections = Predictor()("photo.jpg").to_supervision()
        >>> several = detections[detections["count"] > 1]
        >>> several["class_name"]
        array([...

        Raises:
            ModuleNotFoundError: if it is not installed.
        """
        import supervision

        return supervision.Detections(
            xyxy=self.boxes,
            confidence=self.scores,
            class_id=self.class_ids,
            data={
                "class_name": np.array(self.names, dtype=str),
                "count": self.counts,
                "count_score": self.count_scores,
            },
        )
