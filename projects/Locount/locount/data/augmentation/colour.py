"""Colour operations of the AutoAugment policies, of H x W x 3 uint8 pictures and levels 0 to 10."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from PIL import Image, ImageEnhance, ImageOps

ColourOperation = Callable[[np.ndarray, int], np.ndarray]

IMAGE_FORMATS = ("BGR", "RGB")


def _strength(level: int) -> float:
    """1 changes nothing."""
    return 0.1 + 1.8 * level / 10


def _solarize_add(image: Image.Image, level: int) -> Image.Image:
    added = [min(255, v + int(11 * level)) if v < 128 else v for v in range(256)]
    return image.point(added * 3)


_OPERATIONS: dict[str, Callable[[Image.Image, int], Image.Image]] = {
    "AutoContrast": lambda image, _: ImageOps.autocontrast(image),
    "Equalize": lambda image, _: ImageOps.equalize(image),
    # The paper keeps 4 to 8 bits. The published code keeps 0 to 4: at level 2, which is the only
    # one in use, that is a black picture.
    "Posterize": lambda image, level: ImageOps.posterize(image, 4 + int(0.4 * level)),
    "Solarize": lambda image, level: ImageOps.solarize(image, int(25.6 * level)),
    "SolarizeAdd": _solarize_add,
    "Color": lambda image, level: ImageEnhance.Color(image).enhance(_strength(level)),
    "Contrast": lambda image, level: ImageEnhance.Contrast(image).enhance(_strength(level)),
    "Brightness": lambda image, level: ImageEnhance.Brightness(image).enhance(_strength(level)),
    "Sharpness": lambda image, level: ImageEnhance.Sharpness(image).enhance(_strength(level)),
}


def colour_operations(image_format: str) -> dict[str, ColourOperation]:
    """The operations by name, for pictures in a format of ``IMAGE_FORMATS``."""

    def on_arrays(operation) -> ColourOperation:
        def apply(pixels: np.ndarray, level: int) -> np.ndarray:
            # The order of the channels matters where a grey value is computed.
            if image_format == "BGR":
                pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
            result = np.asarray(operation(Image.fromarray(pixels), level))
            return cv2.cvtColor(result, cv2.COLOR_RGB2BGR) if image_format == "BGR" else result

        return apply

    if image_format not in IMAGE_FORMATS:
        raise ValueError(f"image_format is {image_format!r}; it must be one of {IMAGE_FORMATS}.")
    return {name: on_arrays(operation) for name, operation in _OPERATIONS.items()}
