"""Which categories a folder in Locount layout has, and the check of names against them."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence

import numpy as np

from ..texts import TextError, read_lines
from .categories import LOCOUNT_CLASSES
from .errors import Problem
from .locount_txt import AnnotationTable, is_category_name

CATEGORIES_FILE = "categories.txt"

Annotations = tuple[Sequence[str], AnnotationTable]  # the files and their table


def read_category_list(path: str) -> tuple[tuple[str, ...], list[Problem]]:
    """The names in a file of one name a line, by id, and what is wrong with the file.

    Empty lines say nothing.
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
            text = f"{name!r} stands in line {first[name]} already: remove or rename one of them"
            problems.append(Problem(path, number, text))
        elif not is_category_name(name):
            text = f"{name!r} holds a comma or an invisible character: rename it"
            problems.append(Problem(path, number, text))
        else:
            first[name] = number
    if not first:
        problems.append(Problem(path, None, "names no category: write one name a line"))
    return tuple(first), problems


def derive_category_list(
    root: str, annotations: Sequence[Annotations]
) -> tuple[tuple[str, ...], list[Problem]]:
    """The categories of a folder without ``categories.txt``, from the annotations of all splits.

    Locount's 140 if the names in use are among them; the names in use, sorted, if none of them is.
    A mixture may be Locount with a misspelling or an own list, and the ids depend on which: each
    foreign name is a problem.
    """
    used = sorted({str(name) for _, table in annotations for name in table.names})
    path = os.path.join(root, CATEGORIES_FILE)
    if not used:
        text = "is needed, because no annotation names a category: write one name a line"
        return (), [Problem(path, None, text)]
    if not set(used) & set(LOCOUNT_CLASSES):
        return tuple(used), []
    cure = f"correct it, or write {path} (one name a line) if the categories are your own"
    problems = [
        p
        for files, table in annotations
        for p in name_problems(files, table, LOCOUNT_CLASSES, cure)
    ]
    return LOCOUNT_CLASSES, problems


def name_problems(
    files: Sequence[str], table: AnnotationTable, classes: Sequence[str], cure: str
) -> list[Problem]:
    """A problem for every annotation of an unknown category; it asks for the nearest name."""
    known = set(classes)
    texts = {}
    for i, name in enumerate(table.names.tolist()):
        if name not in known:
            near = difflib.get_close_matches(name, classes, n=1)
            hint = f" (is it {near[0]!r}?)" if near else ""
            texts[i] = f"unknown category {name!r}{hint}: {cure}"
    rows = np.flatnonzero(np.isin(table.name_id, list(texts)))
    return [
        Problem(files[table.file_id[row]], int(table.line[row]), texts[int(table.name_id[row])])
        for row in rows
    ]
