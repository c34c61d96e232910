"""What a model says about one photo, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from detectron2.structures import Instances

from ..class_names import Classes
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
    """

    name: str
    instances: Instances
    classes: Classes
    pixels: np.ndarray | None = None
    orientation: int = 1

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
        return replace(self, instances=self.instances[self.instances.scores >= score])

    def without_parts(self, max_overlap: float) -> Prediction:
        """Without detections that lie in a better one of their class, so that items count once.

        Args:
            max_overlap: as for :func:`outside_better`; 1 keeps all.
        """
        keep = outside_better(self.boxes, self.class_ids, max_overlap)
        return replace(self, instances=self.instances[torch.from_numpy(keep)])
