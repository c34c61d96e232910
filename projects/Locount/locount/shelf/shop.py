"""The shop style: varied shelves that fill a part of the picture, and what a shop has around them.

A photo of a whole aisle, and more so a tile of it, shows floor, ceiling, walls and posters. Some of
these pictures have no goods at all: nothing there may be taken for one.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from .camera import Frame
from .labels import BLACK, METAL, PASTEL, VIVID, WHITE, WOOD, pick
from .layout import uniform
from .photographs import clouds, letter, photographs
from .scene import Rack
from .sprites import Color, lighten, shade
from .varied import Varied

_FLOORS: tuple[tuple[Color, ...], ...] = (METAL, METAL, (WHITE,), WOOD, PASTEL)
_CEILINGS: tuple[tuple[Color, ...], ...] = (METAL, (WHITE,), ((38, 36, 35), (60, 58, 62)))


class Shop(Varied):
    def build_rack(self, rng: Generator, frame: Frame, scale: float, extent: int) -> Rack:
        """The varied style's, moved up or down by up to the height of the picture."""
        rack = super().build_rack(rng, frame, scale, extent)
        space = frame.around[3] - frame.around[1]
        shift = uniform(rng, (0.15, 1)) * space * (1 if rng.integers(2) else -1)
        shelves = tuple(
            shelf._replace(ceiling=shelf.ceiling + shift, front=shelf.front + shift)
            for shelf in rack.shelves
        )
        return rack._replace(shelves=shelves)

    def draw_rack(self, plane: np.ndarray, rack: Rack, rng: Generator) -> None:
        super().draw_rack(plane, rack, rng)
        first, last = rack.shelves[0], rack.shelves[-1]
        above = plane[: max(round(first.ceiling - first.edge), 0)]
        below = plane[max(round(last.front + last.edge), 0) :]
        (_draw_ceiling, _draw_wall)[rng.integers(2)](above, rng)
        (_draw_floor, _draw_floor, _draw_wall)[rng.integers(3)](below, rng)


def _draw_floor(area: np.ndarray, rng: Generator) -> None:
    """Tiles, boards or nothing but a color, with reflections of lamps, darker below the shelf."""
    _paint(area, rng, _FLOORS)
    height, width = area.shape[:2]
    if height < 2:
        return
    if rng.integers(2):
        _draw_grid(area, rng, -uniform(rng, (0.2, 2)) * width)
    if rng.integers(2):
        shine = np.zeros((height, width), np.uint8)
        for _ in range(int(rng.integers(1, 5))):
            center = round(width * rng.random()), round(height * rng.random())
            axes = (
                round(width * uniform(rng, (0.02, 0.2))),
                round(height * uniform(rng, (0.1, 0.6))),
            )
            cv2.ellipse(shine, center, axes, 0, 0, 360, int(rng.integers(20, 110)), -1)
        soft = cv2.GaussianBlur(shine, (0, 0), width / 60)
        area[:] = cv2.add(area, cv2.merge([soft] * 3))
    reach = width * uniform(rng, (0.02, 0.2))
    dark = 255 - uniform(rng, (60, 200)) * np.exp(-np.arange(height) / reach)
    area[:] = lighten(area, dark.astype(np.uint8)[:, None].repeat(width, axis=1), 255)


def _draw_ceiling(area: np.ndarray, rng: Generator) -> None:
    """Panels and rows of lamps that recede towards the shelf."""
    _paint(area, rng, _CEILINGS)
    height, width = area.shape[:2]
    if height < 2:
        return
    vanishing = height + uniform(rng, (0, 0.6)) * width
    if rng.integers(2):
        _draw_grid(area, rng, vanishing)
    middle = width * uniform(rng, (-0.2, 1.2))
    for _ in range(int(rng.integers(0, 5))):
        start = np.array([width * uniform(rng, (-0.5, 1.5)), 0.0])
        towards = np.array([middle, vanishing]) - start
        sides = np.array([width * uniform(rng, (0.005, 0.06)), 0.0])
        y = uniform(rng, (0, 0.3))
        for _ in range(int(rng.integers(1, 6))):
            end = y + (0.9 - y) * uniform(rng, (0.1, 0.5))
            near, far = start + y * towards, start + end * towards
            lamp = [near - sides * (1 - y), near + sides * (1 - y)]
            lamp += [far + sides * (1 - end), far - sides * (1 - end)]
            light = int(rng.integers(215, 256))
            cv2.fillConvexPoly(area, np.array(lamp).round().astype(np.int32), (light,) * 3, 16)
            y = end + (0.9 - end) * 0.3


