"""The plain style: clean pictures of seventeen kinds of goods. Other styles change parts of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .camera import Camera, choose_camera, develop
from .categories import CATALOG, Goods
from .layout import Item, Placed, fill_shelf
from .scene import Rack, Shelf, build_rack, draw_edges, draw_rack, light_up
from .sprites import Sprite


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

    def choose_camera(self, rng: np.random.Generator, width: int, height: int) -> Camera:
        return choose_camera(rng, width, height)

    def build_rack(
        self,
        rng: np.random.Generator,
        around: np.ndarray,
        within: np.ndarray,
        scale: float,
        extent: int,
    ) -> Rack:
        """Lay out the shelves of a picture.

        Args:
            around, within: see :meth:`Camera.frame`.
            scale: of the photo, in pixels per unit.
            extent: number of shelves over the usual one.
        """
        return build_rack(rng, within[1], within[3], scale, extent)

    def draw_rack(self, plane: np.ndarray, rack: Rack, rng: np.random.Generator) -> None:
        draw_rack(plane, rack)

    def choose_assortment(self, rng: np.random.Generator) -> list[int]:
        """The categories of a picture."""
        size = int(rng.integers(5, 10))
        return rng.permutation(len(self.goods))[:size].tolist()

    def fill_shelf(
        self,
        rng: np.random.Generator,
        assortment: list[int],
        shelf: Shelf,
        rack: Rack,
        around: np.ndarray,
        within: np.ndarray,
    ) -> Iterator[Placed]:
        scale = shelf.view.scale
        reach = around[0] - 30 * scale * rng.random(), around[2]
        inner = within[0], within[2]
        yield from fill_shelf(rng, assortment, shelf.view, reach, inner, shelf.height - 4 * scale)

    def finish(self, sprite: Sprite, item: Item) -> Sprite:
        """A sprite as it is pasted."""
        return sprite

    def order(self, parts: list[tuple[Any, list[int]]]) -> list[tuple[Any, list[int]]]:
        """Piles, and which of their sprites are drawn, in the order of drawing."""
        return parts

    def draw_front(
        self,
        plane: np.ndarray,
        rack: Rack,
        rng: np.random.Generator,
        fronts: np.ndarray,
        counts: np.ndarray,
    ) -> None:
        """What is in front of the goods: ``fronts`` (N, 4) XYXY, ``counts`` (N,) items."""
        draw_edges(plane, rack, rng)

    def light_up(self, plane: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return light_up(plane, rng)

    def develop(self, photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return develop(photo, rng)

    def quality(self, rng: np.random.Generator) -> int:
        """Of the JPEG."""
        return int(rng.integers(62, 96))
