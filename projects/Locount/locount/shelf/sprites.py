"""Cut-out pictures of items, and pasting them.

Bodies of revolution and boxes are all the shapes there are. They are seen from above by ``tilt``,
the share of its width by which a circle looks high, and from the side by ``yaw``, the sideways
shift of what lies one unit further back.

Everything is integers or single IEEE operations on float32, so that all machines agree.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike

Color = tuple[int, int, int]
Point = tuple[float, float] | np.ndarray


class Sprite(NamedTuple):
    """An item, cut out.

    Attributes:
        paint: h x w x 3, uint8, BGR, multiplied by the coverage.
        keep: h x w x 3, uint8, 255 - coverage.
        anchor: column and row of the middle of the foot.
        outline: (P, 2) float, points of the outline from the anchor.
    """

    paint: np.ndarray
    keep: np.ndarray
    anchor: tuple[int, int]
    outline: np.ndarray


def make_sprite(
    color: np.ndarray, alpha: np.ndarray, anchor: tuple[int, int], outline: np.ndarray
) -> Sprite:
    cover = cv2.merge([alpha, alpha, alpha])
    paint = cv2.multiply(color, cover, scale=1 / 255)
    return Sprite(paint, cv2.bitwise_not(cover), anchor, outline)


def paste(canvas: np.ndarray, sprite: Sprite, x: int, y: int) -> None:
    """Draw a sprite with its anchor at (x, y); what lies outside the canvas is cut off."""
    height, width = canvas.shape[:2]
    h, w = sprite.paint.shape[:2]
    left, top = x - sprite.anchor[0], y - sprite.anchor[1]
    x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + w, width), min(top + h, height)
    if x1 >= x2 or y1 >= y2:
        return
    part = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
    area = canvas[y1:y2, x1:x2]
    behind = cv2.multiply(area, sprite.keep[part], scale=1 / 255)
    cv2.add(behind, sprite.paint[part], dst=behind)
    area[:] = behind


def lighten(image: np.ndarray, light: np.ndarray, full: int) -> np.ndarray:
    """The image in a light, h x w, uint8, that leaves it as it is where it is ``full``."""
    return cv2.multiply(image, cv2.merge([light, light, light]), scale=1 / full)


def dimmed(sprite: Sprite, percent: int) -> Sprite:
    """The same item with less light on it."""
    return sprite._replace(paint=cv2.convertScaleAbs(sprite.paint, alpha=percent / 100))


def fixed(points: ArrayLike) -> np.ndarray:
    """Points for OpenCV's drawing functions with ``shift=4``: 1/16 pixels."""
    return np.rint(np.asarray(points, float) * 16).astype(np.int32)


def fill(image: np.ndarray, points: np.ndarray, color: Color | int) -> None:
    cv2.fillConvexPoly(image, fixed(points), color, cv2.LINE_AA, 4)


def ellipse(
    image: np.ndarray,
    center: Point,
    axes: Point,
    color: Color | int,
    thickness: int = -1,
    arc: tuple[int, int] = (0, 360),
) -> None:
    """An ellipse, filled, or a line along the arc (degrees, clockwise from the right)."""
    c, a = fixed(center).tolist(), fixed(axes).tolist()
    cv2.ellipse(image, c, a, 0, *arc, color, thickness, cv2.LINE_AA, 4)