def _draw_wall(area: np.ndarray, rng: Generator) -> None:
    """A wall, or a header with posters and large letters."""
    _paint(area, rng, (METAL, PASTEL, VIVID, (WHITE,), WOOD))
    height, width = area.shape[:2]
    x = -width * 0.3 * rng.random()
    while height > 8 and x < width and rng.integers(6):
        h = height * uniform(rng, (0.4, 1))
        w, y = h * uniform(rng, (0.5, 3)), (height - h) * rng.random()
        _draw_poster(area, rng, x, y, w, h)
        x += w * uniform(rng, (1, 1.6))


def _draw_poster(area: np.ndarray, rng: Generator, x: float, y: float, w: float, h: float) -> None:
    x1, y1 = max(round(x), 0), max(round(y), 0)
    part = area[y1 : round(y + h), x1 : max(round(x + w), 0)]
    if min(part.shape[:2]) < 4:
        return
    part[:] = pick(rng, ((WHITE,), VIVID, PASTEL)[rng.integers(3)])
    if rng.integers(2):
        photo = photographs()[rng.integers(len(photographs()))]
        share = 1 if rng.integers(2) else uniform(rng, (0.3, 0.7))
        size = max(round(part.shape[1] * share), 1), part.shape[0]
        part[:, : size[0]] = cv2.resize(photo, size, interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(0, 4))):
        ink = pick(rng, ((WHITE,), (BLACK,), VIVID)[rng.integers(3)])
        high = uniform(rng, (0.08, 0.4)) * h
        letter(area, rng, x + w * 0.5 * rng.random(), y + (h - high) * rng.random(), w, high, ink)


def _paint(area: np.ndarray, rng: Generator, colors: tuple[tuple[Color, ...], ...]) -> None:
    """One color, unevenly lit and a little grainy."""
    height, width = area.shape[:2]
    if height < 2:
        return
    area[:] = pick(rng, colors[rng.integers(len(colors))])
    for cells in (int(rng.integers(2, 8)), int(rng.integers(30, 120))):
        depth = int(rng.integers(5, 60) if cells < 8 else rng.integers(2, 16))
        area[:] = lighten(area, clouds(rng, width, height, cells, depth), 200)


def _draw_grid(area: np.ndarray, rng: Generator, vanishing: float) -> None:
    """Joints of tiles or panels in a plane whose parallels meet at the height ``vanishing``."""
    height, width = area.shape[:2]
    b, g, r = area[height // 2, width // 2].tolist()
    color = shade((b, g, r), int(rng.integers(55, 130)))
    thick = max(round(width * uniform(rng, (0.001, 0.004))), 1)
    middle, step = width * rng.random(), width * uniform(rng, (0.08, 0.4))
    # Where the lines cross the edge that is farther away from where they meet.
    edge = height if vanishing < 0 else 0
    reach = abs(edge - vanishing)
    for i in range(-20, 21):
        start = round(middle + i * step), edge
        cv2.line(area, start, (round(middle), round(vanishing)), color, thick, cv2.LINE_AA)
    for i in range(1, 40):
        y = vanishing + np.copysign(reach / (1 + i * step / reach), edge - vanishing)
        if 0 <= y < height:
            cv2.line(area, (0, round(y)), (width, round(y)), color, thick, cv2.LINE_AA)
