"""Options that several commands share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..inference import Predictor


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of :func:`open_predictor`."""
    parser.add_argument(
        "--weights",
        metavar="FILE",
        help="model file, such as model_final.pth of a training run (default: the weights that "
        "come with locount)",
    )
    parser.add_argument(
        "--config-file",
        metavar="FILE",
        help="config.yaml of a training run (default: the config in the model file)",
    )


def add_tiles_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--tiles",
        metavar="auto|N|WxH",
        help="look at photos in overlapping tiles too: of the size of the model's input, N along "
        "each side, or of a size such as 1280x720 (docs/tiles.md)",
    )


def open_predictor(args: argparse.Namespace, **options: Any) -> Predictor:
    """The predictor that the command line names; ``options`` are the constructor's."""
    from ..inference import Predictor

    return Predictor(args.config_file, args.weights, **options)
