"""What the commands about shelves share: photos, predictions and datasets as their input."""

from __future__ import annotations

import argparse
import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..coco import IMAGES, PREDICTIONS
from ..errors import InputError, listing, printable
from ..stock import ShelfPhoto
from .options import (
    ENGINES,
    add_output,
    add_prediction,
    interval_level,
    least_score,
    listed_paths,
    open_predictor,
    report_failures,
    writing,
)

if TYPE_CHECKING:
    from ..calibration import Totals
    from ..data.formats.base import Source
    from ..inference import Predictor
    from ..inference.inputs import Failure

PAGE = "shelf.html"  # of the results of rows, planogram check and diff


class Shot(NamedTuple):
    """
    Attributes:
        pixels: gives H x W x 3, uint8, BGR.
    """

    photo: ShelfPhoto
    pixels: Callable[[], np.ndarray]


class Shots(NamedTuple):
    """
    Attributes:
        known: names of all categories that can be on the photos.
        each: the photos as they come; raises :class:`InputError` at the end if there was none.
        failures: gets the inputs that could not be used on the way.
    """

    known: frozenset[str]
    each: Iterator[Shot]
    failures: list[Failure]

    def photos(self) -> list[ShelfPhoto]:
        return [shot.photo for shot in self.each]

    def status(self, found: bool = False) -> int:
        """Say which inputs were not used.

        Args:
            found: whether a check found something.

        Returns:
            The exit status, when some photo was used.
        """
        return max(report_failures(self.failures, 1), int(found))


_Part = tuple[frozenset[str], Iterator[Shot]]  # known categories, and photos


def add_input_arguments(parser: argparse.ArgumentParser, *names: str) -> None:
    """The options of :func:`open_shots`; ``names`` are those of single inputs, by default many."""
    text = "photo, folder of photos, pattern, video, dataset, output folder of `locount predict`, "
    text += "or - for a list of paths on stdin"
    for name in names:
        parser.add_argument(name, metavar=name.upper(), help=text)
    if not names:
        parser.add_argument("inputs", nargs="+", metavar="INPUT", help=text)
    add_prediction(parser)
    parser.add_argument(
        "--piled",
        action="store_true",
        help="a box with a number holds a stack or a queue, of which one is seen from the front; "
        "by default its items are side by side",
    )


def add_output_arguments(parser: argparse.ArgumentParser, default: str) -> None:
    text = "folder for the results (default: %(default)s)"
    add_output(parser, text, default=Path(default), metavar="DIR")
    parser.add_argument("--no-pictures", action="store_true", help="write tables only")


def open_shots(
    args: argparse.Namespace,
    inputs: Sequence[str],
    pixels: bool = False,
    model: Callable[[], Predictor] | None = None,
) -> Shots:
    """The photos that the inputs name, those to predict on last.

    Args:
        pixels: whether they will be asked for.
        model: opens that of other inputs too; options of prediction are then not refused where none
            of these inputs needs it.

    Raises:
        InputError: if an input leads to no photo.
    """
    from ..data.formats.registry import source_of

    failures: list[Failure] = []
    parts: list[_Part] = []
    names: list[str] = []
    for name in inputs:
        if all(Path(name, file).is_file() for file in (IMAGES, PREDICTIONS)):
            parts.append(_of_results(Path(name), args))
        elif not Path(name).exists() and (source := source_of(name)) is not None:
            parts.append(_of_dataset(source, args))
        else:
            names.append(name)
    if names:
        open_model = model or functools.partial(open_predictor, args)
        parts.append(_predicted(args, names, pixels, failures, open_model))
    elif model is None:
        refuse_options_of_prediction(args)
    known = frozenset().union(*(names for names, _ in parts))

    def each() -> Iterator[Shot]:
        shot = None
        for _, shots in parts:
            for shot in shots:
                yield shot
        if shot is None:
            why = f" that can be used:\n{listing(failures)}" if failures else ": name at least one"
            raise InputError(f"the inputs hold no photo{why}")

    return Shots(known, each(), failures)


