"""A whole picture with its boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from .brush import Brush
from .camera import Camera
from .categories import GOODS
from .goods import draw_item
from .layout import Pile, Placed
from .plain import Plain
from .rules import group
from .scene import Shelf, cast_shadow
from .shop import Shop
from .sprites import Sprite, dimmed, paste
from .varied import Varied

# Part of the name of cached pictures: to be raised whenever any picture changes.
RENDERER_VERSION = 2
STYLES: dict[str, Plain] = {"plain": Plain(), "varied": Varied(), "shop": Shop()}


class Picture(NamedTuple):
    """A picture and what it shows.

    Attributes:
        image: H x W x 3, uint8, BGR.
        boxes: (N, 4) int, XYXY, within the image.
        categories: (N,) int, positions in ``GOODS``.
        counts: (N,) int, from 1 to MAX_COUNT.
        rows: (N,) int, the board of each, from 0 at the top.
        facings: (N,) int, how many of its items stand on the board, or in front of their queue.
        quality: of the JPEG.
    """

    image: np.ndarray
    boxes: np.ndarray
    categories: np.ndarray
    counts: np.ndarray
    rows: np.ndarray
    facings: np.ndarray
    quality: int


def render(
    seed: int,
    index: int,
    width: int = 640,
    height: int = 360,
    style: str = "plain",
    rule: str = "item",
    extent: int = 1,
) -> Picture:
    """Picture ``index`` of a series. It depends on the arguments and on nothing else.

    Args:
        style: a key of STYLES.
        rule: one of RULES; see :func:`.rules.group`.
        extent: how many times as much of the shelves is seen as usual, across and up.
    """
    rng = np.random.Generator(np.random.PCG64([seed, index]))
    scale = height / 360 / extent
    look = STYLES[style]
    camera = look.choose_camera(rng, width, height)
    frame = camera.frame()
    rack = look.build_rack(rng, frame, scale, extent)
    plane = np.empty((*camera.plane[::-1], 3), np.uint8)
    look.draw_rack(plane, rack, rng)
    light = 0.6 * (2 * rng.random() - 1)
    assortment = look.choose_assortment(rng)
    drawn: dict[tuple, Sprite] = {}
    standing = [
        _set_up(placed, shelf, light, drawn, rng, look)
        for shelf in rack.shelves
        for placed in look.fill_shelf(rng, assortment, shelf, frame)
    ]
    units = [unit for s in standing for unit in _units(s, rule)]
    boxes = _boxes(units, camera, look.visible)
    kept = [(unit, box) for unit, box in zip(units, boxes, strict=True) if box is not None]
    for pile, sprites in _in_drawing_order(standing, [unit for unit, _ in kept], look):
        _draw(plane, pile, sprites, light)
    fronts = np.array([unit.front for unit, _ in kept]).reshape(-1, 4)
    counts = np.array([unit.count for unit, _ in kept], int)
    look.draw_front(plane, rack, rng, fronts, counts)
    plane = look.light_up(plane, rng)
    image = look.develop(camera.project(plane), rng)
    return Picture(image, *_merge(kept, rule), look.quality(rng))


class _Standing(NamedTuple):
    """A pile on its shelf: its sprites with their places, in the order of drawing."""

    pile: Pile
    shelf: Shelf
    sprites: list[tuple[Sprite, int, int]]

    def outline(self, positions: Sequence[int]) -> np.ndarray:
        """(P, 2), points of the plane around some of the sprites."""
        some = [self.sprites[i] for i in positions]
        return np.concatenate([sprite.outline + np.array([x, y]) for sprite, x, y in some])


class _Unit(NamedTuple):
    """What is boxed by itself before alike neighbors are boxed together.

    Attributes:
        standing: the pile that it is of.
        sprites: positions in that pile.
        outline: as :meth:`_Standing.outline`.
        front: (4,), XYXY of the plane, without lids and sides.
    """

    standing: _Standing
    sprites: range
    count: int  # type: ignore[assignment]  # hides tuple's method
    outline: np.ndarray
    front: np.ndarray


def _set_up(
    placed: Placed,
    shelf: Shelf,
    light: float,
    drawn: dict[tuple, Sprite],
    rng: Generator,
    look: Plain,
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
        covered = nested and i > 0 and not (item.upside_down or GOODS[item.category].box)
        key = item, variant, nested, covered
        if key not in drawn:
            drawn[key] = look.finish(draw_item(Brush(item, view, light, *key[1:], look.rich)), item)
        wobble = int(rng.integers(-1, 2)) if wobbly else 0
        sprites.append((drawn[key], round(placed.x + dx) + wobble, round(y + dy)))
    return _Standing(pile, shelf, sprites)


def _units(standing: _Standing, rule: str) -> list[_Unit]:
    """What may get a box of its own.

    By ``item`` that is the whole pile. By the other rules it is a nest, or each item of stacks,
    blocks and rows; goods behind others of their kind do not count by these.
    """
    pile, sprites = standing.pile, standing.sprites
    n = len(sprites)
    if rule == "item" or pile.form == "nest":
        return [_unit(standing, range(n), n)]
    if pile.form == "queue":
        return [_unit(standing, range(n - 1, n), 1)]
    return [_unit(standing, range(i, i + 1), 1) for i in range(n)]


def _unit(standing: _Standing, positions: range, count: int) -> _Unit:
    pile, item, outline = standing.pile, standing.pile.item, standing.outline(positions)
    depth = item.depth / 2 * standing.shelf.view.tilt
    feet = np.array([(x, y + depth) for _, x, y in standing.sprites])[positions]
    reach = np.array([item.width / 2, item.height])
    front = np.concatenate([feet.min(0) - reach, feet.max(0) + reach * (1, 0)])
    if count < pile.count and _has_one_above(pile, positions[0]):
        outline = np.maximum(outline, (-np.inf, front[1]))  # its lid can't be seen
    return _Unit(standing, positions, count, outline, front)


def _has_one_above(pile: Pile, i: int) -> bool:
    dx, dy = np.abs(pile.feet - pile.feet[i] + (0, pile.item.height)).T
    return bool(((dx < pile.item.width / 2) & (dy < pile.item.height / 2)).any())


def _in_drawing_order(
    standing: list[_Standing], units: list[_Unit], look: Plain
) -> list[tuple[_Standing, list[int]]]:
    """The piles and which of their sprites are drawn: of units with a box, and those behind."""
    shown: dict[int, set[int]] = {}
    for unit in units:
        positions = shown.setdefault(id(unit.standing), set())
        positions.update(unit.sprites)
        if unit.standing.pile.form == "queue":
            positions.update(range(unit.standing.pile.count))
    parts = [(s, sorted(shown[id(s)])) for s in standing if id(s) in shown]
    return look.order(parts)


def _draw(plane: np.ndarray, standing: _Standing, positions: list[int], light: float) -> None:
    pile, view, outline = standing.pile, standing.shelf.view, standing.outline(positions)
    (x1, y1), (x2, y2) = outline.min(axis=0), outline.max(axis=0)
    rise = pile.item.depth * view.tilt
    reach = 6 * view.scale
    cast_shadow(plane, x1 - reach, y2 - rise * 1.6 - 3, x2 + reach, y2 + 4)
    cast_shadow(plane, x1 - reach * (1 + light), y1 - reach, x2 + reach * (1 - light), y2)
    for i in positions:
        sprite, x, y = standing.sprites[i]
        if pile.form == "queue":
            sprite = dimmed(sprite, max(100 - 9 * (pile.count - 1 - i), 50))
        paste(plane, sprite, x, y)


def _variants(pile: Pile, rng: Generator) -> list[int]:
    """The coloring of each item."""
    n = pile.item.variants
    if n > 2:
        return rng.integers(0, n, pile.count).tolist()
    return [i % n for i in range(pile.count)]


def _boxes(
    units: list[_Unit], camera: Camera, visible: float
) -> list[tuple[int, int, int, int] | None]:
    """The box of each unit; None if too little of it is in the photo."""
    if not units:
        return []
    points = camera.locate(np.concatenate([unit.outline for unit in units]))
    ends = np.cumsum([len(unit.outline) for unit in units])[:-1]
    return [
        _box(part, camera, visible if unit.count == 1 else 1)
        for part, unit in zip(np.split(points, ends), units, strict=True)
    ]


def _box(points: np.ndarray, camera: Camera, least: float) -> tuple[int, int, int, int] | None:
    """The part of a box within the photo; None if that is less than a share ``least`` of it."""
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    a, b = max(x1, 0), min(x2, camera.width)
    c, d = max(y1, 0), min(y2, camera.height)
    if (b - a) / (x2 - x1) < least or (d - c) / (y2 - y1) < min(least, 0.9):
        return None
    return int(np.floor(a)), int(np.floor(c)), int(np.ceil(b)), int(np.ceil(d))


def _merge(
    kept: list[tuple[_Unit, tuple[int, int, int, int]]], rule: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Boxes, categories, counts, rows and facings, alike neighbors boxed together where the rule
    says so."""
    boxes = np.array([box for _, box in kept], int).reshape(-1, 4)
    items = [unit.standing.pile.item for unit, _ in kept]
    number = {item: i for i, item in enumerate(dict.fromkeys(items))}
    labels = group(
        np.array([unit.front for unit, _ in kept]).reshape(-1, 4),
        np.array([number[item] for item in items], int),
        rule,
    )
    first, place = np.unique(labels, return_inverse=True)
    merged = np.empty((len(first), 4), int)
    counts, facings = np.zeros((2, len(first)), int)
    np.add.at(counts, place, np.array([unit.count for unit, _ in kept], int))
    np.add.at(facings, place, np.array([_num_facings(unit) for unit, _ in kept], int))
    merged[:, :2], merged[:, 2:] = np.iinfo(int).max, -1
    np.minimum.at(merged[:, :2], place, boxes[:, :2])
    np.maximum.at(merged[:, 2:], place, boxes[:, 2:])
    categories = np.array([item.category for item in items], int)
    fronts = np.array([unit.standing.shelf.front for unit, _ in kept])
    rows = np.unique(fronts, return_inverse=True)[1][first]
    return merged, categories[first], counts, rows, facings


def _num_facings(unit: _Unit) -> int:
    ends = unit.standing.pile.feet[:, 1]
    return int((ends[unit.sprites] == ends.max()).sum())
