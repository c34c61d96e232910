"""Printing of the varied style: made-up photographs, letters of the alphabet, folds of foil."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.random import Generator

from .labels import BLACK, METAL, PASTEL, VIVID, WHITE, WOOD, ink_on, pick
from .sprites import Color, lighten, mix, shade

_SIDE = 96
_NUM_PHOTOGRAPHS = 64
_FONTS = (0, 2, 3, 4, 6, 7)  # OpenCV's Hershey fonts
_VOWELS, _CONSONANTS = "aeiou", "bcdfglmnprstvz"


def clouds(rng: Generator, width: int, height: int, cells: int, depth: int) -> np.ndarray:
    """Smooth noise, height x width, uint8, between 200 - depth and 200 + depth / 4."""
    coarse = rng.integers(200 - depth, 200 + depth // 4 + 1, (cells, cells), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def folds(rng: Generator, width: int, height: int) -> np.ndarray:
    """Brightness of crumpled foil, height x width, uint8; 200 leaves a picture as it is."""
    coarse = rng.integers(120, 255, (int(rng.integers(4, 9)), int(rng.integers(3, 7))), np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def _gradient(rng: Generator, width: int, height: int, a: Color, b: Color) -> np.ndarray:
    corners = np.array([[a, mix(a, b, 30)], [mix(a, b, 70), b]], np.uint8)
    corners = np.rot90(corners, int(rng.integers(4)))
    return cv2.resize(np.ascontiguousarray(corners), (width, height))


def _any_color(rng: Generator) -> Color:
    return pick(rng, (VIVID, VIVID, PASTEL, WOOD, METAL)[rng.integers(5)])


@functools.cache
def photographs() -> list[np.ndarray]:
    """Pictures of nothing in particular: heaps of round things, grain, rays, hills."""
    rng = np.random.Generator(np.random.PCG64(3))
    return [_photograph(rng, i % 4) for i in range(_NUM_PHOTOGRAPHS)]


def _photograph(rng: Generator, kind: int) -> np.ndarray:
    image = _gradient(rng, _SIDE, _SIDE, _any_color(rng), _any_color(rng))
    if kind == 0:  # a heap of berries, nuts, biscuits
        color = _any_color(rng)
        reach = int(rng.integers(6, 26))
        for _ in range(int(rng.integers(6, 50))):
            center = tuple(rng.integers(0, _SIDE, 2).tolist())
            axes = reach, max(int(reach * (0.5 + 0.5 * rng.random())), 2)
            angle = int(rng.integers(180))
            for share, percent in ((1, 50), (0.85, 90), (0.5, 120)):
                part = tuple(max(int(a * share), 1) for a in axes)
                cv2.ellipse(image, center, part, angle, 0, 360, shade(color, percent), -1, 16)
    elif kind == 1:  # grain
        for cells in (6, 14, 40):
            image = lighten(image, clouds(rng, _SIDE, _SIDE, cells, 110), 170)
    elif kind == 2:  # rays
        middle = rng.integers(_SIDE // 4, 3 * _SIDE // 4, 2)
        color = _any_color(rng)
        for angle in range(0, 360, int(rng.integers(20, 60))):
            ray = cv2.ellipse2Poly(tuple(middle.tolist()), (160, 160), 0, angle, angle + 10, 5)
            cv2.fillConvexPoly(image, np.concatenate([[middle], ray]).astype(np.int32), color, 16)
    else:  # hills, or a face, or a plate: a few large shapes
        for _ in range(int(rng.integers(2, 6))):
            center = tuple(rng.integers(0, _SIDE + 40, 2).tolist())
            axes = tuple(rng.integers(8, 60, 2).tolist())
            cv2.ellipse(image, center, axes, int(rng.integers(90)), 0, 360, _any_color(rng), -1, 16)
        image = lighten(image, clouds(rng, _SIDE, _SIDE, 9, 70), 190)
    return image


def letter(
    image: np.ndarray,
    rng: Generator,
    x: float,
    y: float,
    w: float,
    h: float,
    ink: Color,
    word: str = "",
) -> None:
    """A word, made up unless one is given, ``h`` pixels high below (x, y), not wider than ``w``."""
    if h < 3.5 or w < 6:
        return
    word = word or _made_up(rng)
    font = int(_FONTS[rng.integers(len(_FONTS))])
    (width, height), _ = cv2.getTextSize(word, font, 1, 1)
    size = min(h / height, w / width)
    thick = max(round(size * (1 + 2 * rng.random())), 1)
    place = round(x + (w - size * width) / 2), round(y + size * height)
    cv2.putText(image, word, place, font, size, ink, thick, cv2.LINE_AA)


def _made_up(rng: Generator) -> str:
    syllables = int(rng.integers(1, 4))
    word = "".join(
        _CONSONANTS[rng.integers(len(_CONSONANTS))] + _VOWELS[rng.integers(len(_VOWELS))]
        for _ in range(syllables)
    )
    return (word.upper(), word.capitalize(), word)[rng.integers(3)]


def _paste(image: np.ndarray, photo: np.ndarray, x: float, y: float, w: float, h: float) -> None:
    x1, y1 = max(int(x), 0), max(int(y), 0)
    x2, y2 = min(int(x + w), image.shape[1]), min(int(y + h), image.shape[0])
    if x2 - x1 > 1 and y2 - y1 > 1:
        image[y1:y2, x1:x2] = cv2.resize(photo, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)


def print_label(
    brand: int, rng: Generator, width: float, height: float, color: Color
) -> np.ndarray:
    """The front of a package.

    Args:
        brand: fixes the layout, the name and two colors.
        rng: decides on the rest, which products of a brand differ in.
    """
    of_brand = np.random.default_rng([brand, 99])
    base = _any_color(of_brand) if of_brand.integers(3) else color
    second, third = _any_color(of_brand), _any_color(rng)
    w, h = max(round(width), 2), max(round(height), 2)
    image = _gradient(of_brand, w, h, base, mix(base, second, int(of_brand.integers(0, 60))))
    if min(w, h) < 7:
        return image
    photo = photographs()[rng.integers(_NUM_PHOTOGRAPHS)]
    kind = of_brand.integers(5)
    y = h * (0.25 + 0.35 * of_brand.random())
    if kind == 0:  # all over
        _paste(image, photo, 0, 0, w, h)
    elif kind == 1:  # the lower part
        _paste(image, photo, 0, y, w, h - y)
    elif kind == 2:  # a window
        m = w * 0.25 * of_brand.random()
        _paste(image, photo, m, y, w - 2 * m, h * (0.25 + 0.2 * of_brand.random()))
    elif kind == 3:  # fields of color
        image[int(y) :] = second
        cv2.ellipse(image, (w // 2, int(y)), (w // 2, max(h // 8, 1)), 0, 0, 360, second, -1, 16)
    name_h = h * (0.1 + 0.16 * of_brand.random())
    name_y = h * (0.04 + 0.5 * of_brand.random() ** 2)
    band = of_brand.integers(3)
    if band == 0:
        top, bottom = int(max(name_y - name_h * 0.3, 0)), int(name_y + name_h * 1.3)
        image[top:bottom] = second
    elif band == 1:
        axes = int(w * 0.46), max(int(name_h), 1)
        cv2.ellipse(image, (w // 2, int(name_y + name_h / 2)), axes, 0, 0, 360, second, -1, 16)
    under = tuple(image[min(int(name_y + name_h / 2), h - 1), w // 2].tolist())
    letter(image, of_brand, w * 0.08, name_y, w * 0.84, name_h, ink_on(under))
    for _ in range(int(rng.integers(0, 4))):
        size = h * (0.03 + 0.06 * rng.random())
        x, y = w * 0.6 * rng.random(), h * (0.3 + 0.65 * rng.random())
        if rng.integers(3) == 0:
            cv2.circle(image, (int(x), int(y)), max(int(size * 1.6), 1), third, -1, 16)
        ink = (BLACK, WHITE, third)[rng.integers(3)]
        letter(image, rng, x, y, w * 0.5, size, ink)
    return image