def refuse_options_of_prediction(args: argparse.Namespace) -> None:
    """Raises :class:`InputError` for options that say how to predict."""
    given = ("weights", "run", "config_file", "opts", "device", "tiles")
    options = ["--" + name.replace("_", "-") for name in given if getattr(args, name)]
    options += ["--every"] * (args.every != 1) + ["--engine"] * (args.engine != ENGINES[0])
    if options:
        raise InputError(
            f"{', '.join(options)}: only for photos to predict on, and the inputs are results or "
            "datasets: leave it out"
        )


def _pixels_of(path: str, upright: bool) -> np.ndarray:
    from ..data.images import open_picture

    return open_picture(path, upright=upright).pixels


def _of_results(folder: Path, args: argparse.Namespace) -> _Part:
    from ..evaluation.annotations import xyxy
    from ..evaluation.reading import read_detections, read_ground_truth
    from ..texts import read_json

    content = read_json(folder / IMAGES)
    gt = read_ground_truth({**content, "annotations": []})
    dt = read_detections(folder / PREDICTIONS, gt)
    _refuse_lower_score(folder, args.score)
    if args.score is not None:
        dt = dt.take(np.flatnonzero(dt.scores >= args.score))
    dt = dt.take(np.argsort(dt.image, kind="stable"))
    starts = np.searchsorted(dt.image, np.arange(len(gt.image_ids) + 1))
    boxes = xyxy(dt.boxes)
    known = frozenset(gt.category_names)
    category_names = dict(zip(gt.category_ids.tolist(), gt.category_names, strict=True))

    def shots() -> Iterator[Shot]:
        for image in content["images"]:
            intervals = _stored_intervals(folder, image.get("totals"), category_names, args)
            place = np.searchsorted(gt.image_ids, image["id"])
            own = slice(starts[place], starts[place + 1])
            names = tuple(gt.category_names[i] for i in dt.category[own])
            size = image["width"], image["height"]
            path = image["file_name"]
            counts = dt.counts[own]
            photo = ShelfPhoto(path, *size, boxes[own], names, counts, known, args.piled, intervals)
            upright = image.get("orientation", 1) != 1
            yield Shot(photo, functools.partial(_pixels_of, path, upright))

    return known, shots()


def _refuse_lower_score(folder: Path, score: float | None) -> None:
    """Results have no boxes below the score of their run, which stands in the journal."""
    import msgspec

    from ..inference.inputs import JOURNAL

    if score is None or not (folder / JOURNAL).is_file():
        return
    with open(folder / JOURNAL, "rb") as file, contextlib.suppress(msgspec.MsgspecError):
        least = float(msgspec.json.decode(file.readline(), type=dict[str, str]).get("score", 0))
        if score < least:
            raise InputError(
                f"--score is {score:g}, and {folder} has no boxes below {least:g}: predict with "
                f"`locount predict --score {score:g}` into another folder"
            )


def _stored_intervals(
    folder: Path, content: Any, names: Mapping[int, str], args: argparse.Namespace
) -> Totals[str] | None:
    """Those of a photo that `locount predict` has left; with another score there are none.

    Raises:
        InputError: if a level was asked for that they don't have.
    """
    import msgspec

    from ..calibration import Totals

    try:
        stored = msgspec.convert(content, Totals[int] | None, str_keys=True)
        totals = None if stored is None else stored.named(names)
    except (msgspec.ValidationError, KeyError) as error:
        raise InputError(f"{folder / IMAGES}: totals of a photo are damaged: {error}") from error
    if args.level is not None and args.score is not None:
        raise InputError(
            f"intervals in {folder} are of its own score: leave out --score or --level"
        )
    if args.level is not None and (totals is None or totals.level != args.level):
        there = f"are of level {totals.level:g}" if totals else "are not there"
        raise InputError(
            f"--level is {args.level:g}, and intervals in {folder} {there}: predict with `locount "
            f"predict --level {args.level:g}`"
        )
    return totals if args.score is None else None


