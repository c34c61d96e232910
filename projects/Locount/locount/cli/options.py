"""Options that several commands share, so that a word means one thing everywhere."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, listing

if TYPE_CHECKING:
    from ..inference import Predictor
    from ..inference.inputs import Failure

ENGINES = ("torch", "onnx", "openvino")  # of export/engines.py, which imports torch


def add_prediction(parser: argparse.ArgumentParser) -> None:
    """What says how the products on photos and videos are found."""
    add_model(parser)
    add_score(parser, "default: PREDICT.SCORE of the config")
    add_level(parser)
    parser.add_argument(
        "--every", type=at_least_1, default=1, metavar="N", help="take every Nth frame of a video"
    )
    add_device(parser)
    add_tiles(parser)


def add_model(parser: argparse.ArgumentParser) -> None:
    """Which one :func:`open_predictor` opens."""
    model = parser.add_argument_group(
        "model",
        "A model file, or the folder of a training. By default the weights that come with locount.",
    )
    model.add_argument(
        "-w",
        "--weights",
        metavar="FILE",
        help="model file, such as model_final.pth of a training, or `products` or `shelf`, which "
        "come with locount",
    )
    model.add_argument(
        "--run",
        metavar="DIR",
        type=Path,
        help="folder of a training (OUTPUT_DIR): its config and its newest checkpoint",
    )
    add_config_file(model, "a config in place of that of the model file or folder")
    add_opts(model)


def add_config_file(parser: argparse._ActionsContainer, text: str, **options: Any) -> None:
    parser.add_argument(
        "-c",
        "--config-file",
        metavar="CONFIG",
        help=f"{text}: a YAML file, or a name that `locount configs` lists",
        **options,
    )


def add_level(parser: argparse._ActionsContainer) -> None:
    """The option of :func:`interval_level`."""
    parser.add_argument(
        "--level",
        type=float,
        metavar="P",
        help="give intervals that cover the true number on this share of photos; needs weights "
        "from `locount calibrate` (default: 0.9 with such weights)",
    )


def least_score(args: argparse.Namespace, predictor: Predictor) -> float:
    """From which on detections count."""
    score = getattr(args, "score", None)
    return predictor.cfg.PREDICT.SCORE if score is None else score


def interval_level(args: argparse.Namespace, predictor: Predictor) -> float | None:
    """The level of the intervals; None, with a line that says why, where there are none.

    Raises:
        InputError: if a level was asked for that there can't be.
    """
    from ..calibration import DEFAULT_LEVEL

    calibration = predictor.calibration
    if calibration is None:
        if args.level is not None:
            raise InputError(
                f"--level is {args.level}, but the weights hold no calibration that fits: make one "
                "with `locount calibrate`"
            )
        return None
    level = DEFAULT_LEVEL if args.level is None else args.level
    shown = (least_score(args, predictor), predictor.cfg.PREDICT.MAX_OVERLAP)
    calibrated = (calibration.score, calibration.max_overlap)
    if shown == calibrated:
        calibration.check(level)
        return level
    reason = "the weights are calibrated for score {:g} and MAX_OVERLAP {:g}".format(*calibrated)
    reason += ", not for {:g} and {:g}".format(*shown)
    if args.level is not None:
        raise InputError(f"--level is {args.level}, but {reason}: leave out one of them")
    remark(f"locount: no intervals, as {reason}")
    return None


def add_tiles(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--tiles",
        metavar="none|auto|N|WxH",
        help="also look at photos in overlapping tiles: auto (only if their items are small), N "
        "along each side, or tiles of a size such as 1280x720 (docs/tiles.md; default: "
        "PREDICT.TILES of the config, which is auto for the weights that come with locount)",
    )


def add_opts(parser: argparse._ActionsContainer) -> None:
    parser.add_argument(
        "--opts",
        metavar="KEY VALUE",
        nargs="+",
        default=[],
        help="keys of the config and their values, in place of those of the config",
    )


def add_score(parser: argparse._ActionsContainer, text: str) -> None:
    parser.add_argument(
        "--score",
        metavar="SCORE",
        type=share,
        help=f"lowest score, from 0 to 1, of detections that count ({text})",
    )


def add_max_overlap(parser: argparse._ActionsContainer, text: str, **options: Any) -> None:
    parser.add_argument(
        "--max-overlap",
        metavar="SHARE",
        type=_overlap,
        help=f"leave out boxes that lie in a better one by more than this share{text}",
        **options,
    )


def _overlap(text: str) -> float:
    if (value := share(text)) == 0:
        raise argparse.ArgumentTypeError(f"{text} is not a share; it must be above 0 and at most 1")
    return value


def add_output(parser: argparse._ActionsContainer, text: str, **options: Any) -> None:
    """``metavar`` among the options says whether it is a FILE or a DIR."""
    parser.add_argument("-o", "--output", type=_path_or_address, help=text, **options)


def _path_or_address(text: str) -> Path | str:
    """An address such as s3://shop/parts, which a Path would change, or else a path."""
    return text if "://" in text else Path(text)


