"""The geometric operations of the AutoAugment policies, their signs and places drawn at random.

Pixels are those of a picture whose long side is 640, as in COCO, and grow with the picture.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from detectron2.data import transforms as T

from .transforms import AffineTransform, BoxContentTransform, CoverTransform
from .visibility import frame_of

# The state that Detectron2 seeds in each worker.
rng = np.random

# Of an image and a level from 0 to 10.
ImageOperation = Callable[[np.ndarray, int], T.Transform]
# Of an image, all its boxes (N x 4 integers inside it), K indices of those to change, and a level.
BoxOperation = Callable[[np.ndarray, np.ndarray, np.ndarray, int], T.Transform]


def _pixels(image: np.ndarray, pixels: float) -> int:
    return round(pixels * max(image.shape[:2]) / 640)


def _either_way(value: float) -> float:
    return value if rng.rand() < 0.5 else -value


def _shift(axis: int, pixels: int) -> np.ndarray:
    """The map (2 x 3) of a shift along x (0) or y (1)."""
    matrix = np.eye(2, 3)
    matrix[axis, 2] = _either_way(pixels)
    return matrix


def _shear(axis: int, level: int) -> np.ndarray:
    """The map (2 x 3) of a shear about the top left corner, which stays."""
    matrix = np.eye(2, 3)
    matrix[axis, 1 - axis] = _either_way(0.03 * level)
    return matrix


def _rotate(image: np.ndarray, level: int) -> T.Transform:
    height, width = image.shape[:2]
    center = (width / 2, height / 2)
    return AffineTransform(cv2.getRotationMatrix2D(center, _either_way(3 * level), 1))


def _cutout_in(box: np.ndarray, half_side: int) -> np.ndarray:
    """What lies in a box of a square whose center is anywhere in it."""
    low, high = box[:2], box[2:]
    center = (low + rng.rand(2) * (high - low)).astype(int)
    return np.clip([center - half_side, center + half_side], low, high).ravel()


def _cutout(image: np.ndarray, level: int) -> T.Transform:
    return CoverTransform(_cutout_in(frame_of(image), _pixels(image, 10 * level)))


def _cutout_in_boxes(image, boxes, chosen, level) -> T.Transform:
    half_side = _pixels(image, 5 * level)
    return CoverTransform(np.array([_cutout_in(boxes[i], half_side) for i in chosen], dtype=int))


def _move_content(matrix: Callable[[np.ndarray, int], np.ndarray]) -> BoxOperation:
    return lambda image, boxes, chosen, level: BoxContentTransform(
        boxes, chosen, matrix(image, level)
    )


IMAGE_OPERATIONS: dict[str, ImageOperation] = {
    "TranslateX": lambda image, level: AffineTransform(_shift(0, _pixels(image, 25 * level))),
    "ShearX": lambda image, level: AffineTransform(_shear(0, level)),
    "ShearY": lambda image, level: AffineTransform(_shear(1, level)),
    "Rotate": _rotate,
    "Cutout": _cutout,
}

BOX_OPERATIONS: dict[str, BoxOperation] = {
    "BoxTranslateY": _move_content(lambda image, level: _shift(1, _pixels(image, 12 * level))),
    "BoxShearX": _move_content(lambda image, level: _shear(0, level)),
    "BoxShearY": _move_content(lambda image, level: _shear(1, level)),
    "BoxCutout": _cutout_in_boxes,
}
