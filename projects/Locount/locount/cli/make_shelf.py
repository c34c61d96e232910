"""Render pictures of shelves with their counts."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "out", type=Path, metavar="OUT", help="new or empty folder, or one that this command made"
    )
    parser.add_argument(
        "--images", type=int, default=500, metavar="N", help="how many; default: 500"
    )
    parser.add_argument(
        "--size", default="640x360", metavar="WxH", help="in pixels; default: 640x360"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="another seed gives other shelves; default: 1"
    )
    parser.add_argument(
        "--style", default="plain", help="plain (default), varied or shop; see docs/shelves.md"
    )
    parser.add_argument(
        "--rule",
        default="item",
        help="what one box is: item (default), row or touching; see docs/shelves.md",
    )
    parser.add_argument(
        "--extent",
        type=int,
        default=1,
        metavar="N",
        help="show N times as much of the shelves in width and height, with smaller goods",
    )
    parser.add_argument("--split", default="train", help="name of the split; default: train")


def run(args: argparse.Namespace) -> int:
    # Here and not above: `--help` should not wait for torch.
    from ..shelf.write import Series, make_shelf, parse_size

    series = Series(
        args.images, args.seed, *parse_size(args.size), args.style, args.rule, args.extent
    )
    new = make_shelf(args.out, args.split, series)
    images = "1 image" if series.images == 1 else f"{series.images} images"
    state = "written" if new else "there already"
    print(f"{args.out}: split {args.split} of {images} {state}")
    print(f"Use it as \"('locount:{args.out}:{args.split}',)\" in DATASETS.TRAIN or DATASETS.TEST")
    return 0