def check_output(args: argparse.Namespace) -> None:
    """Raises :class:`InputError` for an address where only paths are written to."""
    output = getattr(args, "output", None)
    if isinstance(output, str) and getattr(args, "cluster", None) is None:
        raise InputError(
            f"--output {output} is an address, which only `locount predict --cluster` writes to: "
            "name a path"
        )


def add_device(parser: argparse._ActionsContainer) -> None:
    """Where the model runs."""
    parser.add_argument(
        "--device", help="such as cpu or cuda:1 (default: a GPU if there is one, else the CPU)"
    )
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default=ENGINES[0],
        help="what runs the model; on a CPU, onnx and openvino find the same in less time, after "
        "some seconds to start (default: %(default)s)",
    )


def share(text: str) -> float:
    """A number from 0 to 1."""
    with contextlib.suppress(ValueError):
        if 0 <= (value := float(text)) <= 1:
            return value
    raise argparse.ArgumentTypeError(f"{text} is not a number from 0 to 1")


def at_least_1(text: str) -> int:
    """A whole number from 1 on."""
    with contextlib.suppress(ValueError):
        if (value := int(text)) >= 1:
            return value
    raise argparse.ArgumentTypeError(f"{text} is not a whole number of 1 or more")


def remark(text: str) -> None:
    """Say something besides the results, on standard error."""
    print(text, file=sys.stderr)


def listed_paths(inputs: Collection[str]) -> Iterator[str]:
    """The paths that come from standard input, if "-" is among the inputs."""
    from ..texts import listed_lines

    if "-" in inputs:
        yield from listed_lines(sys.stdin.buffer, "the list of paths")


def report_failures(failures: Sequence[Failure], num_used: int) -> int:
    """Say which inputs could not be used.

    Args:
        num_used: photos that could.

    Returns:
        The exit status: 0 if all could, 1 if some could, 2 if none could.
    """
    if not failures:
        return 0
    remark(f"locount: inputs that were not used, or only in part: {len(failures)}")
    remark(listing(failures))
    return 1 if num_used else 2


def open_predictor(args: argparse.Namespace, **options: Any) -> Predictor:
    """The predictor that the command line names.

    Args:
        options: of the constructor, in place of those of the command line.
    """
    from ..inference import Predictor
    from ..model_choice import choose, open_config

    named = choose(args.config_file, args.weights, args.run)
    return Predictor(open_config(*named, args.opts), **{**predictor_options(args), **options})


def predictor_options(args: argparse.Namespace) -> dict[str, Any]:
    """What the command line says of how a :class:`Predictor` works."""
    names = ("device", "engine", "batch_size", "amp", "as_stored", "tiles")
    return {key: value for key, value in vars(args).items() if key in names and value is not None}


@contextlib.contextmanager
def writing(path: Path | None, name: str = "--output") -> Iterator[None]:
    """Say what can't be written, and what to do; ``name`` is that of the argument.

    Raises:
        InputError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        target = error.filename if path is None else path
        raise InputError(
            f"can't write {target} ({error.strerror or error}): name another place with {name}"
        ) from error
