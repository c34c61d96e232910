"""Boxes, books and trays."""

from __future__ import annotations

import cv2
import numpy as np

from .brush import Brush
from .labels import CERAMIC, METAL, PASTEL, PLASTIC, VIVID, WHITE, WOOD, blank, ink_on, pick, write
from .sprites import Sprite, ellipse, fill, mix, shade


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


def pack(brush: Brush) -> Sprite:
    """A small pack; its lid is often of another color."""
    color = pick(brush.color, VIVID + PASTEL)
    face = brush.face(color)
    n = int(len(face) * (0.15 + 0.25 * brush.shape.random()))
    if n > 2 and brush.shape.integers(2):
        face[1:n] = cv2.addWeighted(face[1:n], 0.25, blank(face.shape[1], n - 1, WHITE), 0.75, 0)
        face[n] = shade(color, 70)
    return brush.box(face, mix(color, WHITE, 60), shade(color, 55))


def case(brush: Brush) -> Sprite:
    """A cardboard box, or several packages in foil."""
    color = pick(brush.color, (*WOOD, *VIVID, *PASTEL))
    face = brush.face(color)
    h, w = face.shape[:2]
    if brush.shape.integers(2):
        n = int(brush.shape.integers(2, 5))
        for x in range(w // n, w - 2, max(w // n, 8)):
            face[:, x] = cv2.convertScaleAbs(face[:, x], alpha=0.6).reshape(h, 3)
        sheen = int(w * brush.shape.random())
        lit = face[:, sheen : sheen + w // 12]
        if lit.size:  # a narrow face has none
            lit[:] = cv2.convertScaleAbs(np.ascontiguousarray(lit), alpha=0.8, beta=45)
    return brush.box(face, mix(color, WHITE, 25), shade(color, 60))


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
    fill(sprite.paint, points, shade(color, 85))
    return sprite
