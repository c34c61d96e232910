"""The shelves: where the boards are, how they are lit, and what is fixed to them."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from .labels import BLACK, WHITE, WOOD, pick, write
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
    """All shelves and how they look."""

    shelves: tuple[Shelf, ...]
    board: Color
    edge: Color
    wall: Color
    tag: Color
    pegs: bool


def build_rack(rng: np.random.Generator, top: float, bottom: float, scale: float) -> Rack:
    """Two to four shelves between two rows of the plane."""
    n = int((2, 2, 2, 3, 3, 3, 3, 4)[rng.integers(8)])
    shares = 1 + 0.5 * rng.random(n)
    if n == 2:
        shares[rng.integers(2)] *= uniform(rng, (1, 1.7))
    edge = scale * uniform(rng, (7, 13))
    space = bottom - top - edge * n - scale * 4
    heights = shares / shares.sum() * space
    tilt, yaw = uniform(rng, (0.05, 0.13)), uniform(rng, (-0.32, 0.32))
    rise = uniform(rng, (0.05, 0.12))
    shelves, y = [], top + scale * 2
    for i, height in enumerate(heights.tolist()):
        view = View(tilt + rise * i / max(n - 1, 1), yaw, scale)
        shelves.append(Shelf(y, y + height, edge, view))
        y += height + edge
    material = rng.integers(4)
    board = pick(
        rng, ((205, 208, 210), (225, 228, 228), (60, 60, 64), WOOD[0])[material : material + 1]
    )
    if material == 3:
        board = pick(rng, WOOD)
    front = (
        board
        if rng.integers(2)
        else pick(rng, ((190, 195, 198), (235, 235, 235), (50, 50, 55), (60, 60, 170)))
    )
    wall = pick(
        rng,
        (
            (190, 195, 196),
            (215, 220, 222),
            (90, 92, 96),
            (48, 48, 52),
            (150, 170, 185),
            (120, 105, 85),
        ),
    )
    tag = (WHITE, WHITE, (60, 225, 250), (70, 90, 235))[rng.integers(4)]
    return Rack(tuple(shelves), board, front, wall, tag, bool(rng.integers(2)))


def draw_rack(plane: np.ndarray, rack: Rack, rng: np.random.Generator) -> None:
    """Walls and boards; goods come on top."""
    width = plane.shape[1]
    plane[:] = shade(rack.wall, 60)
    for shelf in rack.shelves:
        top, floor, front = round(shelf.ceiling), round(shelf.floor), round(shelf.front)
        scale = shelf.view.scale
        plane[top:floor] = rack.wall
        if rack.pegs:
            step = max(round(9 * scale), 4)
            hole = shade(rack.wall, 62)
            size = max(round(1.4 * scale), 1)
            for dy in range(size):
                plane[top + step // 2 + dy : floor : step, step // 2 :: step] = hole
        for x in range(round(40 * scale), width, round(210 * scale)):
            plane[top:floor, x : x + max(round(5 * scale), 2)] = shade(rack.wall, 82)
            plane[top:floor, x + max(round(5 * scale), 2)] = shade(rack.wall, 60)
        n = max(front - floor, 1)
        ramp = (60 + 45 * np.arange(n) // n)[:, None, None]
        plane[floor:front] = np.minimum(np.array(rack.board) * ramp // 100, 255)
        # What stands above throws a shadow on the wall.
        height = floor - top
        dark = min(round(34 * scale), max(height, 1))
        ramp = 45 + 55 * np.arange(dark) // dark
        table = plane[top : top + dark].astype(np.uint16) * ramp[:, None, None].astype(np.uint16)
        plane[top : top + dark] = table // 100


def draw_edges(plane: np.ndarray, rack: Rack, rng: np.random.Generator) -> None:
    """The fronts of the boards with their price tags, in front of the goods."""
    width = plane.shape[1]
    for shelf in rack.shelves:
        scale = shelf.view.scale
        y1, y2 = round(shelf.front), round(shelf.front + shelf.edge)
        n = y2 - y1
        ramp = (108 - 34 * np.arange(n) // max(n, 1))[:, None, None]
        plane[y1:y2] = np.minimum(np.array(rack.edge) * ramp // 100, 255)
        plane[y1] = shade(mix(rack.edge, WHITE, 40), 100)
        plane[y2 - 1] = shade(rack.edge, 45)
        x = uniform(rng, (0, 60)) * scale
        while x < width:
            w, h = uniform(rng, (20, 34)) * scale, n * uniform(rng, (0.75, 1.0))
            tag = rack.tag if rng.integers(6) else (60, 225, 250)
            x1, x2, bottom = round(x), round(x + w), round(y1 + h)
            plane[y1 + 1 : bottom, x1:x2] = tag
            plane[bottom : bottom + 1, x1:x2] = shade(rack.edge, 50)
            write(plane, rng, x + w * 0.45, y1 + h * 0.25, w * 0.5, h * 0.55, BLACK)
            write(plane, rng, x + w * 0.08, y1 + h * 0.45, w * 0.3, 2, (90, 90, 90))
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
    blob = cv2.resize(_SHADOW, (c - a, d - b), interpolation=cv2.INTER_LINEAR_EXACT)
    u1, v1, u2, v2 = max(a, 0), max(b, 0), min(c, width), min(d, height)
    if u1 < u2 and v1 < v2:
        area = plane[v1:v2, u1:u2]
        area[:] = cv2.multiply(area, blob[v1 - b : v2 - b, u1 - a : u2 - a], scale=1 / 255)


def light_up(plane: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uneven light from lamps above, darker to the edges."""
    x = np.arange(48, dtype=np.float32) / 47
    y = np.arange(27, dtype=np.float32)[:, None] / 26
    a, b = (np.float32(uniform(rng, (0.1, 0.9))) for _ in range(2))
    fall = np.float32(uniform(rng, (0.1, 0.75)))
    slope = np.float32(uniform(rng, (-0.1, 0.3)))
    light = 1 - fall * ((x - a) ** 2 + 0.6 * (y - b * 0.5) ** 2) - slope * y
    small = (np.clip(light, 0.42, 1) * 255).astype(np.uint8)
    size = plane.shape[1], plane.shape[0]
    full = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR_EXACT)
    return cv2.multiply(plane, cv2.merge([full, full, full]), scale=1 / 255)
