"""From the plane that is drawn to the photo: perspective, lens, noise.

The map from photo to plane is written out in float32 operations that IEEE defines, and pixels are
interpolated in integers: so the pictures are the same on all machines.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import cv2
import numpy as np

# The plane is larger than the photo on each side by this share of its size.
MARGIN = 0.12


class Frame(NamedTuple):
    """The part of the plane that a photo shows, in pixels of the plane.

    Attributes:
        around: (4,) XYXY, the rectangle around it.
        within: (4,) XYXY, the one within it.
    """

    around: np.ndarray
    within: np.ndarray


class Camera(NamedTuple):
    """A point p of the photo, from its middle in widths, shows the point
    ``zoom * turn(bend(p)) / (1 + perspective . p)`` of the plane."""

    width: int
    height: int
    zoom: float
    roll: float
    perspective: tuple[float, float]
    lens: float

    @property
    def plane(self) -> tuple[int, int]:
        """Width and height of the plane in pixels."""
        return round(self.width * (1 + 2 * MARGIN)), round(self.height * (1 + 2 * MARGIN))

    def look(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The points of the plane that the points (x, y) of the photo show, in pixels.

        The arrays may be a row and a column, or have one shape.
        """
        dtype = x.dtype.type
        size = dtype(self.width)
        x, y = (x - dtype(self.width / 2)) / size, (y - dtype(self.height / 2)) / size
        g, h = (dtype(value) for value in self.perspective)
        bend = (x * x + y * y) * dtype(self.lens)
        bend += dtype(1)
        bend *= dtype(self.zoom) * size
        bend /= (g * x + dtype(1)) + h * y
        roll = dtype(self.roll)
        px, py = (x + roll * y) * bend, (y - roll * x) * bend
        width, height = self.plane
        px += dtype(width / 2)
        py += dtype(height / 2)
        return px, py

    def locate(self, points: np.ndarray) -> np.ndarray:
        """Where the photo shows points of the plane. ``points``: (P, 2), pixels."""
        points = np.asarray(points, np.float64)
        shift = np.array(self.plane) / 2 - (self.width / 2, self.height / 2)
        photo = points - shift
        # The map is nearly a shift, so that correcting by the error converges quickly.
        for _ in range(14):
            photo = photo + points - np.stack(self.look(photo[:, 0], photo[:, 1]), axis=1)
        return photo

    def frame(self) -> Frame:
        n = np.linspace(0, 1, 9)
        ends = np.zeros(9)
        _, top = self.look(n * self.width, ends)
        _, bottom = self.look(n * self.width, ends + self.height)
        left, _ = self.look(ends, n * self.height)
        right, _ = self.look(ends + self.width, n * self.height)
        around = np.array([left.min(), top.min(), right.max(), bottom.max()])
        return Frame(around, np.array([left.max(), top.max(), right.min(), bottom.min()]))

    def project(self, plane: np.ndarray) -> np.ndarray:
        """The photo of the plane, H x W x 3 uint8, before light, sensor and compression."""
        x = np.arange(self.width, dtype=np.float32)[None]
        y = np.arange(self.height, dtype=np.float32)[:, None]
        px, py = self.look(x, y)
        place, fraction = cv2.convertMaps(px, py, cv2.CV_16SC2)
        return cv2.remap(plane, place, fraction, cv2.INTER_LINEAR)


@functools.cache
def sensor_noise() -> np.ndarray:
    """A picture of sensor noise around 128: the sum of four uniform numbers is nearly normal."""
    rng = np.random.Generator(np.random.PCG64(0))
    parts = rng.integers(-32, 33, (4, 768, 1024, 3), np.int16)
    return (parts.sum(0) + 128).astype(np.uint8)
