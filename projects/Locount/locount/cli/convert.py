"""Write a dataset in another annotation format."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import writing

FORMATS = ("coco", "cvat", "label-studio", "locount", "sku110k", "voc", "yolo")
LOSSES = ("counts", "crowds", "empty-images", "fractions", "category-list", "scores")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="IN",
        help="folder of the dataset, one annotation file, or a name as in DATASETS.TRAIN",
    )
    parser.add_argument("target", metavar="OUT", type=Path, help="folder to make")
    parser.add_argument(
        "--from",
        dest="from_",
        choices=FORMATS,
        help="format of IN, if its files don't show it",
    )
    parser.add_argument("--to", choices=FORMATS, required=True, help="format of OUT")
    parser.add_argument(
        "--split",
        help="split to convert (default: all), or the split that a single file is",
    )
    parser.add_argument(
        "--image-root",
        metavar="DIR",
        type=Path,
        help="folder that the image names in a single file start from",
    )
    parser.add_argument(
        "--images",
        choices=("copy", "link", "none"),
        default="copy",
        help="copy the images into OUT (default), link to them, or leave them out",
    )
    parser.add_argument(
        "--categories",
        metavar="FILE",
        type=Path,
        help="all categories in order, one a line (default: as IN has them)",
    )
    parser.add_argument(
        "--lossy",
        nargs="+",
        choices=LOSSES,
        default=(),
        help="what may be lost if the format of OUT can't hold it (default: nothing)",
    )
    parser.add_argument(
        "--skip-invalid",
        action="store_true",
        help="leave out invalid boxes and images, and say which (default: an error)",
    )
    parser.add_argument(
        "--mend",
        action="store_true",
        help="swap reversed corners, cut boxes to their images, and list that in changes.csv",
    )
    parser.add_argument(
        "--count-attribute",
        metavar="NAME",
        default="count",
        help="what the count is called in IN, in formats with attributes; '' for none "
        "(default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    from ..data.formats import convert

    with writing(args.target, "another OUT"):
        dataset, losses = convert(**vars(args))
    for loss in losses:
        print(f"lost {loss}")
    for name, split in dataset.splits.items():
        annotations = [a for record in split.records for a in record["annotations"]]
        items = sum(annotation["count"] for annotation in annotations)
        print(f"{name}: {len(split.records)} images, {len(annotations)} boxes, {items} items")
    print(f"{args.target}: {len(dataset.classes)} categories")
    return 0