def _of_dataset(source: Source, args: argparse.Namespace) -> _Part:
    from detectron2.structures import BoxMode

    if args.level is not None:
        raise InputError(
            "--level is of what a model finds, and the boxes of a dataset are the truth"
        )

    xyxy = BoxMode.XYXY_ABS
    classes = source.metadata()["thing_classes"]
    known = frozenset(classes)

    def shots() -> Iterator[Shot]:
        for record in source.load():
            path, annotations = record["file_name"], record["annotations"]
            boxes = [BoxMode.convert(a["bbox"], a["bbox_mode"], xyxy) for a in annotations]
            names = tuple(classes[a["category_id"]] for a in annotations)
            counts = np.array([a["count"] for a in annotations], int)
            size = record["width"], record["height"]
            array = np.array(boxes, float).reshape(-1, 4)
            photo = ShelfPhoto(printable(path), *size, array, names, counts, known, args.piled)
            yield Shot(photo, functools.partial(_pixels_of, path, False))

    return known, shots()


def _predicted(
    args: argparse.Namespace,
    names: Sequence[str],
    pixels: bool,
    failures: list[Failure],
    open_model: Callable[[], Predictor],
) -> _Part:
    from tqdm import tqdm

    from ..inference.inputs import expand_inputs, images_of, unreadable

    inputs = expand_inputs(name for name in names if name != "-")
    failures += unreadable(inputs.passed_over)
    paths = dict.fromkeys([*inputs.paths, *listed_paths(names)])
    predictor = open_model()
    counting = least_score(args, predictor), predictor.cfg.PREDICT.MAX_OVERLAP
    level = interval_level(args, predictor)
    known = frozenset(predictor.classes.names)

    def images() -> Iterator[Any]:
        for path in paths:
            yield from images_of(path, args.every, failures.append)

    def shots() -> Iterator[Shot]:
        stream = predictor.stream(images(), on_failure=failures.append, keep_pixels=pixels)
        for prediction in tqdm(stream, unit="photo", disable=None):
            photo = ShelfPhoto.of(prediction.counting(*counting), level, args.piled)
            yield Shot(photo, functools.partial(getattr, prediction, "pixels"))

    return known, shots()


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write them one after the other, with the folder locked.

    Raises:
        InputError: if they can't be written.
    """
    from ..files import locked_folder, remove_unfinished_files, write_bytes

    with writing(folder), locked_folder(folder):
        for parent in {(folder / name).parent for name in files} - {folder}:
            remove_unfinished_files(parent)
        for name, data in files.items():
            write_bytes(folder / name, data)


def clear_pictures(args: argparse.Namespace) -> None:
    """Remove the pictures that an earlier command about shelves has left, if there will be others.

    Raises:
        InputError: for the folder of `locount predict`, whose pictures these would replace.
    """
    from ..inference.inputs import JOURNAL, PICTURES

    folder = args.output
    if args.no_pictures:
        return
    if (folder / JOURNAL).is_file():
        raise InputError(
            f"--output {folder} is a folder of `locount predict`, whose pictures would be "
            "replaced: name another one, or add --no-pictures"
        )
    if (folder / PAGE).is_file():
        with writing(folder):
            for path in (folder / PICTURES).glob("[0-9]*_*.jpg"):
                path.unlink()


def write_picture(
    args: argparse.Namespace,
    number: int,
    shot: Shot,
    draw: Callable[[np.ndarray], np.ndarray],
    failures: list[Failure],
) -> str | None:
    """Write the annotated photo, and return its path from the folder; None where there is none.

    Args:
        draw: on pixels, H x W x 3, uint8, BGR.
        failures: gets a photo that is not there any more.
    """
    import cv2

    from ..inference.inputs import PICTURES, Failure, picture_name

    if args.no_pictures:
        return None
    try:
        pixels = shot.pixels()
    except InputError as error:
        failures.append(Failure.of(shot.photo.name, error))
        return None
    jpeg = cv2.imencode(".jpg", draw(pixels), (cv2.IMWRITE_JPEG_QUALITY, 90))[1].tobytes()
    path = f"{PICTURES}/{picture_name(number, shot.photo.name)}"
    write_files(args.output, {path: jpeg})
    return path
