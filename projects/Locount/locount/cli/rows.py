"""Show what is where on shelves: rows, facings, shares of the length, gaps."""

from __future__ import annotations

import argparse
import functools

from .shelf_photos import (
    Shown,
    add_input_arguments,
    add_output_arguments,
    open_shots,
    write_shelves,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_input_arguments(parser)
    add_output_arguments(parser, "output/rows")


def run(args: argparse.Namespace) -> int:
    from ..stock import ShelfPhoto
    from ..stock.pictures import draw_rows
    from ..stock.shelf_photo import BOX_COLUMNS, GAP_COLUMNS, ROW_COLUMNS, SHARE_COLUMNS

    columns = {
        "rows": ROW_COLUMNS,
        "boxes": BOX_COLUMNS,
        "shares": SHARE_COLUMNS,
        "gaps": GAP_COLUMNS,
    }

    def show(photo: ShelfPhoto) -> Shown:
        tables = {
            "rows": photo.rows_table(),
            "boxes": photo.boxes_table(),
            "shares": photo.shares_table(),
            "gaps": photo.gaps_table(),
        }
        return Shown(tables, functools.partial(draw_rows, photo))

    shots = open_shots(args, args.inputs, not args.no_pictures)
    print(write_shelves(args, shots, "What is on the shelves", columns, show)[1])
    return 0
