"""A run over many photos: pictures, tables, and a journal to resume from."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from detectron2.config import CfgNode
from detectron2.structures import Instances
from detectron2.utils.file_io import PathManager

from ..config import changed
from ..data.images import UPRIGHT
from ..files import remove_unfinished_files, write_bytes
from ..visualization.drawing import draw_prediction
from .ahead import run_ahead
from .inputs import JOURNAL, PICTURES, Failure, NamedImage, images_of, picture_name
from .inventory import write_tables
from .journal import Entry, Journal, file_stamp, recorded_name
from .prediction import Prediction
from .predictor import Predictor

JPEG_QUALITY = 90
# Larger ones are drawn one at a time, and in so many pixels.
LARGE_PICTURE = 30_000_000
# Of a digest; enough to tell runs apart.
DIGITS = 12


@dataclass
class Summary:
    """What a run did.

    Attributes:
        new: photos (or frames of videos) that were predicted.
        kept: photos that an earlier run into the same folder had done.
        turned: how many photos were turned by their orientation tag.
        damaged: lines of the journal that could not be used; their photos were predicted again.
        failures: inputs that could not be used.
        totals: rows of totals.csv.
    """

    new: int = 0
    kept: int = 0
    turned: int = 0
    damaged: int = 0
    failures: list[Failure] = field(default_factory=list)
    totals: list[dict[str, Any]] = field(default_factory=list)


class Run:
    """Prediction of photos into a folder.

    The folder holds predictions.jsonl (the journal), pictures/, images.json, predictions.json,
    inventory.csv, totals.csv and, with intervals, photos.csv. A run into a folder that another one
    left goes on: photos that are in its journal and have not changed since are not predicted again,
    and the tables cover them.
    """

    def __init__(
        self,
        predictor: Predictor,
        folder: Path,
        *,
        score: float,
        every: int = 1,
        pictures: bool = True,
        level: float | None = None,
        on_line: Callable[[bytes], None] = lambda line: None,
    ):
        """
        Args:
            score: least score of a detection.
            every: of a video, take every Nth frame.
            pictures: write annotated pictures.
            level: of the intervals, which only the calibrated score has; None for none.
            on_line: gets the journal's line of each photo, of kept ones too.

        Raises:
            InputError: if the folder holds a run of another model or with other options, or one
                that is at work.
            OSError: if the folder can't be written to.
        """
        self.summary = Summary()
        self._predictor, self._folder = predictor, folder
        self._score, self._every, self._pictures = score, every, pictures
        self._level, self._on_line = level, on_line
        self._stamps: dict[str, tuple[int, int]] = {}
        settings = {
            **run_settings(predictor, score),
            "pictures": "yes" if pictures else "no",
            "every": str(every),
        }
        if level is not None:
            settings["level"] = str(level)
        self._journal = Journal(folder / JOURNAL, settings)
        self.summary.damaged = self._journal.num_damaged
        self._names: dict[str, str] = {}

    def __call__(self, paths: Iterable[str]) -> Summary:
        """Predict photos and videos, each path once, and write the tables.

        Raises:
            OSError: if something can't be written. What was done before is kept.
        """
        with contextlib.closing(self._journal) as journal, ThreadPoolExecutor(2) as drawers:
            remove_unfinished_files(self._folder)
            if self._pictures:
                (self._folder / PICTURES).mkdir(exist_ok=True)
                remove_unfinished_files(self._folder / PICTURES)
            predictions = self._predictor.stream(
                self._images(paths),
                on_failure=self.summary.failures.append,
                keep_pixels=self._pictures,
            )
            numbered = enumerate(predictions, journal.next_id)
            for entry in run_ahead(drawers, self._finish, numbered, 2, _is_large):
                if isinstance(entry, Failure):
                    self.summary.failures.append(entry)
                    continue
                journal.add(entry)
                self.summary.new += 1
                self.summary.turned += entry.orientation != UPRIGHT
                self._on_line(journal.line(entry.file_name))
            self.summary.totals = write_tables(journal, self._predictor.classes, self._folder)
        return self.summary

    def _images(self, paths: Iterable[str]) -> Iterator[str | NamedImage]:
        """What is left to do."""
        seen, fail = set(), self.summary.failures.append
        for path in paths:
            if path in seen:
                continue
            seen.add(path)
            try:
                stamp = file_stamp(path)
            except (OSError, ValueError) as error:  # ValueError of a name with a NUL
                fail(Failure(path, getattr(error, "strerror", None) or str(error)))
                continue
            if self._names.setdefault(recorded_name(path), path) != path:
                fail(Failure(path, "another one is called the same in Unicode: rename it"))
            else:
                is_kept = functools.partial(self._is_kept, stamp)
                yield from images_of(path, self._every, fail, is_kept)

    def _is_kept(self, stamp: tuple[int, int], name: str) -> bool:
        # As it is before it is read: if it changes meanwhile, the next run sees that.
        self._stamps[name] = stamp
        name = recorded_name(name)
        if not self._journal.holds(name, stamp):
            return False
        picture = self._journal.picture(name)
        if picture is not None and not _is_there(self._folder / PICTURES / picture):
            return False
        self.summary.kept += 1
        self._on_line(self._journal.line(name))
        return True

    def _finish(self, numbered: tuple[int, Prediction]) -> Entry | Failure:
        """Draw the picture, so that a photo in the journal has one."""
        image_id, prediction = numbered
        prediction = prediction.counting(self._score, self._predictor.cfg.PREDICT.MAX_OVERLAP)
        stamp = self._stamps.pop(prediction.name)
        picture = None
        if self._pictures and prediction.pixels is not None:
            picture = picture_name(image_id, prediction.name)
            try:
                small = _for_drawing(prediction, prediction.pixels)
                drawn = draw_prediction(*small, self._level)
                _, jpeg = cv2.imencode(".jpg", drawn, (cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY))
            except Exception as error:  # of one photo: the others go on
                return Failure(prediction.name, f"its picture can't be drawn ({error})")
            write_bytes(self._folder / PICTURES / picture, jpeg.tobytes(), durable=False)
        return Entry.of(prediction, image_id, stamp, picture, self._level)


def run_settings(predictor: Predictor, score: float) -> dict[str, str]:
    """What the detections of a run depend on, by its name for the user."""
    return {
        "config": _config_digest(predictor.cfg),
        "weights": _file_digest(predictor.cfg.MODEL.WEIGHTS),
        "score": str(score),
        "tiles": str(predictor.tiling or "no"),
        "orientation tags": "ignored" if predictor.as_stored else "obeyed",
    }


def _is_large(numbered: tuple[int, Prediction]) -> bool:
    pixels = numbered[1].pixels
    return pixels is not None and pixels.size > 3 * LARGE_PICTURE


def _for_drawing(prediction: Prediction, pixels: np.ndarray) -> tuple[Prediction, np.ndarray]:
    """A large photo in fewer pixels, with its boxes."""
    share = (LARGE_PICTURE / (prediction.height * prediction.width)) ** 0.5
    if share >= 1:
        return prediction, pixels
    pixels = cv2.resize(pixels, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    fields = prediction.instances.get_fields()
    boxes = fields["pred_boxes"].clone()
    boxes.scale(pixels.shape[1] / prediction.width, pixels.shape[0] / prediction.height)
    instances = Instances(pixels.shape[:2], **{**fields, "pred_boxes": boxes})
    return replace(prediction, instances=instances), pixels


def _is_there(path: Path) -> bool:
    """Whether there is a file that is not empty."""
    with contextlib.suppress(OSError):
        return path.stat().st_size > 0
    return False


def _config_digest(cfg: CfgNode) -> str:
    """The same for configs that give the same detections on every machine."""
    cfg = changed(cfg, "OUTPUT_DIR", "", "MODEL.WEIGHTS", "", "MODEL.DEVICE", "")
    return hashlib.sha256(cfg.dump().encode()).hexdigest()[:DIGITS]


def _file_digest(path: str) -> str:
    with open(PathManager.get_local_path(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]
