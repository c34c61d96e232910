"""Write a model as a file that runs without this package."""

from __future__ import annotations

import argparse

from ..errors import require
from .options import add_model, add_output, open_predictor, remark, writing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format", required=True, choices=("onnx", "torchscript"), help="what to write"
    )
    add_model(parser)
    parser.add_argument(
        "--image",
        nargs="+",
        default=[],
        metavar="PHOTO",
        help="compare the file with the model on these (default: on a rendered shelf)",
    )
    add_output(parser, "where to write it", metavar="FILE", required=True)


def run(args: argparse.Namespace) -> int:
    """0, or 1 if the file does not give the detections of the model."""
    if args.format == "onnx":
        require("export", "onnx", "onnxruntime")  # before the work
    from tabulate import tabulate

    from ..data import read_image
    from ..export.exporter import compare, export
    from ..export.formats import open_exported
    from ..shelf.render import render

    images = {path: read_image(path, "BGR") for path in args.image}
    images = images or {"rendered shelf": render(seed=1, index=0).image}
    predictor = open_predictor(args, device="cpu")
    with writing(args.output):
        args.output.parent.mkdir(parents=True, exist_ok=True)  # before the work
        export(predictor, args.output, args.format, next(iter(images.values())))
    exported = open_exported(args.output, args.format)
    rows = {name: compare(predictor, exported, image) for name, image in images.items()}
    headers = ("photo", "boxes", "exported", "box (pixels)", "score", "other counts")
    print(tabulate([(n, *row) for n, row in rows.items()], headers, tablefmt="github"))
    print(f"{args.output}: {args.output.stat().st_size / 1e6:.1f} MB")
    differing = [name for name, row in rows.items() if not row.negligible]
    if differing:
        remark(f"locount export: the file differs from the model on {', '.join(differing)}")
    elif not any(row.detections for row in rows.values()):
        remark(
            "locount export: the model found nothing, so nothing was compared; give photos of its "
            "goods with --image"
        )
    return 1 if differing else 0
