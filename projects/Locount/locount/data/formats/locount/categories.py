"""The 140 categories of Locount, and the list of a folder's own."""

from __future__ import annotations

import csv
from importlib import resources
from typing import NamedTuple

from ....errors import Problem
from ....texts import TextError, read_lines

CATEGORIES_FILE = "categories.txt"


class Category(NamedTuple):
    id: int
    name: str
    group: str


def _read_categories() -> tuple[Category, ...]:
    text = resources.files(__package__).joinpath("categories.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(Category(int(row["id"]), row["name"], row["group"]) for row in rows)


# In the order and spelling of the authors.
LOCOUNT_CATEGORIES = _read_categories()
LOCOUNT_CLASSES = tuple(category.name for category in LOCOUNT_CATEGORIES)
# The group of each class: one of nine names, at the class's position.
LOCOUNT_GROUPS = tuple(category.group for category in LOCOUNT_CATEGORIES)


def is_category_name(name: str) -> bool:
    """Whether a stripped text can be a category: not empty, no comma, nothing invisible."""
    return bool(name) and name.isprintable() and "," not in name


def read_category_list(path: str) -> tuple[tuple[str, ...], list[Problem]]:
    """The names in a file of one name a line, by id, and what is wrong with the file.

    Empty lines are ignored.
    """
    try:
        lines = [line.strip() for line in read_lines(path)]
    except TextError as error:
        return (), [Problem(path, None, error.reason)]
    first: dict[str, int] = {}
    problems = []
    for number, name in enumerate(lines, 1):
        if not name:
            continue
        if name in first:
            text = f"{name!r} is in line {first[name]} already: remove or rename one of them"
            problems.append(Problem(path, number, text))
        elif not is_category_name(name):
            text = f"{name!r} contains a comma or an invisible character: rename it"
            problems.append(Problem(path, number, text))
        else:
            first[name] = number
    if not first:
        problems.append(Problem(path, None, "names no category: write one name a line"))
    return tuple(first), problems
