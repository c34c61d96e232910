"""Dishes, cups and buckets: open at the top."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from .brush import Brush
from .labels import CERAMIC, METAL, PASTEL, PLASTIC, VIVID, WHITE, blank, decorate, pick
from .layout import Item
from .sprites import Color, Sprite, Top, ellipse, make_sprite, mix, shade

Curve = Callable[[np.ndarray], np.ndarray]
Wall = Callable[[Generator, float, float, Color], np.ndarray]
_DOWN = np.arange(7) / 6  # from the lip to the foot


def _vessel(
    brush: Brush,
    color: Color,
    *,
    curve: Curve,
    foot: float,
    gloss: float,
    lip: float,
    wall: Wall,
    deep: float = 0.9,
) -> Sprite:
    """A dish or a cup with a lip, that nests.

    Args:
        brush: of the item.
        color: of its wall.
        curve: from the lip (0) to the foot (1), the wall's distance from the foot's radius: 1 to 0.
        foot: radius, as a share of the lip's.
        gloss: from 0 to 1.
        lip: height of a single item's lip, in pitches.
        wall: paints the wall.
        deep: how dark it is inside, from 0 to 1.
    """
    item = brush.item
    edge = min(item.pitch * (0.42 if brush.nested else lip), item.height * 0.4) / item.height
    heights = np.concatenate([[0, edge], edge + _DOWN * (1 - edge)])
    radii = np.concatenate([[1, 1], foot + (0.94 - foot) * curve(_DOWN)])
    skin = wall(brush.color, item.width, item.height, color)
    rim = mix(color, WHITE, 58)
    if brush.color.integers(4) == 0:
        rim = mix(pick(brush.color, VIVID), WHITE, 15)
    _paint_lip(skin, rim, edge * len(skin), item.pitch / item.height * len(skin), brush.nested)
    if item.upside_down:
        bottom = Top(shade(color, 92), shade(color, 97), 0, 0.12)
        skin = np.ascontiguousarray(skin[::-1])
        return brush.turn(1 - heights[::-1], radii[::-1], skin, gloss, bottom)
    inside = mix(color, WHITE, 25 if brush.shape.integers(2) else 60)
    top = None if brush.covered else Top(rim, inside, deep, 0.07)
    return brush.turn(heights, radii, skin, gloss, top)


def _paint_lip(skin: np.ndarray, rim: Color, lip: float, pitch: float, nested: bool) -> None:
    """The lip and its shadow on the wall, which sets off the items of a nest from each other.

    ``lip`` and ``pitch`` in rows of the skin.
    """
    start = max(round(lip), 1)
    rows = max(round(pitch - lip), 1) if nested else max(start // 2, 1)
    under = skin[start : start + rows].astype(np.uint16)
    percent = np.full(len(under), 66, np.uint16)
    if nested:
        percent = (38 + 34 * np.arange(len(under)) // max(len(under), 1)).astype(np.uint16)
    skin[start : start + rows] = under * percent[:, None, None] // 100
    skin[:start] = rim


def _round(t: np.ndarray) -> np.ndarray:
    return np.sqrt(1 - t * t * 0.97)


def _straight(t: np.ndarray) -> np.ndarray:
    return 1 - t


def _bellied(t: np.ndarray) -> np.ndarray:
    return 1 - t * t * 0.9


def bowl(brush: Brush) -> Sprite:
    foot = 0.42 + 0.12 * brush.shape.random()
    color = pick(brush.color, CERAMIC if brush.shape.integers(3) else PASTEL)
    return _vessel(brush, color, curve=_round, foot=foot, gloss=0.35, lip=0.3, wall=decorate)


def plate(brush: Brush) -> Sprite:
    foot = 0.5 + 0.15 * brush.shape.random()
    color = pick(brush.color, CERAMIC if brush.shape.integers(4) else PASTEL)
    return _vessel(
        brush, color, curve=_straight, foot=foot, gloss=0.25, lip=0.45, wall=_plain, deep=0.3
    )


def basin(brush: Brush) -> Sprite:
    foot = 0.68 + 0.12 * brush.shape.random()
    color = pick(brush.color, PLASTIC)
    return _vessel(brush, color, curve=_bellied, foot=foot, gloss=0.25, lip=0.7, wall=_ribbed)


def bucket(brush: Brush) -> Sprite:
    foot = 0.68 + 0.1 * brush.shape.random()
    color = pick(brush.color, PLASTIC if brush.shape.integers(3) else METAL)
    return _vessel(brush, color, curve=_straight, foot=foot, gloss=0.35, lip=0.55, wall=_handled)


def paper_cup(brush: Brush) -> Sprite:
    foot = 0.64 + 0.08 * brush.shape.random()
    color = (pick(brush.color, PASTEL), pick(brush.color, VIVID), WHITE)[brush.shape.integers(3)]
    return _vessel(brush, color, curve=_straight, foot=foot, gloss=0.1, lip=0.4, wall=decorate)


def _plain(rng: Generator, width: float, height: float, color: Color) -> np.ndarray:
    return blank(width, height, color)


def _ribbed(rng: Generator, width: float, height: float, color: Color) -> np.ndarray:
    image = blank(width, height, color)
    if rng.integers(2):
        image[:, :: max(image.shape[1] // 14, 2)] = shade(color, 85)
    else:
        h = image.shape[0]
        image[h // 2 : h // 2 + max(h // 14, 1)] = shade(color, 80)
    return image


def _handled(rng: Generator, width: float, height: float, color: Color) -> np.ndarray:
    image = blank(width, height, color)
    h, w = image.shape[:2]
    if rng.integers(2):
        image[h * 2 // 3 : h * 2 // 3 + max(h // 30, 1)] = shade(color, 80)
    ellipse(
        image,
        (w / 2, h * 0.12),
        (w * 0.42, h * (0.3 + 0.2 * rng.random())),
        (120, 120, 120),
        1,
        (0, 180),
    )
    return image


def mug(brush: Brush) -> Sprite:
    item = brush.item
    color = pick(brush.color, CERAMIC + VIVID[:6])
    skin = decorate(brush.color, item.width, item.height, color)
    skin[: max(len(skin) // 14, 1)] = mix(color, WHITE, 45)
    skin[-max(len(skin) // 16, 1) :] = shade(color, 60)
    bulge = 0.04 * brush.shape.random()
    body = 0.78
    radii = np.array([body, body - bulge, body - 0.02, body * 0.88])
    top = Top(mix(color, WHITE, 45), mix(color, WHITE, 60), 0.9, 0.09)
    sprite = brush.turn([0, 0.3, 0.85, 1], radii, skin, 0.45, top)
    return _add_handle(sprite, item, color, 1 if brush.shape.integers(2) else -1)


def _add_handle(sprite: Sprite, item: Item, color: Color, side: int) -> Sprite:
    """A handle beside the body; the body is moved away so that the whole is in the middle."""
    reach = item.width * 0.11
    pad = round(item.width * 0.24) + 2
    left, right = (0, pad) if side > 0 else (pad, 0)
    paint = cv2.copyMakeBorder(
        sprite.paint, 0, 0, left, right, cv2.BORDER_CONSTANT, value=(0, 0, 0)
    )
    keep = cv2.copyMakeBorder(sprite.keep, 0, 0, left, right, cv2.BORDER_CONSTANT, value=(255,) * 3)
    tone, cover = np.empty_like(paint), np.zeros(paint.shape[:2], np.uint8)
    tone[:] = shade(color, 80 if side > 0 else 92)
    x = sprite.anchor[0] + left
    center = (x + side * item.width * 0.39, sprite.anchor[1] - item.height * 0.48)
    axes = (item.width * 0.19, item.height * 0.29)
    ellipse(cover, center, axes, 255, max(round(item.width * 0.09), 1))
    ring = make_sprite(tone, cover, (0, 0), np.zeros((0, 2)))
    paint = cv2.add(cv2.multiply(ring.paint, keep, scale=1 / 255), paint)
    keep = cv2.multiply(ring.keep, keep, scale=1 / 255)
    anchor = round(x + side * reach), sprite.anchor[1]
    outline = sprite.outline + np.array([x - anchor[0], 0])
    tip = (center[0] + side * (axes[0] + item.width * 0.05) - anchor[0], -item.height * 0.48)
    return Sprite(paint, keep, anchor, np.concatenate([outline, [tip]]))
