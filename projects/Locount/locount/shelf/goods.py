"""How the items of each category look."""

from __future__ import annotations

from collections.abc import Callable

from . import bags, cuboids, cylinders, vessels
from .brush import Brush
from .categories import GOODS
from .sprites import Sprite

_DRAW: dict[str, Callable[[Brush], Sprite]] = {
    "Bowl": vessels.bowl,
    "Plate": vessels.plate,
    "Tray": cuboids.tray,
    "Mug": vessels.mug,
    "Paper cup": vessels.paper_cup,
    "Basin": vessels.basin,
    "Bucket": vessels.bucket,
    "Storage box": cuboids.storage_box,
    "Can": cylinders.can,
    "Bottle": cylinders.bottle,
    "Carton": cuboids.carton,
    "Tin": cylinders.tin,
    "Jar": cylinders.jar,
    "Food box": cuboids.food_box,
    "Book": cuboids.book,
    "Tissue pack": cuboids.tissue_pack,
    "Paper roll": cylinders.paper_roll,
    "Pack": cuboids.pack,
    "Bag": bags.bag,
    "Bar": cuboids.food_box,
    "Flask": cylinders.flask,
    "Case": cuboids.case,
}


def draw_item(brush: Brush) -> Sprite:
    return _DRAW[GOODS[brush.item.category].name](brush)
