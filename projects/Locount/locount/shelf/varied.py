"""The varied style: densely filled shelves near and far, as photos of shops show them.

Domain randomization (Tobin et al., 2017): what differs between shops, cameras and brands is drawn
at random and wider than in reality, so that a detector can't rely on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from .camera import Camera, Frame
from .categories import GOODS, MAX_COUNT
from .labels import BLACK, METAL, PASTEL, VIVID, WHITE, WOOD, pick
from .layout import (
    Item,
    Pile,
    Placed,
    View,
    choose_group,
    choose_item,
    pile_up,
    queue_step,
    uniform,
)
from .photographs import clouds, letter
from .plain import Plain
from .scene import Rack, Shelf, draw_edges
from .sprites import Color, Sprite, lighten, mix, shade

_GROUP_SHARE = 0.1
_MOST_FACINGS = 14
# Shops sell more packages than dishes.
_ODDS = np.cumsum([1 if g.group in ("Tableware", "Storage", "Paper") else 5 for g in GOODS])
_DARK: tuple[Color, ...] = ((28, 28, 30), (45, 42, 40), (60, 58, 62), (20, 22, 30))
# Of the front of a single item a sign or a hand may hide this share, of a group nothing.
_MOST_HIDDEN = 0.3


class Varied(Plain):
    goods = GOODS
    rich = True
    visible = 0.4

    def choose_camera(self, rng: Generator, width: int, height: int) -> Camera:
        def around(reach: float) -> float:
            return reach * (2 * rng.random() - 1) * rng.random()

        return Camera(
            width,
            height,
            zoom=uniform(rng, (0.86, 0.97)),
            roll=around(0.12),
            perspective=(around(0.34), around(0.2)),
            lens=around(0.1),
        )

    def build_rack(self, rng: Generator, frame: Frame, scale: float, extent: int) -> Rack:
        """One or two shelves from near, two to four, or a whole rack of four to seven; ``extent``
        times as many."""
        _, top, _, bottom = frame.within.tolist()
        space = bottom - top
        distance = rng.integers(4)
        if distance == 0:
            n = int(rng.integers(1, 3))
            top, bottom = top - 0.5 * space * rng.random(), bottom + 0.2 * space * rng.random()
        elif distance < 3:
            n = int(rng.integers(2, 5))
            top, bottom = top - 0.2 * space * rng.random(), bottom + 0.1 * space * rng.random()
        else:
            n = int(rng.integers(4, 8))
            if rng.integers(2):
                top += 0.25 * space * rng.random()
            if rng.integers(2):
                bottom -= 0.2 * space * rng.random()
        n *= extent
        space = bottom - top
        unit = space / n / uniform(rng, (65, 125))
        edge = unit * uniform(rng, (5, 14))
        shares = 1 + 0.4 * rng.random(n)
        heights = shares / shares.sum() * (space - edge * n)
        tilt, rise = 0.02 + 0.12 * rng.random(), 0.12 * rng.random()
        yaw = uniform(rng, (-0.16, 0.16))
        shelves, y = [], top
        for i, height in enumerate(heights.tolist()):
            view = View(tilt + rise * i / max(n - 1, 1), yaw, unit, scale)
            shelves.append(Shelf(y, y + height, edge, view))
            y += height + edge
        wall = pick(
            rng, (_DARK, _DARK, _DARK, METAL, METAL, (WHITE,), PASTEL, WOOD)[rng.integers(8)]
        )
        board = pick(rng, (_DARK, METAL, METAL, WOOD, (WHITE,))[rng.integers(5)])
        front = pick(rng, (METAL, (WHITE,), _DARK, VIVID)[rng.integers(4)])
        tag = pick(rng, ((WHITE,), (WHITE,), VIVID, PASTEL)[rng.integers(4)])
        lip = unit * uniform(rng, (0, 9)) * rng.integers(2)
        return Rack(tuple(shelves), board, front, wall, tag, bool(rng.integers(4) == 0), lip)

    def draw_rack(self, plane: np.ndarray, rack: Rack, rng: Generator) -> None:
        super().draw_rack(plane, rack, rng)
        width = plane.shape[1]
        first, last = rack.shelves[0], rack.shelves[-1]
        _clutter(plane[: max(round(first.ceiling - first.edge), 0)], rng)
        _clutter(plane[round(last.front + last.edge) :], rng)
        for shelf in rack.shelves:  # light from above does not reach the back
            back = plane[max(round(shelf.ceiling), 0) : max(round(shelf.floor), 0)]
            if len(back) > 1 and rng.integers(2):
                dark = clouds(rng, width, len(back), 5, int(rng.integers(20, 150)))
                back[:] = lighten(back, dark, 210)

    def choose_assortment(self, rng: Generator) -> list[int]:
        drawn = np.searchsorted(_ODDS, rng.integers(0, _ODDS[-1], 12), side="right")
        return drawn.tolist()

    def fill_shelf(
        self, rng: Generator, assortment: list[int], shelf: Shelf, frame: Frame
    ) -> Iterator[Placed]:
        """Runs of facings of a few kinds, close together; here and there a group."""
        view, scale = shelf.view, shelf.view.scale
        height = shelf.height - 4 * scale
        kinds = [assortment[i] for i in rng.integers(0, len(assortment), rng.integers(1, 6))]
        tight = (0.03, 0.15, 0.5)[rng.integers(3)]
        left, _, right, _ = frame.around
        x = left - 30 * scale * rng.random()
        left_inner, _, right_inner, _ = frame.within
        if rng.integers(5) == 0:
            right = uniform(rng, (left, right))  # not filled
        misses = 0
        while x < right and misses < 40:
            if rng.random() < 0.05:
                x += uniform(rng, (10, 80)) * scale
            inside = x >= left_inner
            if inside and rng.random() < _GROUP_SHARE:
                pile = choose_group(rng, assortment, view, right_inner - x, height)
                if pile is not None:
                    yield Placed(pile, x + pile.width / 2)
                    x += pile.width + (0.14 + tight * rng.random()) * min(
                        pile.item.width, 40 * scale
                    )
                    continue
            facing, number = _facing(rng, kinds[rng.integers(len(kinds))], view, height, inside)
            if facing is None or (facing.form == "block" and x + facing.width > right_inner):
                misses += 1
                continue
            gap = tight * rng.random() * facing.item.width
            if facing.form == "queue":
                gap += abs(view.yaw) * facing.item.depth
            for _ in range(number):
                width = facing.width if facing.form == "block" else facing.item.width
                yield Placed(facing, x + width / 2)
                x += width + gap
                if x > right:
                    break

    def finish(self, sprite: Sprite, item: Item) -> Sprite:
        """Colors of the catalog are few: turned, so that all occur."""
        rng = np.random.default_rng([item.seed, 98])
        mixed = np.eye(3)[rng.permutation(3)] if rng.integers(3) == 0 else np.eye(3)
        gray = uniform(rng, (0.3, 0.9)) if rng.integers(4) == 0 else 0
        mixed = (mixed * (1 - gray) + gray / 3) * uniform(rng, (0.75, 1.25))
        return sprite._replace(paint=cv2.transform(sprite.paint, mixed))

    def order(self, parts: list[tuple[Any, list[int]]]) -> list[tuple[Any, list[int]]]:
        """On each shelf first what is behind; then so that sides are behind neighbors."""
        by_shelf: dict[float, list[tuple[Any, list[int]]]] = {}
        for part in parts:
            by_shelf.setdefault(part[0].shelf.front, []).append(part)
        ordered = []
        for some in by_shelf.values():
            some = some[::-1] if some[0][0].shelf.view.yaw < 0 else some
            queues = [(s, n[:-1]) for s, n in some if s.pile.form == "queue" and len(n) > 1]
            ordered += queues
            ordered += [(s, n[-1:] if s.pile.form == "queue" else n) for s, n in some]
        return ordered

    def draw_front(
        self, plane: np.ndarray, rack: Rack, rng: Generator, fronts: np.ndarray, counts: np.ndarray
    ) -> None:
        most = _MOST_HIDDEN * (fronts[:, 2:] - fronts[:, :2]).prod(axis=1) * (counts == 1)
        width = plane.shape[1]
        for shelf in rack.shelves:  # the shadow of the board above
            y1, y2 = max(round(shelf.ceiling), 0), max(round(shelf.front), 0)
            depth = uniform(rng, (0, 0.75))
            t = np.arange(y2 - y1) / max(y2 - y1, 1)
            ramp = 255 * (1 - depth * np.clip(1 - t * uniform(rng, (1.2, 4)), 0, 1))
            part = plane[y1:y2]
            if len(part):
                light = ramp[: len(part)].astype(np.uint8)[:, None]
                part[:] = lighten(part, light.repeat(width, axis=1), 255)
        draw_edges(plane, rack, rng, _price)
        scale = rack.shelves[0].view.scale
        for _ in range(int(rng.integers(0, 7))):
            shelf = rack.shelves[rng.integers(len(rack.shelves))]
            w, h = uniform(rng, (14, 44)) * scale, uniform(rng, (10, 34)) * scale
            x = width * rng.random()
            y = shelf.front + shelf.edge - h * 0.3 - uniform(rng, (0, 0.7)) * h
            if rng.integers(4) == 0:
                y = shelf.ceiling
            _cover(plane, rng, (x, y, x + w, y + h), fronts, most, _sign)
        if rng.integers(6) == 0:
            _cover(plane, rng, _anywhere(rng, plane, scale), fronts, most, _hand)

    def light_up(self, plane: np.ndarray, rng: Generator) -> np.ndarray:
        height, width = plane.shape[:2]
        light = clouds(rng, 48, 27, int(rng.integers(2, 5)), int(rng.integers(5, 110)))[..., None]
        tint = 1 + (rng.random(3) - 0.5) * 0.1
        light = np.clip(light * tint, 0, 255).astype(np.uint8)
        full = cv2.resize(light, (width, height), interpolation=cv2.INTER_LINEAR)
        plane = cv2.multiply(plane, full, scale=1 / 205)
        if rng.integers(4) == 0:  # lamps that glass and foil reflect
            glare = np.zeros((height // 8, width // 8), np.uint8)
            for _ in range(int(rng.integers(1, 4))):
                center = tuple((rng.random(2) * glare.shape[::-1]).astype(int).tolist())
                axes = tuple(rng.integers(2, 14, 2).tolist())
                angle = int(rng.integers(180))
                cv2.ellipse(glare, center, axes, angle, 0, 360, int(rng.integers(30, 150)), -1)
            glare = cv2.GaussianBlur(glare, (0, 0), uniform(rng, (1, 5)))
            glare = cv2.resize(glare, (width, height), interpolation=cv2.INTER_LINEAR)
            plane = cv2.add(plane, cv2.merge([glare, glare, glare]))
        return plane

    def develop(self, photo: np.ndarray, rng: Generator) -> np.ndarray:
        """Out of focus, moved, small, noisy, dark, of one color: what phones deliver."""
        height, width = photo.shape[:2]
        kind, scale = rng.integers(5), height / 360
        if kind == 0:
            photo = cv2.GaussianBlur(photo, (0, 0), uniform(rng, (0.5, 1.6)) * scale)
        elif kind == 1:
            photo = cv2.filter2D(photo, -1, _motion(rng, uniform(rng, (2, 6)) * scale))
        elif kind == 2:
            size = uniform(rng, (0.5, 0.9))
            small = cv2.resize(photo, None, fx=size, fy=size, interpolation=cv2.INTER_AREA)
            photo = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
        elif kind == 3:  # sharpened
            soft = cv2.GaussianBlur(photo, (0, 0), 1.2 * scale)
            photo = cv2.addWeighted(photo, 1.7, soft, -0.7, 0)
        photo = super().develop(photo, rng)
        gamma = 2 ** uniform(rng, (-0.8, 0.6))
        warmth = uniform(rng, (-0.18, 0.12))
        white = np.array([1 + warmth, 1, 1 - warmth]) * (1 + (rng.random(3) - 0.5) * 0.06)
        levels = np.clip(255 * (np.arange(256) / 255)[:, None] ** gamma * white, 0, 255)
        photo = cv2.LUT(photo, levels.astype(np.uint8)[None])
        if rng.integers(3) == 0:  # duller or more colorful
            gray = cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
            share = uniform(rng, (-0.4, 0.6))
            photo = cv2.addWeighted(photo, 1 - share, gray, share, 0)
        return photo

    def quality(self, rng: Generator) -> int:
        return int(rng.integers(30, 96))


def _facing(
    rng: Generator, category: int, view: View, height: float, groups: bool
) -> tuple[Pile | None, int]:
    """A pile next to others like it, and how many; None if it does not fit."""
    goods = GOODS[category]
    block = groups and "block" in goods.piles and rng.random() < 0.4
    item = choose_item(rng, category, "block" if block else "single", view, height)
    free = height - item.depth * view.tilt
    levels = int(rng.integers(2, 7)) if block else 1
    larger = uniform(rng, (0.5, 0.97)) * free / (levels * item.height)
    larger = min(max(larger, 0.6), 1.6 if item.height < item.width else 2.2)
    item = item._replace(
        width=item.width * larger,
        height=item.height * larger,
        depth=item.depth * larger,
        pitch=max(item.pitch * larger, view.pitch),
        variants=int((1, 1, 1, 2, 3, 6)[rng.integers(6)]),
    )
    free = height - item.depth * view.tilt
    levels = min(levels, int(free // item.height))
    if levels < 1 or item.height < 1.1 * view.pitch:
        return None, 0
    number = 1 + min(int(rng.exponential(4.5)), _MOST_FACINGS - 1)
    if levels > 1:
        columns = min(number, MAX_COUNT // levels)
        missing = int(rng.integers(columns)) if rng.integers(3) == 0 else 0
        count = max(min(levels * columns - missing, goods.piles["block"]), 1)
        return pile_up(item, "block", count, columns, view), 1
    if "queue" in goods.piles and rng.random() < 0.4:
        step = queue_step(item, view) * view.tilt
        ranks = min(int((free - item.height) // step) + 1, goods.piles["queue"])
        ranks = int(rng.integers(1, ranks + 1))
        if ranks > 1:
            return pile_up(item, "queue", ranks, 1, view), number
    return pile_up(item, "single", 1, 1, view), number


def _clutter(area: np.ndarray, rng: Generator) -> None:
    """Signs, walls and floors, no goods."""
    height, width = area.shape[:2]
    if height < 2:
        return
    area[:] = pick(rng, (_DARK, METAL, PASTEL, WOOD, VIVID)[rng.integers(5)])
    noise = clouds(rng, width, height, int(rng.integers(3, 30)), int(rng.integers(10, 100)))
    area[:] = lighten(area, noise, 205)
    x = -50.0
    while x < width and rng.integers(5):
        w = uniform(rng, (0.1, 0.6)) * width
        _sign(area, rng, (x, height * 0.3 * rng.random(), x + w, height * uniform(rng, (0.6, 1))))
        x += w + uniform(rng, (0, 0.3)) * width


def _sign(image: np.ndarray, rng: Generator, box: tuple[float, ...]) -> None:
    """A price tag, a wobbler, a poster: paper with large letters."""
    x1, y1, x2, y2 = (round(v) for v in box)
    paper = pick(rng, ((WHITE,), (WHITE,), VIVID, PASTEL)[rng.integers(4)])
    cv2.rectangle(image, (x1 + 1, y1 + 2), (x2 + 1, y2 + 2), (40, 40, 40), -1)
    cv2.rectangle(image, (x1, y1), (x2, y2), paper, -1)
    w, h = x2 - x1, y2 - y1
    ink = (BLACK, (40, 40, 200), shade(paper, 40))[rng.integers(3)]
    letter(image, rng, x1 + w * 0.1, y1 + h * 0.15, w * 0.8, h * uniform(rng, (0.25, 0.5)), ink)
    letter(image, rng, x1 + w * 0.1, y1 + h * 0.7, w * 0.6, h * 0.15, BLACK)


def _price(
    image: np.ndarray, rng: Generator, x: float, y: float, w: float, h: float, ink: Color
) -> None:
    letter(image, rng, x, y, w, h, ink, f"{rng.random() * 10 ** rng.integers(1, 3):.2f}")


def _hand(image: np.ndarray, rng: Generator, box: tuple[float, ...]) -> None:
    """A forearm from below that ends in fingers."""
    x1, y1, x2, y2 = box
    skin = mix((130, 165, 215), (40, 60, 95), int(rng.integers(100)))
    w = x2 - x1
    arm = np.array([(x1 + w * 0.2, y1 + w), (x2 - w * 0.2, y1 + w), (x2, y2), (x1, y2)])
    cv2.fillConvexPoly(image, arm.astype(np.int32), shade(skin, 90), cv2.LINE_AA)
    for i in range(4):
        center = round(x1 + w * (0.25 + 0.17 * i)), round(y1 + w * 0.55)
        axes = max(round(w * 0.1), 1), max(round(w * uniform(rng, (0.4, 0.55))), 1)
        cv2.ellipse(image, center, axes, int(rng.integers(-12, 13)), 0, 360, skin, -1, cv2.LINE_AA)


def _anywhere(rng: Generator, plane: np.ndarray, scale: float) -> tuple[float, float, float, float]:
    height, width = plane.shape[:2]
    w = uniform(rng, (18, 34)) * scale
    x, y = width * rng.random(), height * uniform(rng, (0.5, 0.95))
    return x, y, x + w, float(height)


def _cover(
    plane: np.ndarray,
    rng: Generator,
    box: tuple[float, float, float, float],
    fronts: np.ndarray,
    most: np.ndarray,
    draw: Callable[..., None],
) -> None:
    """Draw something in front, unless it hides more than ``most`` pixels of a front."""
    corner = np.minimum(fronts[:, 2:], box[2:]) - np.maximum(fronts[:, :2], box[:2])
    hidden = np.clip(corner, 0, None).prod(axis=1)
    if (hidden <= most).all():
        draw(plane, rng, box)


def _motion(rng: Generator, length: float) -> np.ndarray:
    """The kernel of a movement in any direction."""
    n = max(int(length) | 1, 3)
    kernel = np.zeros((n, n), np.float32)
    dx, dy = (rng.random(2) - 0.5) * n
    middle = n // 2
    start, end = ((round(middle + s * dx), round(middle + s * dy)) for s in (-1, 1))
    cv2.line(kernel, start, end, 1)
    return kernel / kernel.sum()
