"""Find the anchors that suit a dataset, and what they gain."""

from __future__ import annotations

import argparse

from ..errors import InputError
from .options import add_config_file, add_opts, at_least_1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="such as sku110k:ROOT:train")
    add_config_file(
        parser,
        "the model that the anchors are for, with its training sizes and numbers of anchors",
        required=True,
    )
    add_opts(parser)
    parser.add_argument("--sizes", metavar="N", type=at_least_1, help="sizes of each level")
    parser.add_argument(
        "--ratios", metavar="N", type=at_least_1, help="aspect ratios of each level"
    )
    parser.add_argument(
        "--seed",
        metavar="N",
        type=int,
        default=0,
        help="seed of the fit's random start (default: 0)",
    )


def run(args: argparse.Namespace) -> int:
    from detectron2.data import DatasetCatalog

    from ..config import load_config
    from ..data import register_datasets
    from ..data.anchor_fitting import Anchors, fit_anchors, recall, training_shapes
    from ..evaluation.tables import table

    cfg = load_config(args.config_file, args.opts)
    present = Anchors.from_config(cfg)
    num_sizes = args.sizes or present.sizes.shape[1]
    num_ratios = args.ratios or present.ratios.shape[1]
    register_datasets([args.dataset])
    if args.dataset not in DatasetCatalog:
        raise InputError(f"{args.dataset!r} is not a dataset: write for example locount:ROOT:SPLIT")
    shapes = training_shapes(DatasetCatalog.get(args.dataset), cfg)
    if not len(shapes):
        raise InputError(f"{args.dataset!r} has no boxes to fit anchors to")

    fitted = fit_anchors(shapes, len(present.sizes), num_sizes, num_ratios, seed=args.seed)
    fitted = fitted.rounded()
    found = {name: recall(shapes, a) for name, a in (("config", present), ("fitted", fitted))}
    rows = [[name, *(f"{v:.1f}" for v in figures.values())] for name, figures in found.items()]
    print(table(rows, ["anchors", *found["config"]]))
    print(
        f"\nMODEL:\n  ANCHOR_GENERATOR:\n    SIZES: {fitted.sizes.tolist()}\n"
        f"    ASPECT_RATIOS: {fitted.ratios.tolist()}"
    )
    return 0
