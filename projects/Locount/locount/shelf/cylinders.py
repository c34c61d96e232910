"""Closed round goods."""

from __future__ import annotations

from .brush import Brush
from .labels import BLACK, CERAMIC, METAL, PASTEL, VIVID, WHITE, blank, pick
from .sprites import Sprite, Top, mix, shade


def can(brush: Brush) -> Sprite:
    color = pick(brush.color, VIVID + PASTEL[:3])
    skin = brush.print(brush.item.width, brush.item.height, color)
    n = max(len(skin) // 16, 1)
    skin[:n] = skin[-n:] = (190, 190, 190)
    skin[-1] = (70, 70, 70)
    top = Top((215, 215, 215), (165, 168, 170), 0, 0.14)
    return brush.turn([0, 0.07, 0.93, 1], [0.84, 1, 1, 0.86], skin, 0.6, top)


def tin(brush: Brush) -> Sprite:
    color = pick(brush.color, VIVID + PASTEL)
    skin = brush.print(brush.item.width, brush.item.height, color)
    n = max(len(skin) // 9, 1)
    metal = pick(brush.color, METAL)
    skin[:n] = skin[-n:] = metal
    skin[-1] = shade(metal, 40)
    top = Top(shade(metal, 105), shade(metal, 82), 0, 0.1)
    return brush.turn([0, 0.06, 0.94, 1], [1, 0.97, 0.97, 1], skin, 0.5, top)


def bottle(brush: Brush) -> Sprite:
    item, rng = brush.item, brush.shape
    liquid = pick(brush.color, VIVID + PASTEL[:6])
    cap = pick(brush.color, (*VIVID, WHITE, BLACK))
    skin = blank(item.width, item.height, liquid)
    h, w = skin.shape[:2]
    shoulder = 0.26 + 0.14 * rng.random()
    a = int(h * (shoulder + 0.08))
    b = max(int(h * (0.72 + 0.16 * rng.random())), a + 2)  # no label is lower
    fill_line = int(h * (shoulder - 0.06))
    skin[:fill_line] = mix(liquid, WHITE, 55)
    label = pick(brush.color, PASTEL + VIVID)
    skin[a:b] = brush.print(w, b - a, label)
    skin[-max(h // 30, 1) :] = shade(liquid, 55)
    skin[: max(h // 11, 2)] = cap
    skin[max(h // 11, 2)] = shade(cap, 50)
    neck = 0.36 + 0.14 * rng.random()
    heights = [0, 0.09, 0.1, shoulder - 0.1, shoulder, 0.94, 1]
    radii = [neck, neck, neck * 0.85, neck * 0.95, 1, 1, 0.9]
    return brush.turn(heights, radii, skin, 0.7, Top(cap, shade(cap, 110), 0, 0.15))


def jar(brush: Brush) -> Sprite:
    item = brush.item
    content = pick(brush.color, VIVID + CERAMIC)
    lid = pick(brush.color, VIVID + METAL)
    skin = blank(item.width, item.height, mix(content, WHITE, 12))
    h, w = skin.shape[:2]
    n = max(h // 6, 2)
    a = int(h * 0.34)
    b = max(int(h * 0.86), a + 2)
    skin[a:b] = brush.print(w, b - a, pick(brush.color, (*PASTEL, WHITE)))
    skin[n : n + max(h // 18, 1)] = shade(content, 130)
    skin[:n] = lid
    skin[1:n, ::3] = shade(lid, 75)
    skin[-max(h // 20, 1) :] = shade(content, 50)
    heights = [0, 0.17, 0.18, 0.24, 0.32, 0.92, 1]
    radii = [0.86, 0.86, 0.78, 0.8, 1, 1, 0.88]
    return brush.turn(heights, radii, skin, 0.65, Top(shade(lid, 112), lid, 0, 0.1))


def flask(brush: Brush) -> Sprite:
    item, rng = brush.item, brush.shape
    body, cap = pick(brush.color, VIVID + PASTEL), pick(brush.color, (*VIVID, *METAL, WHITE))
    skin = blank(item.width, item.height, body)
    h, w = skin.shape[:2]
    top, shoulder = 0.08 + 0.14 * rng.random(), 0.04 + 0.12 * rng.random()
    start = int(h * (top + shoulder))
    skin[start : h - h // 12] = brush.print(w, h - h // 12 - start, body)
    skin[: int(h * top)] = cap
    skin[int(h * top)] = shade(cap, 45)
    skin[-1] = shade(body, 50)
    neck, waist = 0.35 + 0.6 * rng.random(), 0.85 + 0.15 * rng.random()
    heights = [0, top, top + 0.01, top + shoulder, 0.6, 0.97, 1]
    radii = [neck, neck, neck, 1, waist, 1, 0.93]
    return brush.turn(heights, radii, skin, 0.5, Top(cap, shade(cap, 110), 0, 0.1))


def paper_roll(brush: Brush) -> Sprite:
    item = brush.item
    color = mix(pick(brush.color, PASTEL), WHITE, 60)
    if brush.shape.integers(2):
        skin = brush.print(item.width, item.height, color)
    else:
        skin = blank(item.width, item.height, color)
        skin[:: max(len(skin) // 7, 2), :: max(skin.shape[1] // 9, 2)] = shade(color, 80)
    skin[-1] = skin[0] = shade(color, 50)
    top = Top(mix(color, WHITE, 40), (95, 125, 150), 0, 0.62)
    return brush.turn([0, 0.04, 0.96, 1], [0.96, 1, 1, 0.96], skin, 0, top)
