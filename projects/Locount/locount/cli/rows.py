"""Show what is where on shelves: rows, facings, shares of the length, gaps."""

from __future__ import annotations

import argparse

from .shelf_photos import (
    add_input_arguments,
    add_output_arguments,
    open_shots,
    write_files,
    write_picture,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_input_arguments(parser)
    add_output_arguments(parser, "output/rows")


def run(args: argparse.Namespace) -> int:
    from tabulate import tabulate

    from ..files import to_csv, to_json
    from ..report.shelf_page import ShelfCard, shelf_page
    from ..stock.pictures import draw_rows
    from ..stock.shelf_photo import BOX_COLUMNS, GAP_COLUMNS, SHARE_COLUMNS

    columns = {"boxes": BOX_COLUMNS, "shares": SHARE_COLUMNS, "gaps": GAP_COLUMNS}
    tables: dict[str, list[dict]] = {name: [] for name in columns}
    cards = []
    for number, shot in enumerate(open_shots(args, args.inputs, not args.no_pictures).each, 1):
        photo, picture = shot.photo, None
        own = dict(
            zip(
                columns,
                (photo.boxes_table(), photo.shares_table(), photo.gaps_table()),
                strict=True,
            )
        )
        for name, rows in own.items():
            tables[name] += rows
        facts = {
            "photo": photo.name,
            "rows": len(photo.rows),
            "boxes": len(photo.boxes),
            "items": int(photo.counts.sum()),
            "facings": int(photo.facings.sum()),
            "gaps": len(photo.gaps),
            "note": photo.rows.note,
        }
        if not args.no_pictures:
            picture = write_picture(args.output, number, shot, draw_rows(photo, shot.pixels()))
        shown = {"Shares of the length": own["shares"], "Gaps": own["gaps"]}
        cards.append(ShelfCard(facts, picture, shown))
    files = {f"{name}.csv": to_csv(rows, columns[name]) for name, rows in tables.items()}
    photos = [card.facts for card in cards]
    files["rows.json"] = to_json({"photos": photos, **tables})
    files["shelf.html"] = shelf_page("What is on the shelves", cards)
    write_files(args.output, files)
    print(tabulate(photos, "keys", tablefmt="github"))
    print(f"results: {args.output}")
    return 0
