"""What is on a shelf, in which order and how many: numbers only, nothing is drawn here.

Lengths are pixels of the plane that is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from .categories import DRAWN_PITCH, GOODS, MAX_COUNT

# A group of n items is n ** -1.15 times as frequent as one of one.
_DEEPEST = 170  # queue, in units
_SIZES = np.arange(2, MAX_COUNT + 1)
_SIZE_ODDS = np.cumsum([round(1e6 / n**1.15) for n in _SIZES.tolist()])


class View(NamedTuple):
    """How a shelf is seen.

    Attributes:
        tilt: share of its width by which a circle on the shelf looks high.
        yaw: sideways shift of what lies one pixel further back.
        scale: pixels per unit of the catalog.
        pixel: what must be seen of items is not less than its length times this.
    """

    tilt: float
    yaw: float
    scale: float
    pixel: float = 0

    @property
    def pitch(self) -> float:
        """The least distance between the items of a group, in pixels."""
        return DRAWN_PITCH * max(self.scale, self.pixel)


class Item(NamedTuple):
    """One product.

    Attributes:
        category: position in the catalog.
        pitch: what a nested item shows of itself.
        upside_down: the foot is at the top.
        variants: number of colorings that the items of a pile take turns in.
        seed: of its looks.
    """

    category: int
    width: float
    height: float
    depth: float
    pitch: float
    upside_down: bool
    variants: int
    seed: int


class Pile(NamedTuple):
    """What gets one box: a single item, or a group.

    Attributes:
        form: ``single`` or a key of ``Goods.piles``.
        feet: (count, 2) where the items' feet are from the pile's, in the order of drawing.
        width, height: of the whole, as it is seen, without the depth of the lowest items.
    """

    item: Item
    form: str
    feet: np.ndarray
    width: float
    height: float

    @property
    def count(self) -> int:  # type: ignore[override]  # hides tuple's method
        return len(self.feet)


class Placed(NamedTuple):
    pile: Pile
    x: float


def uniform(rng: Generator, bounds: tuple[float, float]) -> float:
    return bounds[0] + (bounds[1] - bounds[0]) * rng.random()


def choose_item(rng: Generator, category: int, form: str, view: View, room: float) -> Item:
    """A product of a category, as large as goods are on a shelf of height ``room``."""
    goods = GOODS[category]
    fitting = min(max(room / (105 * view.scale), 1), 1.4)
    scale = view.scale * fitting * uniform(rng, (0.88, 1.12))
    width = uniform(rng, goods.width) * scale
    height = width * uniform(rng, goods.aspect)
    depth = width * goods.depth
    if form == "row":  # books stand: the spine is as wide as the lying book is high
        width, height = max(height, 1.3 * view.pitch), width * uniform(rng, (0.8, 1.0))
        depth = height * 0.7
    elif form in ("stack", "block"):
        height = max(height, 1.1 * view.pitch)
    pitch = max(uniform(rng, goods.pitch) * scale / fitting, view.pitch)
    upside_down = goods.name in ("Paper cup", "Bowl") and rng.integers(3) == 0
    variants = 1 if rng.integers(4) else 2
    if goods.name == "Book":
        variants = 6
    return Item(
        category, width, height, depth, pitch, upside_down, variants, int(rng.integers(2**32))
    )


def pile_up(item: Item, form: str, count: int, columns: int, view: View) -> Pile:
    """The group of ``count`` items in the given form; ``columns`` matters for blocks only."""
    n = np.arange(count)
    x: np.ndarray = np.zeros(count)
    y: np.ndarray = np.zeros(count)
    width, height = item.width, item.height
    boxes = GOODS[item.category].box
    if form == "nest":
        y = -n * item.pitch
        height += (count - 1) * item.pitch
        if not (item.upside_down or boxes):  # the lower one's wall hides the upper one's foot
            y = y[::-1]
    elif form == "stack":
        y = -n * item.height
        height *= count
    elif form == "block":
        column = n % columns if view.yaw >= 0 else columns - 1 - n % columns
        x = (column - (columns - 1) / 2) * item.width
        y = -(n // columns) * item.height
        width *= columns
        height *= -(-count // columns)
    elif form == "row":
        column = n if view.yaw >= 0 else count - 1 - n
        x = (column - (count - 1) / 2) * item.width
        width *= count
    elif form == "queue":
        step = queue_step(item, view)
        x, y = n[::-1] * step * view.yaw, -n[::-1] * step * view.tilt
        x -= (count - 1) / 2 * step * view.yaw
        width += (count - 1) * step * abs(view.yaw)
        height += (count - 1) * step * view.tilt
    if boxes:
        width += item.depth * abs(view.yaw)
    return Pile(item, form, np.stack([x, y], axis=1), width, height)


def queue_step(item: Item, view: View) -> float:
    """How far behind each other the items of a queue stand, so that each can be seen."""
    return max(item.depth * 1.06, (DRAWN_PITCH + 1.3) * max(view.scale, view.pixel) / view.tilt)


def choose_group(
    rng: Generator, assortment: Sequence[int], view: View, width: float, height: float
) -> Pile | None:
    """A group that fits into width x height; None if none was found soon."""
    for _ in range(8):
        count = 2 + int(np.searchsorted(_SIZE_ODDS, rng.integers(_SIZE_ODDS[-1]), side="right"))
        options = [
            (category, form)
            for category in assortment
            for form, most in GOODS[category].piles.items()
            if count <= most
        ]
        for _ in range(3 if options else 0):
            category, form = options[rng.integers(len(options))]
            item = choose_item(rng, category, form, view, height)
            pile = _fit(item, form, count, view, height)
            if (
                pile is not None
                and pile.width <= width
                and pile.height + item.depth * view.tilt <= height
            ):
                return pile
    return None


def _fit(item: Item, form: str, count: int, view: View, height: float) -> Pile | None:
    """The group, adapted to the height of the shelf; None if nobody could count it so."""
    free = height - item.depth * view.tilt
    columns = 1
    if form == "nest":
        # High piles are made to fit, as far as every item can still be seen.
        pitch = max(min(item.pitch, (free - item.height) / count), view.pitch)
        item = item._replace(pitch=pitch)
    elif form == "block":
        layers = int(free // item.height)
        if layers < 2 or count < 4:
            return None
        columns = max(-(-count // layers), 2)
    elif form == "queue":
        step = queue_step(item, view)
        if step * count > _DEEPEST * view.scale or step * abs(view.yaw) < 4 * view.scale:
            return None
    elif form == "row" and count < 3:
        return None
    return pile_up(item, form, count, columns, view)
