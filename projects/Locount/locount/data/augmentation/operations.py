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


def translation(dx: float, dy: float) -> np.ndarray:
    return np.array([[1.0, 0, dx], [0, 1, dy]])


def shear(along_x: float, along_y: float) -> np.ndarray:
    """About the top left corner, which stays."""
    return np.array([[1.0, along_x, 0], [along_y, 1, 0]])


def _translate(image: np.ndarray, level: int) -> T.Transform:
    return AffineTransform(translation(_either_way(_pixels(image, 25 * level)), 0))


def _shear(axis: int) -> ImageOperation:
    def operation(image: np.ndarray, level: int) -> T.Transform:
        way = np.zeros(2)
        way[axis] = _either_way(0.03 * level)
        return AffineTransform(shear(*way))

    return operation


def _rotate(image: np.ndarray, level: int) -> T.Transform:
    height, width = image.shape[:2]
    center = (width / 2, height / 2)
    return AffineTransform(cv2.getRotationMatrix2D(center, _either_way(3 * level), 1))


def _cutout_around(box: np.ndarray, half_side: int) -> np.ndarray:
    """A square whose center lies anywhere in a box."""
    center = (box[:2] + rng.rand(2) * (box[2:] - box[:2])).astype(int)
    return np.concatenate([center - half_side, center + half_side])


def _clip(square: np.ndarray, frame: np.ndarray) -> np.ndarray:
    return np.clip(square, np.tile(frame[:2], 2), np.tile(frame[2:], 2))


def _cutout(image: np.ndarray, level: int) -> T.Transform:
    frame = frame_of(image)
    return CoverTransform(_clip(_cutout_around(frame, _pixels(image, 10 * level)), frame))


def _cutout_in_boxes(image, boxes, chosen, level) -> T.Transform:
    half_side = _pixels(image, 5 * level)
    covers = [_clip(_cutout_around(boxes[i], half_side), boxes[i]) for i in chosen]
    return CoverTransform(np.array(covers, dtype=int))


def _translate_content(image, boxes, chosen, level) -> T.Transform:
    way = _either_way(_pixels(image, 12 * level))
    return BoxContentTransform(boxes, chosen, translation(0, way))


def _shear_content(axis: int) -> BoxOperation:
    def operation(image, boxes, chosen, level) -> T.Transform:
        way = np.zeros(2)
        way[axis] = _either_way(0.03 * level)
        return BoxContentTransform(boxes, chosen, shear(*way))

    return operation


IMAGE_OPERATIONS: dict[str, ImageOperation] = {
    "TranslateX": _translate,
    "ShearX": _shear(0),
    "ShearY": _shear(1),
    "Rotate": _rotate,
    "Cutout": _cutout,
}

BOX_OPERATIONS: dict[str, BoxOperation] = {
    "BoxTranslateY": _translate_content,
    "BoxShearX": _shear_content(0),
    "BoxShearY": _shear_content(1),
    "BoxCutout": _cutout_in_boxes,
}
