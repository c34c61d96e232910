"""Show what is where on shelves: rows, facings, shares of the length, gaps."""

from __future__ import annotations

import argparse
import functools

from .shelf_photos import (
    PAGE,
    add_input_arguments,
    add_output_arguments,
    clear_pictures,
    open_shots,
    write_files,
    write_picture,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_input_arguments(parser)
    add_output_arguments(parser, "output/rows")


def run(args: argparse.Namespace) -> int:
    """0 if all inputs were used, 1 if some were."""
    from tabulate import tabulate

    from ..files import to_csv, to_json
    from ..report.shelf_page import ShelfCard, said, shelf_page
    from ..stock.pictures import draw_rows
    from ..stock.shelf_photo import BOX_COLUMNS, GAP_COLUMNS, ROW_COLUMNS, SHARE_COLUMNS

    columns = {
        "boxes": BOX_COLUMNS,
        "rows": ROW_COLUMNS,
        "shares": SHARE_COLUMNS,
        "gaps": GAP_COLUMNS,
    }
    tables: dict[str, list[dict]] = {name: [] for name in columns}
    photos, cards = [], []
    shots = open_shots(args, args.inputs, not args.no_pictures)
    clear_pictures(args)
    for number, shot in enumerate(shots.each, 1):
        photo = shot.photo
        photos.append(photo.facts())
        own = (photo.boxes_table(), photo.rows_table(), photo.shares_table(), photo.gaps_table())
        for table, rows in zip(tables.values(), own, strict=True):
            table += rows
        draw = functools.partial(draw_rows, photo)
        picture = write_picture(args, number, shot, draw, shots.failures)
        cards.append(ShelfCard.of(photo, picture))
    files = {f"{name}.csv": to_csv(rows, columns[name]) for name, rows in tables.items()}
    files["rows.json"] = to_json({"photos": photos, **tables})
    files[PAGE] = shelf_page("What is on the shelves", cards)
    write_files(args.output, files)
    print(tabulate([said(facts) for facts in photos], "keys", tablefmt="github"))
    print(f"results: {args.output}")
    return shots.status()
