"""A whole picture with its boxes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .brush import Brush
from .camera import Camera, choose_camera, develop
from .categories import CATALOGUE
from .goods import draw_item
from .layout import Pile, Placed, View, fill_shelf
from .scene import Shelf, build_rack, cast_shadow, draw_edges, draw_rack, light_up
from .sprites import Sprite, dimmed, paste

# Part of the name of cached pictures: to be raised whenever any picture changes.
RENDERER_VERSION = 2

# A single item at the side of the photo is there if this share of it can be seen.
_VISIBLE = 0.6


class Picture(NamedTuple):
    """A picture and what it shows.

    Attributes:
        image: H x W x 3, uint8, BGR.
        boxes: (N, 4) int, XYXY, within the image.
        categories: (N,) int, positions in the catalogue.
        counts: (N,) int, from 1 to MAX_COUNT.
        quality: of the JPEG.
    """

    image: np.ndarray
    boxes: np.ndarray
    categories: np.ndarray
    counts: np.ndarray
    quality: int


def render(seed: int, index: int, width: int = 640, height: int = 360) -> Picture:
    """Picture ``index`` of a series. It depends on the arguments and on nothing else."""
    rng = np.random.Generator(np.random.PCG64([seed, index]))
    scale = height / 360
    camera = choose_camera(rng, width, height)
    around, within = camera.frame()
    rack = build_rack(rng, within[1], within[3], scale)
    plane = np.empty((*camera.plane[::-1], 3), np.uint8)
    draw_rack(plane, rack)
    light = 0.6 * (2 * rng.random() - 1)
    size = int(rng.integers(5, 10))
    assortment = rng.permutation(len(CATALOGUE))[:size].tolist()
    drawn: dict[tuple, Sprite] = {}
    piles = [
        _set_up(placed, shelf, light, drawn, rng)
        for shelf in rack.shelves
        for placed in fill_shelf(
            rng,
            assortment,
            shelf.view,
            (around[0] - 30 * scale * rng.random(), around[2]),
            (within[0], within[2]),
            shelf.height - 4 * scale,
        )
    ]
    boxes = _boxes(piles, camera)
    shown = [(box, pile) for box, pile in zip(boxes, piles, strict=True) if box is not None]
    for _, standing in shown:
        _draw(plane, standing, light)
    draw_edges(plane, rack, rng)
    plane = light_up(plane, rng)
    image = develop(camera.project(plane), rng)
    return Picture(
        image,
        np.array([box for box, _ in shown], int).reshape(-1, 4),
        np.array([standing.pile.item.category for _, standing in shown], int),
        np.array([standing.pile.count for _, standing in shown], int),
        int(rng.integers(62, 96)),
    )


class _Standing(NamedTuple):
    """A pile on its shelf: its sprites with their places, in the order of drawing."""

    pile: Pile
    view: View
    sprites: list[tuple[Sprite, int, int]]
    outline: np.ndarray


def _set_up(
    placed: Placed,
    shelf: Shelf,
    light: float,
    drawn: dict[tuple, Sprite],
    rng: np.random.Generator,
) -> _Standing:
    """Draws the sprites of a pile that are not among those that are ``drawn`` already."""
    pile, item, view = placed.pile, placed.pile.item, shelf.view
    y = shelf.front - (3 * view.scale + item.depth / 2 * view.tilt)
    nested = pile.form == "nest"
    wobbly = nested or pile.form == "stack"
    sprites = []
    for i, (variant, (dx, dy)) in enumerate(
        zip(_variants(pile, rng), pile.feet.tolist(), strict=True)
    ):
        covered = nested and i > 0 and not (item.upside_down or CATALOGUE[item.category].box)
        key = item, variant, nested, covered
        if key not in drawn:
            drawn[key] = draw_item(Brush(item, view, light, *key[1:]))
        wobble = int(rng.integers(-1, 2)) if wobbly else 0
        sprites.append((drawn[key], round(placed.x + dx) + wobble, round(y + dy)))
    outline = np.concatenate([sprite.outline + np.array([px, py]) for sprite, px, py in sprites])
    return _Standing(pile, view, sprites, outline)


def _draw(plane: np.ndarray, standing: _Standing, light: float) -> None:
    pile, view = standing.pile, standing.view
    (x1, y1), (x2, y2) = standing.outline.min(axis=0), standing.outline.max(axis=0)
    rise = pile.item.depth * view.tilt
    reach = 6 * view.scale
    cast_shadow(plane, x1 - reach, y2 - rise * 1.6 - 3, x2 + reach, y2 + 4)
    cast_shadow(plane, x1 - reach * (1 + light), y1 - reach, x2 + reach * (1 - light), y2)
    for i, (sprite, px, py) in enumerate(standing.sprites):
        if pile.form == "queue":
            sprite = dimmed(sprite, max(100 - 9 * (pile.count - 1 - i), 50))
        paste(plane, sprite, px, py)


def _variants(pile: Pile, rng: np.random.Generator) -> list[int]:
    """The colouring of each item."""
    n = pile.item.variants
    if n > 2:
        return rng.integers(0, n, pile.count).tolist()
    return [i % n for i in range(pile.count)]


def _boxes(piles: list[_Standing], camera: Camera) -> list[tuple[int, int, int, int] | None]:
    """The box of each pile; None if too little of it is in the photo."""
    if not piles:
        return []
    points = camera.locate(np.concatenate([pile.outline for pile in piles]))
    ends = np.cumsum([len(pile.outline) for pile in piles])[:-1]
    return [
        _box(part, camera, standing.pile)
        for part, standing in zip(np.split(points, ends), piles, strict=True)
    ]


def _box(points: np.ndarray, camera: Camera, pile: Pile) -> tuple[int, int, int, int] | None:
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    a, b = max(x1, 0), min(x2, camera.width)
    share = (b - a) / (x2 - x1)
    if share < (_VISIBLE if pile.count == 1 else 1):
        return None
    return (
        int(np.floor(a)),
        int(np.floor(max(y1, 0))),
        int(np.ceil(b)),
        int(np.ceil(min(y2, camera.height))),
    )
