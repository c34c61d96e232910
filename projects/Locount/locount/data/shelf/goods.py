"""How the items of each category look."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from .categories import CATALOGUE
from .labels import (
    BLACK,
    CERAMIC,
    METAL,
    PASTEL,
    PLASTIC,
    VIVID,
    WHITE,
    WOOD,
    blank,
    decorate,
    ink_on,
    mix,
    pick,
    print_package,
    shade,
    write,
)
from .layout import Item, View
from .sprites import Color, Sprite, Top, crate, ellipse, make_sprite, revolved


class Brush:
    """Draws one item: its numbers, how it is seen, and the random numbers of its shape and colour.

    Items of a pile have one shape; variants differ in colour.
    """

    def __init__(
        self, item: Item, view: View, light: float, variant: int, nested: bool, open_: bool
    ):
        self.item, self.view, self.light = item, view, light
        self.nested, self.open = nested, open_
        self.shape = np.random.default_rng([item.seed, 0])
        self.color = np.random.default_rng([item.seed, 1 + variant])

    def turn(self, heights, radii, skin, gloss, top: Top | None) -> Sprite:
        return revolved(
            np.asarray(heights) * self.item.height,
            np.asarray(radii) * self.item.width / 2,
            tilt=self.view.tilt,
            skin=skin,
            light=self.light,
            gloss=gloss,
            top=top,
        )

    def box(self, face, top: Color, side: Color, depth: float | None = None) -> Sprite:
        depth = self.item.depth if depth is None else depth
        return crate(face, depth, tilt=self.view.tilt, yaw=self.view.yaw, top=top, side=side)

    def face(self, color: Color, paint=print_package) -> np.ndarray:
        """The front of a box; one pixel higher than it is, so that no gap shows in a stack."""
        face = paint(self.color, self.item.width, self.item.height + 1, color)
        face[-1] = shade(color, 45)
        face[:, 0] = shade(color, 70)
        face[:, -1] = shade(color, 55)
        face[0] = shade(mix(color, WHITE, 35), 100)
        return face


def _vessel(
    brush: Brush, color: Color, curve, foot: float, gloss: float, lip_share: float, motif, deep=0.9
) -> Sprite:
    """A dish or a cup with a lip, that nests."""
    item = brush.item
    lip = item.pitch * 0.42 if brush.nested else item.pitch * lip_share
    lip = min(lip, item.height * 0.4)
    t = np.arange(7) / 6
    heights = np.concatenate(
        [[0, lip / item.height], lip / item.height + t * (1 - lip / item.height)]
    )
    radii = np.concatenate([[1, 1], foot + (0.94 - foot) * curve(t)])
    skin = motif(brush.color, item.width, item.height, color)
    rim = mix(color, WHITE, 58)
    if brush.color.integers(4) == 0:
        rim = mix(pick(brush.color, VIVID), WHITE, 15)
    rows = skin.shape[0]
    a = max(round(lip / item.height * rows), 1)
    b = (
        a + max(round((item.pitch - lip) / item.height * rows), 1)
        if brush.nested
        else a + max(a // 2, 1)
    )
    under = skin[a:b].astype(np.uint16)
    percent = (
        (38 + 34 * np.arange(len(under)) // max(len(under), 1))
        if brush.nested
        else 66 + 0 * np.arange(len(under))
    )
    skin[a:b] = under * percent[:, None, None].astype(np.uint16) // 100
    skin[:a] = rim
    if item.upside_down:
        top = Top(shade(color, 92), shade(color, 97), 0, 0.12)
        return brush.turn(
            1 - heights[::-1], radii[::-1], np.ascontiguousarray(skin[::-1]), gloss, top
        )
    inside = mix(color, WHITE, 25 if brush.shape.integers(2) else 60)
    top = None if brush.open else Top(rim, inside, deep, 0.07)
    return brush.turn(heights, radii, skin, gloss, top)


def bowl(brush: Brush) -> Sprite:
    foot = 0.42 + 0.12 * brush.shape.random()
    color = pick(brush.color, CERAMIC if brush.shape.integers(3) else PASTEL)
    return _vessel(brush, color, lambda t: np.sqrt(1 - t * t * 0.97), foot, 0.35, 0.3, decorate)


def plate(brush: Brush) -> Sprite:
    foot = 0.5 + 0.15 * brush.shape.random()
    color = pick(brush.color, CERAMIC if brush.shape.integers(4) else PASTEL)
    return _vessel(brush, color, lambda t: 1 - t, foot, 0.25, 0.45, blank_wall, 0.3)


def basin(brush: Brush) -> Sprite:
    foot = 0.68 + 0.12 * brush.shape.random()
    color = pick(brush.color, PLASTIC)
    return _vessel(brush, color, lambda t: 1 - t * t * 0.9, foot, 0.25, 0.7, ribbed)


def bucket(brush: Brush) -> Sprite:
    foot = 0.68 + 0.1 * brush.shape.random()
    color = pick(brush.color, PLASTIC if brush.shape.integers(3) else METAL)
    return _vessel(brush, color, lambda t: 1 - t, foot, 0.35, 0.55, with_handle)


def paper_cup(brush: Brush) -> Sprite:
    foot = 0.64 + 0.08 * brush.shape.random()
    color = (pick(brush.color, PASTEL), pick(brush.color, VIVID), WHITE)[brush.shape.integers(3)]
    return _vessel(brush, color, lambda t: 1 - t, foot, 0.1, 0.4, decorate)


def blank_wall(rng, width: float, height: float, color: Color) -> np.ndarray:
    return blank(width, height, color)


def ribbed(rng, width: float, height: float, color: Color) -> np.ndarray:
    image = blank(width, height, color)
    if rng.integers(2):
        image[:, :: max(image.shape[1] // 14, 2)] = shade(color, 85)
    else:
        h = image.shape[0]
        image[h // 2 : h // 2 + max(h // 14, 1)] = shade(color, 80)
    return image


def with_handle(rng, width: float, height: float, color: Color) -> np.ndarray:
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


def can(brush: Brush) -> Sprite:
    color = pick(brush.color, VIVID + PASTEL[:3])
    skin = print_package(brush.color, brush.item.width, brush.item.height, color)
    n = max(len(skin) // 16, 1)
    skin[:n] = skin[-n:] = (190, 190, 190)
    skin[-1] = (70, 70, 70)
    top = Top((215, 215, 215), (165, 168, 170), 0, 0.14)
    return brush.turn([0, 0.07, 0.93, 1], [0.84, 1, 1, 0.86], skin, 0.6, top)


def tin(brush: Brush) -> Sprite:
    color = pick(brush.color, VIVID + PASTEL)
    skin = print_package(brush.color, brush.item.width, brush.item.height, color)
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
    a, b = int(h * (shoulder + 0.08)), int(h * (0.72 + 0.16 * rng.random()))
    fill_line = int(h * (shoulder - 0.06))
    skin[:fill_line] = mix(liquid, WHITE, 55)
    label = pick(brush.color, PASTEL + VIVID)
    skin[a:b] = print_package(brush.color, w, b - a, label)
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
    a, b = int(h * 0.34), int(h * 0.86)
    skin[a:b] = print_package(brush.color, w, b - a, pick(brush.color, (*PASTEL, WHITE)))
    skin[n : n + max(h // 18, 1)] = shade(content, 130)
    skin[:n] = lid
    skin[1:n, ::3] = shade(lid, 75)
    skin[-max(h // 20, 1) :] = shade(content, 50)
    heights = [0, 0.17, 0.18, 0.24, 0.32, 0.92, 1]
    radii = [0.86, 0.86, 0.78, 0.8, 1, 1, 0.88]
    return brush.turn(heights, radii, skin, 0.65, Top(shade(lid, 112), lid, 0, 0.1))


def paper_roll(brush: Brush) -> Sprite:
    item = brush.item
    color = mix(pick(brush.color, PASTEL), WHITE, 60)
    if brush.shape.integers(2):
        skin = print_package(brush.color, item.width, item.height, color)
    else:
        skin = blank(item.width, item.height, color)
        skin[:: max(len(skin) // 7, 2), :: max(skin.shape[1] // 9, 2)] = shade(color, 80)
    skin[-1] = skin[0] = shade(color, 50)
    top = Top(mix(color, WHITE, 40), (95, 125, 150), 0, 0.62)
    return brush.turn([0, 0.04, 0.96, 1], [0.96, 1, 1, 0.96], skin, 0, top)


def carton(brush: Brush) -> Sprite:
    color = pick(brush.color, PASTEL + VIVID)
    face = brush.face(color)
    h, w = face.shape[:2]
    gable = h // 6
    roof = mix(color, WHITE, 55)
    face[:gable] = shade(roof, 88)
    face[: max(h // 22, 2)] = roof
    face[max(h // 22, 2)] = shade(roof, 55)
    face[gable] = shade(color, 60)
    ellipse(face, (w / 2, gable * 0.62), (w * 0.16, gable * 0.24), pick(brush.color, VIVID))
    return brush.box(face, roof, shade(color, 60), brush.item.depth * 0.5)


def food_box(brush: Brush) -> Sprite:
    color = pick(brush.color, VIVID + PASTEL)
    return brush.box(brush.face(color), mix(color, WHITE, 25), shade(color, 62))


def storage_box(brush: Brush) -> Sprite:
    color = pick(brush.color, PLASTIC + PASTEL)
    lid = pick(brush.color, (*PLASTIC, WHITE)) if brush.shape.integers(2) else mix(color, WHITE, 30)

    def paint(rng, width, height, _):
        image = blank(width, height, color)
        h, w = image.shape[:2]
        for x in range(w // 8, w, max(w // 8, 4)):
            image[:, x : x + 2] = shade(color, 88)
        n = max(h // 6, 3)
        image[n : n + max(n // 2, 1)] = shade(color, 65)
        image[:n] = lid
        cv2.rectangle(image, (w * 2 // 5, h // 2), (w * 3 // 5, h * 2 // 3), shade(color, 70), -1)
        for x in (w // 7, w * 6 // 7):
            cv2.rectangle(image, (x - w // 24, n - 1), (x + w // 24, n * 2), shade(lid, 75), -1)
        return image

    return brush.box(brush.face(color, paint), mix(lid, WHITE, 20), shade(color, 70))


def tissue_pack(brush: Brush) -> Sprite:
    color = (
        mix(pick(brush.color, PASTEL), WHITE, 30)
        if brush.shape.integers(3)
        else pick(brush.color, VIVID)
    )
    face = brush.face(color)
    h, w = face.shape[:2]
    ellipse(face, (w * 0.5, h * 0.5), (w * 0.24, h * 0.26), mix(color, WHITE, 70))
    write(face, brush.color, w * 0.36, h * 0.38, w * 0.28, h * 0.24, pick(brush.color, VIVID))
    face[:, : max(w // 22, 1)] = face[:, -max(w // 22, 1) :] = shade(color, 78)
    return brush.box(face, mix(color, WHITE, 30), shade(color, 66))


def book(brush: Brush) -> Sprite:
    color = pick(brush.color, VIVID + CERAMIC + PASTEL)
    standing = brush.item.height > brush.item.width

    def paint(rng, width, height, _):
        image = blank(width, height, color)
        h, w = image.shape[:2]
        band = pick(rng, VIVID)
        ink = ink_on(color)
        if standing:
            image[h // 12 : h // 8] = image[-h // 7 : -h // 10] = band
            for y in range(h // 4, h * 2 // 3, 4):
                cv2.line(image, (w // 3, y), (w - 1 - w // 3, y + 1), ink)
        else:
            image[:, w // 12 : w // 8] = image[:, -w // 7 : -w // 10] = band
            write(image, rng, w * 0.2, h * 0.3, w * (0.3 + 0.3 * rng.random()), h * 0.45, ink)
        return image

    face = brush.face(color, paint)
    pages = (205, 225, 232)
    return brush.box(
        face, pages if standing else shade(color, 108), shade(color, 60) if standing else pages
    )


def tray(brush: Brush) -> Sprite:
    item = brush.item
    color = pick(brush.color, WOOD + PLASTIC + METAL)
    height = item.pitch if brush.nested else max(item.height, item.pitch)
    face = blank(item.width, height + 1, shade(color, 42 if brush.nested else 60))
    face[: max(round(item.pitch * 0.45), 2)] = mix(color, WHITE, 62)
    sprite = brush.box(face, mix(color, WHITE, 35), shade(color, 60))
    rise, lean = item.depth * brush.view.tilt, item.depth * brush.view.yaw
    w = face.shape[1]
    x, y = sprite.outline[0] + sprite.anchor
    inner = np.array([(0.05, 0.12), (0.95, 0.12), (0.95, 0.88), (0.05, 0.88)])
    points = inner[:, :1] * (w, 0) + inner[:, 1:] * (lean, -rise) + (x, y)
    cv2.fillConvexPoly(
        sprite.paint, np.rint(points * 16).astype(np.int32), shade(color, 85), cv2.LINE_AA, 4
    )
    return sprite


_DRAW: dict[str, Callable[[Brush], Sprite]] = {
    "Bowl": bowl,
    "Plate": plate,
    "Tray": tray,
    "Mug": mug,
    "Paper cup": paper_cup,
    "Basin": basin,
    "Bucket": bucket,
    "Storage box": storage_box,
    "Can": can,
    "Bottle": bottle,
    "Carton": carton,
    "Tin": tin,
    "Jar": jar,
    "Food box": food_box,
    "Book": book,
    "Tissue pack": tissue_pack,
    "Paper roll": paper_roll,
}


def draw_item(
    view: View, light: float, item: Item, variant: int, nested: bool, open_: bool
) -> Sprite:
    """One item of a pile.

    Args:
        light: where round bodies are brightest, from -1 (left) to 1.
        variant: which of the item's colourings.
        nested: whether it is one of a nest, of which little more than the lips can be seen.
        open_: another item is in it, so that its inside can't be seen.
    """
    draw = _DRAW[CATALOGUE[item.category].name]
    return draw(Brush(item, view, light, variant, nested, open_))
