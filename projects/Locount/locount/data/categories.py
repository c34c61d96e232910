"""The 140 categories of the Locount dataset, in its authors' order and spelling."""

from __future__ import annotations

import csv
from importlib import resources
from typing import NamedTuple


class Category(NamedTuple):
    id: int
    name: str
    group: str


def _read_categories() -> tuple[Category, ...]:
    text = resources.files(__package__).joinpath("categories.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(Category(int(row["id"]), row["name"], row["group"]) for row in rows)


LOCOUNT_CATEGORIES = _read_categories()
LOCOUNT_CLASSES = tuple(category.name for category in LOCOUNT_CATEGORIES)
# The group of each class: one of nine names, at the class's position.
LOCOUNT_GROUPS = tuple(category.group for category in LOCOUNT_CATEGORIES)
