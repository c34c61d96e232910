"""Colors of H x W x 3 uint8 pictures: random changes, and the operations of AutoAugment."""

from __future__ import annotations

import functools
from collections.abc import Callable

import cv2
import numpy as np
from detectron2.data import transforms as T
from PIL import Image, ImageEnhance, ImageOps

# Of a picture and a level from 0 to 10.
ColorOperation = Callable[[np.ndarray, int], np.ndarray]

IMAGE_FORMATS = ("BGR", "RGB")


def _strength(level: int) -> float:
    """1 changes nothing."""
    return 0.1 + 1.8 * level / 10


def _solarize_add(image: Image.Image, level: int) -> Image.Image:
    added = [min(255, v + int(11 * level)) if v < 128 else v for v in range(256)]
    return image.point(added * 3)


_OPERATIONS: dict[str, Callable[[Image.Image, int], Image.Image]] = {
    "Equalize": lambda image, _: ImageOps.equalize(image),
    "SolarizeAdd": _solarize_add,
    "Color": lambda image, level: ImageEnhance.Color(image).enhance(_strength(level)),
    "Brightness": lambda image, level: ImageEnhance.Brightness(image).enhance(_strength(level)),
    "Sharpness": lambda image, level: ImageEnhance.Sharpness(image).enhance(_strength(level)),
}


class RandomColor(T.Augmentation):
    """Brightness, contrast and saturation, each multiplied by a random number.

    Detectron2 has the same as RandomBrightness, RandomContrast and RandomSaturation; these count in
    floats, which takes longer than to read and resize the photo, and take BGR for RGB.
    """

    def __init__(self, strength: float, image_format: str = "BGR"):
        """
        Args:
            strength: the numbers are from 1 - strength to 1 + strength; in [0, 1].
            image_format: of 3-channel uint8 pictures, "BGR" or "RGB".
        """
        super().__init__()
        self.strength, self.image_format = strength, image_format
        self._adjust = _on_arrays(_adjust, image_format)

    def get_transform(self, image: np.ndarray) -> T.Transform:
        factors = self._rand_range(1 - self.strength, 1 + self.strength, 3)
        return T.ColorTransform(functools.partial(self._adjust, setting=factors))


def color_operations(image_format: str) -> dict[str, ColorOperation]:
    """The operations by name, for pictures in a format of ``IMAGE_FORMATS``."""
    return {name: _on_arrays(op, image_format) for name, op in _OPERATIONS.items()}


def _adjust(image: Image.Image, factors: np.ndarray) -> Image.Image:
    kinds = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
    for kind, factor in zip(kinds, factors, strict=True):
        image = kind(image).enhance(factor)
    return image


def _on_arrays(operation: Callable, image_format: str) -> Callable:
    """An operation on Pillow's RGB images as one on arrays, with its setting as keyword."""
    if image_format not in IMAGE_FORMATS:
        raise ValueError(f"image_format is {image_format!r}; it must be one of {IMAGE_FORMATS}.")

    def apply(pixels: np.ndarray, setting) -> np.ndarray:
        # The order of the channels matters where a gray value is computed.
        if image_format == "BGR":
            pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
        result = np.asarray(operation(Image.fromarray(pixels), setting))
        return cv2.cvtColor(result, cv2.COLOR_RGB2BGR) if image_format == "BGR" else result

    return apply
