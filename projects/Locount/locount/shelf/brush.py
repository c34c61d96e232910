"""What all goods are drawn with."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from numpy.random import Generator

from .labels import WHITE, print_package
from .layout import Item, View
from .photographs import print_label
from .sprites import Color, Sprite, Top, crate, mix, revolved, shade


@dataclasses.dataclass
class Brush:
    """One item to be drawn, and the random numbers of its shape and its colors.

    Attributes:
        light: where round bodies are brightest, from -1 (left) to 1.
        variant: which of the item's colorings. Variants differ in nothing but colors and print.
        nested: it is one of a nest, where little more than the lips can be seen.
        covered: another item is in it, so that its inside can't be seen.
        rich: labels have photographs, gradients and letters of the alphabet.
    """

    item: Item
    view: View
    light: float
    variant: int
    nested: bool
    covered: bool
    rich: bool = False

    @functools.cached_property
    def shape(self) -> Generator:
        return np.random.default_rng([self.item.seed, 0])

    @functools.cached_property
    def color(self) -> Generator:
        return np.random.default_rng([self.item.seed, 1 + self.variant])

    def turn(
        self,
        heights: Sequence[float] | np.ndarray,
        radii: Sequence[float] | np.ndarray,
        skin: np.ndarray,
        gloss: float,
        top: Top | None,
    ) -> Sprite:
        """A round body; heights and radii as shares of the item's height and half its width."""
        return revolved(
            np.asarray(heights) * self.item.height,
            np.asarray(radii) * self.item.width / 2,
            tilt=self.view.tilt,
            skin=skin,
            light=self.light,
            gloss=gloss,
            top=top,
        )

    def box(self, face: np.ndarray, top: Color, side: Color, depth: float | None = None) -> Sprite:
        depth = self.item.depth if depth is None else depth
        return crate(face, depth, tilt=self.view.tilt, yaw=self.view.yaw, top=top, side=side)

    def print(self, width: float, height: float, color: Color) -> np.ndarray:
        """A printed package."""
        if self.rich:
            return print_label(self.item.seed, self.color, width, height, color)
        return print_package(self.color, width, height, color)

    def face(self, color: Color, paint=None) -> np.ndarray:
        """The front of a box; one pixel higher than it is, so that no gap shows in a stack."""
        size = self.item.width, self.item.height + 1
        face = paint(self.color, *size, color) if paint else self.print(*size, color)
        face[-1] = shade(color, 45)
        face[:, 0] = shade(color, 70)
        face[:, -1] = shade(color, 55)
        face[0] = mix(color, WHITE, 35)
        return face
