"""Ground truth and detections as arrays."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


def xyxy(boxes: np.ndarray) -> np.ndarray:
    """XYWH boxes, N x 4, as XYXY."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


@dataclass(frozen=True)
class _Boxes:
    """Objects of a set of images; place i of every array belongs to object i.

    ``image`` and ``category`` are places in the ascending ``image_ids`` and ``category_ids`` of the
    ground truth.
    """

    image: np.ndarray  # (N,) int32
    category: np.ndarray  # (N,) int32
    boxes: np.ndarray  # (N, 4) float64, XYWH in pixels
    counts: np.ndarray  # (N,) int64, >= 1

    def __len__(self) -> int:
        return len(self.image)

    @property
    def box_areas(self) -> np.ndarray:
        return self.boxes[:, 2] * self.boxes[:, 3]

    def _taken(self, order: np.ndarray, names: tuple[str, ...]):
        return replace(self, **{n: getattr(self, n).take(order, axis=0) for n in names})


@dataclass(frozen=True)
class GroundTruth(_Boxes):
    areas: np.ndarray  # (N,) float64, the annotation's "area", or the box's
    crowd: np.ndarray  # (N,) bool
    image_ids: np.ndarray  # ascending, int64 or str
    category_ids: np.ndarray  # ascending, int64
    category_names: tuple[str, ...]
    # A Source: the file, or what was parsed of it; None of what was put together.
    source: Any = field(default=None, repr=False)

    def take(self, order: np.ndarray) -> GroundTruth:
        return self._taken(order, ("image", "category", "boxes", "counts", "areas", "crowd"))


@dataclass(frozen=True)
class Detections(_Boxes):
    scores: np.ndarray  # (N,) float64

    def take(self, order: np.ndarray) -> Detections:
        return self._taken(order, ("image", "category", "boxes", "counts", "scores"))
