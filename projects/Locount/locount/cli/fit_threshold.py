"""Find the score from which on detections count."""

from __future__ import annotations

import argparse
from pathlib import Path

from .options import add_max_overlap, add_output, share, writing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("gt", metavar="GT", type=Path, help="COCO json of a validation set")
    parser.add_argument(
        "dt", metavar="DT", type=Path, help="COCO results json, or an .npz of the same columns"
    )
    parser.add_argument(
        "--items", action="store_true", help="add up the counts of the boxes, not the boxes"
    )
    add_max_overlap(parser, ", as PREDICT.MAX_OVERLAP does (default: 1, none)", default=1.0)
    parser.add_argument(
        "--compare-with",
        metavar="SCORE",
        type=share,
        default=0.5,
        help="another score to compare with (default: 0.5)",
    )
    add_output(parser, "write the figures there, as JSON", metavar="FILE")


def run(args: argparse.Namespace) -> int:
    from ..evaluation.analysis.image_counts import ImageCounts
    from ..evaluation.parts import without_parts
    from ..evaluation.reading import read_detections, read_ground_truth
    from ..evaluation.tables import count_errors_table
    from ..files import to_json, write_bytes

    gt = read_ground_truth(args.gt)
    dt = without_parts(read_detections(args.dt, gt), args.max_overlap)
    counts = ImageCounts.of(gt, dt, items=args.items)
    threshold = counts.fitted_threshold(str(args.dt))
    fitted, other = counts.errors(threshold), counts.errors(args.compare_with)
    rows = {f"fitted: {threshold}": fitted, f"{args.compare_with}": other}
    print(count_errors_table(rows, "score"))
    print(f"\nPREDICT.SCORE {threshold}")
    if args.output:
        figures = {
            "of": "items" if args.items else "boxes",
            "images": len(counts.true),
            "fitted": {"score": threshold} | fitted,
            "compared": {"score": args.compare_with} | other,
        }
        with writing(args.output):
            write_bytes(args.output, to_json(figures))
    return 0
