"""The plain style: clean pictures of seventeen kinds of goods. Other styles change parts of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from .camera import Camera, Frame, sensor_noise
from .categories import CATALOG, Goods
from .labels import WHITE, WOOD, pick
from .layout import Item, Placed, View, choose_group, choose_item, pile_up, uniform
from .scene import Rack, Shelf, draw_edges, draw_rack
from .sprites import Color, Sprite, lighten

# Free space between items that are boxed one by one, as a share of their width. Items of a group
# have none.
GAP = (0.14, 0.5)
_GROUP_SHARE = 0.45
_FACINGS = (1, 2, 2, 3, 3, 4, 5)
_WALLS: tuple[Color, ...] = (
    (205, 208, 210), (225, 230, 232), (240, 240, 238), (110, 112, 116), (58, 58, 62),
    (165, 185, 200), (190, 180, 160), (150, 160, 175),
)  # fmt: skip
_BOARDS: tuple[Color, ...] = ((205, 208, 210), (230, 233, 233), (75, 75, 80))
_FRONTS: tuple[Color, ...] = ((190, 195, 198), (238, 238, 238), (55, 55, 60), (60, 60, 170))


class Plain:
    """How a scene is laid out, drawn and photographed.

    Attributes:
        goods: what there is: the first ones of ``GOODS``.
        rich: labels have photographs.
        visible: a single item at the edge of the photo is there if this share of it can be seen.
    """

    goods: tuple[Goods, ...] = CATALOG
    rich = False
    visible = 0.6

    def choose_camera(self, rng: Generator, width: int, height: int) -> Camera:
        def around(reach: float) -> float:
            return reach * (2 * rng.random() - 1)

        return Camera(
            width,
            height,
            zoom=0.97 + around(0.03),
            roll=around(0.035),
            perspective=(around(0.14), around(0.05)),
            lens=around(0.06),
        )

    def build_rack(self, rng: Generator, frame: Frame, scale: float, extent: int) -> Rack:
        """Lay out the shelves of a picture: two to four, ``extent`` times as many.

        Args:
            scale: of the photo, in pixels per unit.
        """
        n = int((2, 2, 2, 3, 3, 3, 3, 4)[rng.integers(8)]) * extent
        shares = 1 + 0.5 * rng.random(n)
        if n == 2:
            shares[rng.integers(2)] *= uniform(rng, (1, 1.7))
        edge = scale * uniform(rng, (7, 13))
        _, top, _, bottom = frame.within
        space = bottom - top - edge * n - scale * 4
        heights = shares / shares.sum() * space
        tilt, yaw = uniform(rng, (0.05, 0.13)), uniform(rng, (-0.32, 0.32))
        rise = uniform(rng, (0.05, 0.12))
        shelves, y = [], top + scale * 2
        for i, height in enumerate(heights.tolist()):
            view = View(tilt + rise * i / max(n - 1, 1), yaw, scale)
            shelves.append(Shelf(y, y + height, edge, view))
            y += height + edge
        board = pick(rng, (_BOARDS, _BOARDS, WOOD)[rng.integers(3)])
        front = board if rng.integers(2) else pick(rng, _FRONTS)
        tag = (WHITE, WHITE, (60, 225, 250), (70, 90, 235))[rng.integers(4)]
        lip = scale * (0, 0, 4)[rng.integers(3)]
        wall = pick(rng, _WALLS)
        return Rack(tuple(shelves), board, front, wall, tag, bool(rng.integers(2)), lip)

    def draw_rack(self, plane: np.ndarray, rack: Rack, rng: Generator) -> None:
        draw_rack(plane, rack)

    def choose_assortment(self, rng: Generator) -> list[int]:
        """The categories of a picture."""
        size = int(rng.integers(5, 10))
        return rng.permutation(len(self.goods))[:size].tolist()

    def fill_shelf(
        self, rng: Generator, assortment: list[int], shelf: Shelf, frame: Frame
    ) -> Iterator[Placed]:
        """Piles from left to right until the shelf is full, those of several items within the
        photo; single items may be cut by its edge."""
        view, scale = shelf.view, shelf.view.scale
        height = shelf.height - 4 * scale
        x, right = frame.around[0] - 30 * scale * rng.random(), frame.around[2]
        left_inner, _, right_inner, _ = frame.within
        edge, previous = x, None
        while x < right - 12 * scale:
            pile = None
            if x >= left_inner and rng.random() < _GROUP_SHARE:
                pile = choose_group(rng, assortment, view, right_inner - x, height)
            if pile is not None:
                yield Placed(pile, x + pile.width / 2)
                edge = x + pile.width
                x = edge + uniform(rng, GAP) * min(pile.item.width, 40 * scale)
                previous = pile
                continue
            category = assortment[int(rng.integers(len(assortment)))]
            item = choose_item(rng, category, "single", view, height)
            if item.height + item.depth * view.tilt > height:
                x += 2 * scale
                continue
            gap = uniform(rng, GAP) * min(item.width, 40 * scale)
            single = pile_up(item, "single", 1, 1, view)
            # Some stand a little before their neighbor, never before one of the same kind.
            if (
                previous is not None
                and previous.form in ("single", "nest", "stack")
                and previous.item.category != category
                and rng.integers(4) == 0
            ):
                x = edge - 0.14 * min(previous.width, item.width)
            previous = single
            for _ in range(_FACINGS[rng.integers(len(_FACINGS))]):
                yield Placed(single, x + single.width / 2)
                edge = x + single.width
                x = edge + gap
                if x > right - item.width / 2:
                    break

    def finish(self, sprite: Sprite, item: Item) -> Sprite:
        """A sprite as it is pasted."""
        return sprite

    def order(self, parts: list[tuple[Any, list[int]]]) -> list[tuple[Any, list[int]]]:
        """Piles, and which of their sprites are drawn, in the order of drawing."""
        return parts

    def draw_front(
        self, plane: np.ndarray, rack: Rack, rng: Generator, fronts: np.ndarray, counts: np.ndarray
    ) -> None:
        """What is in front of the goods: ``fronts`` (N, 4) XYXY, ``counts`` (N,) items."""
        draw_edges(plane, rack, rng)

    def light_up(self, plane: np.ndarray, rng: Generator) -> np.ndarray:
        """Uneven light from lamps above, darker to the edges."""
        x = np.arange(48, dtype=np.float32) / 47
        y = np.arange(27, dtype=np.float32)[:, None] / 26
        a, b = (np.float32(uniform(rng, (0.1, 0.9))) for _ in range(2))
        fall = np.float32(uniform(rng, (0.05, 0.6)))
        slope = np.float32(uniform(rng, (-0.1, 0.25)))
        light = 1 - fall * ((x - a) ** 2 + 0.6 * (y - b * 0.5) ** 2) - slope * y
        small = (np.clip(light, 0.58, 1) * 255).astype(np.uint8)
        size = plane.shape[1], plane.shape[0]
        return lighten(plane, cv2.resize(small, size, interpolation=cv2.INTER_LINEAR_EXACT), 255)

    def develop(self, photo: np.ndarray, rng: Generator) -> np.ndarray:
        """Focus, noise, exposure and white balance."""
        blur = rng.integers(5)
        if blur >= 2:
            photo = cv2.GaussianBlur(photo, (3, 3), (0.45, 0.6, 0.75)[blur - 2])
        height, width = photo.shape[:2]
        tile = sensor_noise()
        if height >= len(tile) or width >= tile.shape[1]:
            tile = cv2.repeat(tile, height // len(tile) + 1, width // tile.shape[1] + 1)
        dy, dx = rng.integers((len(tile) - height, tile.shape[1] - width)).tolist()
        tile = tile[dy : dy + height, dx : dx + width]
        amount = 0.03 + 0.14 * rng.random() ** 2
        noisy = cv2.addWeighted(photo, 1, tile, amount, -128 * amount)
        exposure = 0.82 + 0.27 * rng.random()
        white = 1 + (rng.random(3) - 0.5) * 0.14
        contrast = 0.85 + 0.3 * rng.random()
        lift = rng.integers(0, 14)
        levels = np.arange(256) / 255
        curve = levels * contrast + (1 - contrast) * levels * levels * (3 - 2 * levels)
        table = np.clip(curve[:, None] * 255 * exposure * white + lift, 0, 255).astype(np.uint8)
        return cv2.LUT(noisy, table[None])

    def quality(self, rng: Generator) -> int:
        """Of the JPEG."""
        return int(rng.integers(62, 96))
