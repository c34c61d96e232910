"""Show what stands where on shelves: rows, facings, shares of the length, gaps."""

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
    from ..stock.pictures import draw_rows
    from ..stock.shelf_photo import BOX_COLUMNS, GAP_COLUMNS, SHARE_COLUMNS

    tables: dict[str, list[dict]] = {"boxes": [], "shares": [], "gaps": []}
    summary = []
    for number, shot in enumerate(open_shots(args, args.inputs, not args.no_pictures).each, 1):
        photo = shot.photo
        tables["boxes"] += photo.boxes_table()
        tables["shares"] += photo.shares_table()
        tables["gaps"] += photo.gaps_table()
        facings, items = int(photo.facings.sum()), int(photo.counts.sum())
        numbers = len(photo.rows), len(photo.boxes), items, facings, len(photo.gaps)
        summary.append((photo.name, *numbers, photo.rows.note))
        if not args.no_pictures:
            write_picture(args.output, number, shot, draw_rows(photo, shot.pixels()))
    columns = {"boxes": BOX_COLUMNS, "shares": SHARE_COLUMNS, "gaps": GAP_COLUMNS}
    files = {f"{name}.csv": to_csv(rows, columns[name]) for name, rows in tables.items()}
    headers = ("photo", "rows", "boxes", "items", "facings", "gaps", "note")
    photos = [dict(zip(headers, row, strict=True)) for row in summary]
    write_files(args.output, {**files, "rows.json": to_json({"photos": photos, **tables})})
    print(tabulate(summary, headers, tablefmt="github"))
    print(f"results: {args.output}")
    return 0
