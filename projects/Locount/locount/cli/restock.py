"""Make new photos from annotated ones: goods on their shelves give way to goods of other photos."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import at_least_1, writing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="DATASET", help="a name as in DATASETS.TRAIN")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to make, in Locount layout")
    parser.add_argument(
        "--photos", type=at_least_1, default=1000, metavar="N", help="how many; default: 1000"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="another seed gives other photos; default: 1"
    )
    parser.add_argument(
        "--joined",
        action="store_true",
        help="goods of one category side by side are one box, even if they don't look alike "
        "(default: goods never come beside goods of their category)",
    )


def run(args: argparse.Namespace) -> int:
    # Here and not above: `--help` should not wait for torch.
    from ..data.restocking import restock

    with writing(args.out, "another OUT"):
        dataset = restock(args.source, args.out, args.photos, args.seed, args.joined)
    ((split, (records, _)),) = dataset.splits.items()
    counts = [a["count"] for record in records for a in record["annotations"]]
    print(f"{split}: {len(records)} images, {len(counts)} boxes, {sum(counts)} items")
    print(f"Use it as locount:{args.out}:{split} in DATASETS.TRAIN, beside the photos themselves")
    return 0