def shade(color: Color, percent: int) -> Color:
    """Darker (below 100) or lighter."""
    red, green, blue = (min(c * percent // 100, 255) for c in color)
    return red, green, blue


def mix(a: Color, b: Color, percent: int) -> Color:
    """``percent`` of b in a."""
    red, green, blue = (
        (p * (100 - percent) + q * percent) // 100 for p, q in zip(a, b, strict=True)
    )
    return red, green, blue


class Top(NamedTuple):
    """What one sees from above.

    Attributes:
        deep: how dark it is inside, from 0 (a lid) to 1.
        edge_width: as a share of the radius.
    """

    edge: Color
    inside: Color
    deep: float = 0
    edge_width: float = 0.1


# From the left edge of a round body to its right edge, and what of its wall is to be seen there.
_ACROSS = np.arange(-32, 33) / 32
_UNROLLED = (_ACROSS * (0.75 + 0.25 * _ACROSS**2) + 1) / 2


def revolved(
    heights: np.ndarray,
    radii: np.ndarray,
    *,
    tilt: float,
    skin: np.ndarray,
    light: float,
    gloss: float,
    top: Top | None,
) -> Sprite:
    """A body of revolution.

    Args:
        heights: (P,) increasing from 0 at the top, in pixels.
        radii: (P,) radius at each height.
        tilt: see above.
        skin: picture of the half that one sees, unrolled.
        light: where on the body it is brightest, from -1 (left) to 1.
        gloss: strength of the highlight, from 0 to 1.
        top: None leaves the top open; only the front wall is drawn.
    """
    heights, radii = np.asarray(heights, np.float32), np.asarray(radii, np.float32)
    height, widest = float(heights[-1]), float(radii.max())
    half, above = int(widest) + 2, int(radii[0] * tilt) + 2
    rows = above + int(height + widest * tilt) + 3
    x = np.arange(-half, half + 1, dtype=np.float32)
    # Circles look like ellipses; all are bent like the widest. Heights in quarters of a pixel.
    bend = np.float32(tilt) * np.sqrt(np.maximum(np.float32(widest**2) - x * x, 0))
    quarter = (4 * (np.arange(rows, dtype=np.float32)[:, None] - bend) + 0.5).astype(np.int32)
    levels = np.arange(4 * rows + 1, dtype=np.float32) / 4 - above
    radius = np.interp(levels, heights, radii).astype(np.float32).take(quarter)
    ends = np.clip(np.minimum(levels, height - levels) + 0.5, 0, 1).astype(np.float32)
    alpha = np.clip(radius + 0.5 - np.abs(x), 0, 1) * ends.take(quarter)
    alpha = (alpha * 255 + np.float32(0.5)).astype(np.uint8)

    n, m = skin.shape[:2]
    skin_row = np.clip(levels * (n / height), 0, n - 1).astype(np.int32) * m
    skin_column = (_UNROLLED * (m - 1)).astype(np.int32)
    lit = 200 * (1.05 - 0.5 * (_ACROSS - light * 0.5) ** 2)
    spot = np.maximum(110 * gloss * (1 - ((_ACROSS - light) * 4) ** 2), 0)
    across = (np.clip(x / radius, -1, 1) * 32 + np.float32(32.5)).astype(np.int32)
    pixel = skin_row.take(quarter) + skin_column.take(across)
    color = skin.reshape(-1, 3).take(pixel, axis=0)
    color = lighten(color, np.clip(lit, 0, 255).astype(np.uint8).take(across), 200)
    glare = spot.astype(np.uint8).take(across)
    color = cv2.add(color, cv2.merge([glare, glare, glare]))

    def center(r: float) -> float:
        """Row of the middle of a circle, below the row of its height."""
        return tilt * math.sqrt(max(widest**2 - r * r, 0))

    r0, foot = float(radii[0]), float(radii[-1])
    if top is not None:
        _draw_top(color, alpha, (half, above + center(r0)), r0, tilt, top)
    anchor = half, round(above + height + center(foot))
    outline = np.concatenate(
        [
            [(x, center(r0)) for x in (-r0, r0)],
            [(0, center(r0) + tilt * r0 * (-1 if top else 1))],
            [
                (sign * r, h + center(r))
                for h, r in zip(heights.tolist(), radii.tolist(), strict=True)
                for sign in (-1, 1)
            ],
            [(0, height + tilt * widest)],
        ]
    )
    return make_sprite(color, alpha, anchor, outline + np.array([0, above - anchor[1]]))


def _draw_top(
    color: np.ndarray, alpha: np.ndarray, center: Point, radius: float, tilt: float, top: Top
) -> None:
    x, y = center
    axes = np.array([radius, max(radius * tilt, 0.6)])
    ellipse(alpha, center, axes, 255)
    ellipse(color, center, axes, top.edge)
    inner = axes * (1 - top.edge_width)
    ellipse(color, center, inner, shade(top.inside, round(96 - 46 * top.deep)))
    if top.deep > 0.6:  # the far wall, lighter than the depth before it
        ellipse(color, (x, y - inner[1] * 0.3), inner * (0.84, 0.62), shade(top.inside, 74))
        ellipse(color, (x, y - inner[1] * 0.45), inner * (0.7, 0.4), shade(top.inside, 88))
    elif top.deep:  # the bottom
        ellipse(color, (x, y + inner[1] * 0.1), inner * 0.68, shade(top.inside, 94))
        ellipse(color, (x, y + inner[1] * 0.1), inner * 0.68, shade(top.inside, 66), 1, (180, 360))
    ellipse(color, center, axes, shade(top.edge, 118), 1, (20, 160))


def crate(
    face: np.ndarray, depth: float, *, tilt: float, yaw: float, top: Color, side: Color
) -> Sprite:
    """A box, its front given as a picture."""
    h, w = face.shape[:2]
    rise, lean = depth * tilt, depth * yaw
    left, up = 1 + int(np.ceil(max(-lean, 0))), 1 + int(np.ceil(rise))
    color = np.empty((h + up + 1, w + int(np.ceil(abs(lean))) + 3, 3), np.uint8)
    color[:] = top
    alpha = np.zeros(color.shape[:2], np.uint8)
    x1, x2, y1, y2 = left, left + w - 1, up, up + h - 1
    back = np.array([lean, -rise])
    lid = np.array([(x1, y1), (x2, y1), (x2 + lean, y1 - rise), (x1 + lean, y1 - rise)])
    edge = x2 if lean > 0 else x1
    flank = np.array([(edge, y1), (edge, y2), (edge + lean, y2 - rise), (edge + lean, y1 - rise)])
    for points, paint in ((lid, top), (flank, side)):
        fill(alpha, points, 255)
        fill(color, points, paint)
    cv2.line(color, (x1, y1), (x2, y1), shade(top, 120))
    color[up : up + h, left : left + w] = face
    alpha[up : up + h, left : left + w] = 255
    anchor = left + w // 2 + round(lean / 2), round(up + h - rise / 2)
    front = np.array([(x1, y1), (x2 + 1, y1), (x2 + 1, y2 + 1), (x1, y2 + 1)])
    return make_sprite(color, alpha, anchor, np.concatenate([front, front + back]) - anchor)
