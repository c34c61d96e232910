"""Options that several commands share."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from ..errors import InputError

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


def add_level_argument(parser: argparse.ArgumentParser) -> None:
    """The option of :func:`interval_level`."""
    parser.add_argument(
        "--level",
        type=float,
        metavar="P",
        help="numbers get intervals that cover the truth on this share of photos; takes weights "
        "that `locount calibrate` made (default: 0.9 with such weights)",
    )


def interval_level(args: argparse.Namespace, predictor: Predictor, score: float) -> float | None:
    """The level of the intervals; None, with a line that says why, where there are none.

    Args:
        score: from which on detections are shown.

    Raises:
        InputError: if a level was asked for that there can't be.
    """
    from ..calibration import DEFAULT_LEVEL

    calibration = predictor.calibration
    if calibration is None:
        if args.level is not None:
            raise InputError(
                f"--level is {args.level}, but the weights hold no calibration that fits: make it "
                "with `locount calibrate`"
            )
        return None
    level = DEFAULT_LEVEL if args.level is None else args.level
    shown = (score, predictor.cfg.PREDICT.MAX_OVERLAP)
    calibrated = (calibration.score, calibration.max_overlap)
    if shown == calibrated:
        calibration.total_interval(0, level)  # raises where there is no such level
        return level
    reason = "the weights are calibrated for score {:g} and MAX_OVERLAP {:g}".format(*calibrated)
    reason += ", and not for {:g} and {:g}".format(*shown)
    if args.level is not None:
        raise InputError(f"--level is {args.level}, but {reason}: leave out one of them")
    print(f"locount: no intervals, as {reason}", file=sys.stderr)
    return None


def open_predictor(args: argparse.Namespace, **options: Any) -> Predictor:
    """The predictor that the command line names; ``options`` are the constructor's."""
    from ..inference import Predictor

    return Predictor(args.config_file, args.weights, **options)
