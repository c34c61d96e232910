"""The page about shelves: each photo with what is on it, or what is not as planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import jinja2

from ..stock import ShelfPhoto

# Photos on one page; the tables in the files have all.
MAX_PHOTOS = 200

Row = Mapping[str, Any]


class ShelfCard(NamedTuple):
    """What a page shows of one photo.

    Attributes:
        name: of the photo.
        note: why its rows mean little; "" if they can be trusted.
        picture: of the annotated photo, its path from the page or a data URI; None for none.
        level: of the intervals; None without.
        facts: what is said of it in a line, by name.
        tables: rows by title, as :func:`said`.
    """

    name: str
    note: str
    picture: str | None
    level: float | None
    facts: Row
    tables: Mapping[str, Sequence[Row]]

    @classmethod
    def of(
        cls,
        photo: ShelfPhoto,
        picture: str | None = None,
        facts: Row | None = None,
        tables: Mapping[str, Sequence[Row]] | None = None,
    ) -> Self:
        """
        Args:
            facts, tables: what to say before that of the photo itself.
        """
        own = photo.facts()
        name, note, level = (own.pop(key) for key in ("photo", "note", "level"))
        shown = {
            **(tables or {}),
            "Rows": photo.rows_table(),
            "Shares of the length": photo.shares_table(),
            "Gaps, and for how many items there is room": photo.gaps_table(),
        }
        return cls(
            *(name, note, picture, level, said({**(facts or {}), **own})),
            {title: [*map(said, map(_without_photo, rows))] for title, rows in shown.items()},
        )


def said(row: Row) -> dict[str, Any]:
    """A row of a table as people read it: "46 (41–52)", shares in percent, no corners of boxes."""
    texts = {}
    for name, value in row.items():
        if name in ("x1", "y1", "x2", "y2", "level") or name.endswith(("_low", "_high")):
            continue
        if (low := row.get(f"{name}_low")) is not None:
            value = f"{value} ({low}–{row[f'{name}_high']})"
        elif "share" in name:
            value = f"{100 * value:.1f} %"
        texts[name.replace("_", " ").capitalize()] = "" if value is None else value
    return texts


def _without_photo(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "photo"}


def environment() -> jinja2.Environment:
    """Of the templates of all pages."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def shelf_page(title: str, cards: Sequence[ShelfCard]) -> bytes:
    """A page in HTML that shows the pictures beside it."""
    template = environment().get_template("shelf_page.html.jinja")
    return template.render(title=title, cards=cards[:MAX_PHOTOS], num_photos=len(cards)).encode()


def shelf_part(card: ShelfCard) -> str:
    """The part of a page in HTML that is about one photo, without its name."""
    macros: Any = environment().get_template("shelf.html.jinja").module
    return str(macros.shelf(card))  # not Markup
