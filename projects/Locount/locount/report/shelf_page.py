"""The page about shelves: each photo with what is on it, or what is not as planned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jinja2

# Photos on one page; the tables in the files have all.
MAX_PHOTOS = 200


class ShelfCard(NamedTuple):
    """What the page shows of one photo.

    Attributes:
        facts: what is said of it in a line, by name, "photo" and "note" among them.
        picture: path of the annotated photo from the page; None for none.
        tables: rows by title.
    """

    facts: Mapping[str, Any]
    picture: str | None
    tables: Mapping[str, Sequence[Mapping[str, Any]]]


def shelf_page(title: str, cards: Sequence[ShelfCard]) -> bytes:
    """A page in HTML that shows the pictures beside it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("shelf_page.html.jinja")
    return template.render(title=title, cards=cards[:MAX_PHOTOS], num_photos=len(cards)).encode()
