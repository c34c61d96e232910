"""The shelves: where the boards are, how they are lit, and what is fixed to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator

from .labels import BLACK, WHITE, write
from .layout import View, uniform
from .sprites import Color, mix, shade

_DEPTH = 150  # of a board, in units


class Shelf(NamedTuple):
    """A board and the space above it, in pixels of the plane.

    Attributes:
        ceiling: lower edge of the board above.
        front: upper edge of the front of this board.
        edge: height of the front.
    """

    ceiling: float
    front: float
    edge: float
    view: View

    @property
    def floor(self) -> float:
        """Row of the rearmost line of the board."""
        return self.front - _DEPTH * self.view.scale * self.view.tilt

    @property
    def height(self) -> float:
        return self.front - self.ceiling


class Rack(NamedTuple):
    """All shelves and how they look.

    Attributes:
        lip: how far the fronts stand out above the boards, in pixels.
    """

    shelves: tuple[Shelf, ...]
    board: Color
    edge: Color
    wall: Color
    tag: Color
    pegs: bool
    lip: float


def _band(plane: np.ndarray, y: int, color: Color, percent: np.ndarray) -> None:
    """Rows from ``y`` on in one color, each with its own brightness, as far as the plane goes."""
    percent = np.asarray(percent)[max(-y, 0) : max(len(plane) - y, 0)]
    if not len(percent):
        return
    y = max(y, 0)
    column = np.array(color) * percent[:, None] // 100
    column = np.minimum(column, 255).astype(np.uint8)[:, None]
    plane[y : y + len(column)] = cv2.repeat(column, 1, plane.shape[1])


def draw_rack(plane: np.ndarray, rack: Rack) -> None:
    """Walls and boards; goods come on top."""
    width = plane.shape[1]
    first = rack.shelves[0]
    cv2.rectangle(plane, (0, 0), plane.shape[1::-1], shade(rack.edge, 40), -1)
    _band(plane, round(first.ceiling - first.edge), rack.edge, np.full(round(first.edge), 90))
    for shelf in rack.shelves:
        top, floor, front = round(shelf.ceiling), round(shelf.floor), round(shelf.front)
        scale = shelf.view.scale
        # What is above throws a shadow on the wall, and so do the goods before it.
        height = np.arange(floor - top) / scale
        percent = np.minimum(48 + height * 1.5, 100) - np.maximum(12 - height[::-1], 0)
        _band(plane, top, rack.wall, percent.astype(int))
        if rack.pegs:
            step = max(round(9 * scale), 4)
            for dy in range(max(round(1.4 * scale), 1)):
                holes = plane[
                    max(top, 0) + step // 2 + dy : max(floor, 0) : step, step // 2 :: step
                ]
                holes[:] = shade(rack.wall, 58)
        post = max(round(5 * scale), 2)
        for x in range(round(40 * scale), width, round(210 * scale)):
            cv2.rectangle(plane, (x, top), (x + post, floor), shade(rack.wall, 80), -1)
            cv2.line(plane, (x + post, top), (x + post, floor), shade(rack.wall, 52))
        n = max(front - floor, 1)
        _band(plane, floor, rack.board, 62 + 43 * np.arange(n) // n)


def draw_edges(
    plane: np.ndarray, rack: Rack, rng: Generator, write: Callable[..., None] = write
) -> None:
    """The fronts of the boards with their price tags, in front of the goods.

    ``write`` prints the price.
    """
    width = plane.shape[1]
    for shelf in rack.shelves:
        scale = shelf.view.scale
        y1, y2 = round(shelf.front - rack.lip), round(shelf.front + shelf.edge)
        n = y2 - y1
        _band(plane, y1, rack.edge, 110 - 36 * np.arange(n) // n)
        _band(plane, y1, mix(rack.edge, WHITE, 45), np.array([100]))
        _band(plane, y2 - 1, rack.edge, np.array([42]))
        x = uniform(rng, (0, 60)) * scale
        while x < width:
            w, h = uniform(rng, (22, 36)) * scale, n * uniform(rng, (0.75, 0.95))
            tag = rack.tag if rng.integers(6) else (60, 225, 250)
            corner = round(x), y1 + 1
            opposite = round(x + w), round(y1 + h)
            cv2.rectangle(plane, corner, opposite, shade(rack.edge, 50), -1)
            cv2.rectangle(plane, corner, (opposite[0] - 1, opposite[1] - 1), tag, -1)
            write(plane, rng, x + w * 0.42, y1 + h * 0.25, w * 0.54, h * 0.5, BLACK)
            write(plane, rng, x + w * 0.08, y1 + h * 0.5, w * 0.28, 2, (90, 90, 90))
            x += w + uniform(rng, (14, 90)) * scale


_BLOB = 64


def _make_blob() -> np.ndarray:
    n = np.arange(_BLOB, dtype=np.float32) / (_BLOB / 2) - 1
    r = n[:, None] ** 2 + n**2
    return (255 - 140 * np.clip(1.15 - r, 0, 1) ** 2).clip(0, 255).astype(np.uint8)


_SHADOW = cv2.merge([_make_blob()] * 3)


def cast_shadow(plane: np.ndarray, x1: float, y1: float, x2: float, y2: float) -> None:
    """Darken an ellipse in the rectangle, softly."""
    height, width = plane.shape[:2]
    a, b, c, d = round(x1), round(y1), round(x2), round(y2)
    if c - a < 2 or d - b < 2:
        return
    blob = cv2.resize(_SHADOW, (c - a, d - b), interpolation=cv2.INTER_NEAREST)
    u1, v1, u2, v2 = max(a, 0), max(b, 0), min(c, width), min(d, height)
    if u1 < u2 and v1 < v2:
        area = plane[v1:v2, u1:u2]
        area[:] = cv2.multiply(area, blob[v1 - b : v2 - b, u1 - a : u2 - a], scale=1 / 255)
