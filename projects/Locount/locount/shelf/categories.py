"""The goods on the shelves: names, groups, sizes and how they are piled up.

Lengths are in units of 1/360 of the picture's height, so they are pixels in the default size.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_COUNT = 40
# What a further item of a group must show of itself, in the finished picture.
MIN_PITCH = 4.0
# The same on the plane that is drawn, before the camera makes parts of it smaller.
DRAWN_PITCH = 4.7

Range = tuple[float, float]


class Goods(NamedTuple):
    """A category.

    Attributes:
        width: of one item.
        aspect: height / width.
        depth: depth / width.
        piles: the greatest count by the kind of group: ``nest`` (one in the other), ``stack`` (one
            on the other), ``block`` (stacks that touch), ``queue`` (one behind the other), ``row``
            (standing books).
        pitch: how far the items of a nest are apart; of others it follows from their size.
        box: it is a box; else it is round.
    """

    name: str
    group: str
    width: Range
    aspect: Range
    depth: float
    piles: dict[str, int]
    pitch: Range = (0, 0)
    box: bool = False


CATALOG = (
    Goods("Bowl", "Tableware", (36, 60), (0.38, 0.52), 1, {"nest": 24}, (5.2, 8)),
    Goods("Plate", "Tableware", (50, 86), (0.1, 0.15), 1, {"nest": 40}, (DRAWN_PITCH, 6)),
    Goods(
        "Tray", "Tableware", (76, 116), (0.07, 0.1), 0.7, {"nest": 34}, (DRAWN_PITCH, 6.5), box=True
    ),
    Goods("Mug", "Tableware", (24, 34), (0.9, 1.15), 1, {"stack": 4, "queue": 5, "block": 12}),
    Goods("Paper cup", "Tableware", (20, 28), (1.15, 1.5), 1, {"nest": 40}, (DRAWN_PITCH, 6.5)),
    Goods("Basin", "Storage", (80, 126), (0.28, 0.4), 1, {"nest": 22}, (5.5, 8.5)),
    Goods("Bucket", "Storage", (48, 70), (0.85, 1.05), 1, {"nest": 16}, (6.5, 11)),
    Goods(
        "Storage box", "Storage", (60, 100), (0.38, 0.62), 0.8, {"stack": 6, "block": 12}, box=True
    ),
    Goods("Can", "Drinks", (19, 27), (1.6, 1.95), 1, {"stack": 5, "block": 40, "queue": 6}),
    Goods("Bottle", "Drinks", (19, 30), (2.7, 3.5), 1, {"queue": 6}),
    Goods("Carton", "Drinks", (22, 34), (1.9, 2.5), 1, {"queue": 6}, box=True),
    Goods("Tin", "Food", (28, 40), (0.36, 0.52), 1, {"stack": 9, "block": 40, "queue": 5}),
    Goods("Jar", "Food", (24, 38), (1.1, 1.5), 1, {"stack": 4, "queue": 5, "block": 24}),
    Goods(
        "Food box",
        "Food",
        (34, 58),
        (1.2, 1.6),
        0.35,
        {"stack": 4, "block": 24, "queue": 6},
        box=True,
    ),
    Goods("Book", "Paper", (60, 92), (0.075, 0.13), 0.7, {"stack": 26, "row": 40}, box=True),
    Goods(
        "Tissue pack", "Paper", (40, 64), (0.28, 0.42), 0.55, {"stack": 10, "block": 36}, box=True
    ),
    Goods("Paper roll", "Paper", (28, 40), (0.85, 1.1), 1, {"stack": 5, "block": 32}),
)
# What the varied style has besides.
FURTHER = (
    Goods("Pack", "Household", (20, 32), (1.3, 1.8), 0.4, {"block": 40, "queue": 5}, box=True),
    Goods("Bag", "Food", (36, 62), (1.1, 1.65), 0.3, {"queue": 5}),
    Goods("Bar", "Food", (40, 78), (0.2, 0.4), 0.4, {"stack": 14, "block": 40}, box=True),
    Goods("Flask", "Household", (20, 36), (1.8, 2.9), 0.7, {"queue": 5}),
    Goods("Case", "Drinks", (70, 120), (0.4, 0.8), 0.5, {"stack": 10, "block": 40}, box=True),
)
GOODS = CATALOG + FURTHER
CLASSES = tuple(goods.name for goods in CATALOG)
GROUPS = tuple(goods.group for goods in CATALOG)
