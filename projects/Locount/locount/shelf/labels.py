"""Colors and printing: what distinguishes one product from another of its category."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.random import Generator

from .sprites import Color, fixed, mix, shade

WHITE, BLACK = (250, 250, 250), (25, 25, 25)
# BGR.
VIVID: tuple[Color, ...] = (
    (40, 40, 205), (35, 110, 235), (30, 190, 245), (70, 165, 60), (120, 180, 40), (175, 130, 25),
    (190, 80, 30), (140, 50, 60), (150, 50, 130), (130, 70, 215), (60, 75, 130), (90, 140, 20),
    (45, 45, 120), (200, 160, 70), (30, 150, 200), (75, 40, 165),
)  # fmt: skip
PASTEL: tuple[Color, ...] = (
    (235, 225, 205), (205, 225, 240), (215, 235, 215), (225, 210, 235), (190, 215, 245),
    (240, 215, 190), (200, 235, 235), (210, 200, 230), (225, 225, 225), (180, 220, 200),
)  # fmt: skip
CERAMIC: tuple[Color, ...] = (
    (240, 242, 244), (225, 235, 242), (205, 222, 232), (200, 205, 190), (175, 190, 170),
    (150, 120, 90), (95, 70, 50), (85, 110, 160), (60, 62, 66), (140, 165, 195), (190, 175, 165),
)  # fmt: skip
PLASTIC: tuple[Color, ...] = (
    (200, 130, 60), (90, 90, 215), (110, 190, 90), (80, 200, 235), (190, 140, 200), (220, 200, 150),
    (160, 180, 60), (60, 130, 235), (225, 225, 220), (150, 110, 50), (120, 120, 125),
)  # fmt: skip
METAL: tuple[Color, ...] = ((200, 200, 198), (175, 180, 182), (120, 170, 195), (215, 215, 215))
WOOD: tuple[Color, ...] = ((95, 135, 175), (70, 105, 145), (120, 165, 205), (55, 75, 100))


# Strokes of letters and digits on a grid of 3 x 3, each of six points.
_LETTERS = np.array(
    [[divmod(int(digit), 3)[::-1] for digit in word] for word in (
        "000688", "602888", "036888", "200688", "206688", "000264", "028602", "022668", "020785",
        "063582", "036852", "203586", "002558", "000222", "002470", "006822", "063412", "600288",
        "003528", "001477", "020368", "606044", "003558", "608240", "006828", "058303",
    )],
    float,
)  # fmt: skip


def pick(rng: Generator, colors: tuple[Color, ...]) -> Color:
    """One of the colors, a little changed."""
    color = colors[rng.integers(len(colors))]
    change = rng.integers(-14, 15, 3).tolist()
    return tuple(min(max(c + d, 10), 250) for c, d in zip(color, change, strict=True))


def ink_on(color: Color) -> Color:
    """Black or white, whichever can be read on the color."""
    b, g, r = color
    return BLACK if b + 6 * g + 3 * r > 1300 else WHITE


def blank(width: float, height: float, color: Color) -> np.ndarray:
    image = np.empty((max(round(height), 2), max(round(width), 2), 3), np.uint8)
    image[:] = color
    return image


def write(
    image: np.ndarray, rng: Generator, x: float, y: float, w: float, h: float, ink: Color
) -> None:
    """Letters of no alphabet, ``h`` high, from (x, y) to the right until ``w`` is full."""
    if h < 4:
        ends = np.arange(x, x + w - 2, 5)
        for a in ends.tolist():
            cv2.line(image, (round(a), round(y)), (round(a) + 3, round(y)), ink)
        return
    step = 0.8 * h
    n = max(int(w / step), 1)
    strokes = _LETTERS.take(rng.integers(0, len(_LETTERS), n), axis=0)
    strokes = strokes * (0.29 * h, 0.5 * h)
    strokes[..., 0] += (x + step * np.arange(n))[:, None]
    strokes[..., 1] += y
    cv2.polylines(image, list(fixed(strokes)), False, ink, 2 if h > 11 else 1, cv2.LINE_AA, 4)


def print_package(rng: Generator, width: float, height: float, color: Color) -> np.ndarray:
    """The front of a package: fields of color, a logo, a name and small print."""
    image = blank(width, height, color)
    h, w = image.shape[:2]
    second = pick(rng, VIVID if rng.integers(3) else PASTEL)
    kind = rng.integers(6)
    at = int(h * (0.25 + 0.5 * rng.random()))
    if kind == 0:
        image[at:] = second
    elif kind == 1:
        image[: h // 4] = image[-h // 6 :] = second
    elif kind == 2:
        corners = [(0, h), (0, at), (w, at - h // 4), (w, h)]
        cv2.fillConvexPoly(image, np.array(corners, np.int32), second, cv2.LINE_AA)
    elif kind == 3:
        cv2.circle(image, (w // 2, at), max(w // 2 - 2, 2), second, -1, cv2.LINE_AA)
    elif kind == 4:
        image[:, w // 3 : w // 3 + max(w // 5, 1)] = second
    if min(h, w) < 10:
        write(image, rng, w * 0.1, h * 0.25, w * 0.5, h * 0.5, ink_on(color))
        return image
    third = pick(rng, VIVID)
    logo_y = int(h * (0.5 + 0.35 * rng.random()))
    size = int(min(w * 0.3, h * 0.22))
    if rng.integers(2):
        axes = (size, max(size * 2 // 3, 1))
        cv2.ellipse(image, (w // 2, logo_y), axes, 0, 0, 360, third, -1, cv2.LINE_AA)
        cv2.ellipse(image, (w // 2, logo_y), axes, 0, 0, 360, ink_on(third), 1, cv2.LINE_AA)
    else:
        angle = rng.integers(0, 360)
        points = cv2.ellipse2Poly((w // 2, logo_y), (size, size), int(angle), 0, 360, 72)
        cv2.fillConvexPoly(image, np.asarray(points), third, cv2.LINE_AA)
    name_h = min(h * (0.13 + 0.1 * rng.random()), w * 0.26)
    name_y = h * (0.08 + 0.15 * rng.random())
    plate = rng.integers(3) == 0
    if plate:
        cv2.rectangle(image, (0, int(name_y) - 2), (w, int(name_y + name_h) + 2), third, -1)
    under = third if plate else tuple(image[int(name_y + name_h / 2), w // 2].tolist())
    write(image, rng, w * 0.14, name_y, w * 0.78, name_h, ink_on(under))
    for y in range(int(h * 0.9), h - 2, 3):
        write(image, rng, w * 0.12, y, w * 0.6, 2, mix(ink_on(color), color, 40))
    return image


def decorate(rng: Generator, width: float, height: float, color: Color) -> np.ndarray:
    """The wall of a dish or a cup: plain, striped, dotted or with a picture."""
    image = blank(width, height, color)
    h, w = image.shape[:2]
    second = pick(rng, VIVID)
    kind = rng.integers(5)
    at = h * (35 + int(rng.integers(30))) // 100
    if kind == 1:
        image[at : at + max(h // 8, 2)] = second
    elif kind == 2:
        image[at:] = second
    elif kind == 3:
        step = max(w // 6, 4)
        for x in range(step // 2, w, step):
            cv2.circle(image, (x, at), max(step // 4, 1), second, -1, cv2.LINE_AA)
    elif kind == 4:
        for x in range(0, w, max(w // 8, 3)):
            image[:, x : x + max(w // 16, 1)] = shade(second, 90)
    return image
