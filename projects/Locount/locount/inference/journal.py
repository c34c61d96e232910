"""predictions.jsonl: what a run has done, so that an interrupted one can continue.

The first line holds the settings of the run, each other one an :class:`Entry` with a checksum.
"""

from __future__ import annotations

import contextlib
import os
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from ..calibration import Interval, Totals
from ..coco import xywh
from ..errors import InputError, listing, printable
from ..files import locked
from .prediction import Prediction

_CHECKSUM = b',"crc32":'
# Between two moments at which all lines are on the disk: a machine that stops loses no more.
_SYNC_SECONDS = 5


class Detection(msgspec.Struct, omit_defaults=True):
    """One box, as in COCO result files, and more.

    Attributes:
        bbox: XYWH.
        count_score: None if the model gives none.
        count_low, count_high: the interval of the count, if the box is on an object; left out where
            there is none.
        probability: that the box is on an object; left out without intervals.
    """

    category_id: int
    category: str
    bbox: tuple[float, float, float, float]
    score: float
    count: int
    count_score: float | None
    count_low: int | None = None
    count_high: int | None = None
    probability: float | None = None


class Entry(msgspec.Struct, omit_defaults=True):
    """The detections of one photo, or frame of a video.

    Attributes:
        file_name: as it can be printed: see :func:`recorded_name`.
        height, width: of the picture that the boxes speak of.
        stamp: size and modification time of the file they were made from.
        picture: file name of the annotated picture; None if none was asked for.
        orientation: the EXIF orientation by which the stored pixels were turned first; left out if
            they were not.
        totals: left out without intervals.
    """

    image_id: int
    file_name: str
    height: int
    width: int
    stamp: tuple[int, int]
    picture: str | None
    detections: list[Detection]
    orientation: int = 1
    totals: Totals[int] | None = None

    @classmethod
    def of(
        cls,
        prediction: Prediction,
        image_id: int,
        stamp: tuple[int, int],
        picture: str | None,
        level: float | None = None,
    ) -> Entry:
        """
        Args:
            level: of the intervals, which a prediction with a calibration has; None for none.
        """
        # The calibrated ones are the first ones, as the best are.
        intervals: list[Interval | tuple[None, None]] = [(None, None)] * len(prediction)
        probabilities: list[float | None] = [None] * len(prediction)
        totals, calibration = None, prediction.calibration
        if level is not None and calibration is not None:
            totals = prediction.intervals(level)
            probabilities = prediction.probabilities.tolist()
            if calibration.boxes is not None:
                sure = prediction.count_intervals(level)
                intervals[: len(sure)] = sure
        detections = [
            Detection(
                category_id=prediction.classes.ids[found.class_id],
                category=found.name,
                bbox=tuple(box),
                score=found.score,
                count=found.count,
                count_score=None if np.isnan(found.count_score) else found.count_score,
                count_low=low,
                count_high=high,
                probability=probability,
            )
            for found, box, (low, high), probability in zip(
                prediction, xywh(prediction.boxes).tolist(), intervals, probabilities, strict=True
            )
        ]
        return cls(
            image_id,
            recorded_name(prediction.name),
            prediction.height,
            prediction.width,
            stamp,
            picture,
            detections,
            prediction.orientation,
            totals,
        )


def recorded_name(path: str) -> str:
    """How a photo is called in results: its path, where what is not Unicode is escaped."""
    return printable(path)


def file_stamp(path: str) -> tuple[int, int]:
    """Size and modification time in nanoseconds."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


class _Place(NamedTuple):
    """Where an entry is, and what of it is asked for often."""

    offset: int
    stamp: tuple[int, int]
    picture: str | None


class Journal:
    """The entries of a run. They stay on disk; in memory is only where.

    Attributes:
        num_damaged: lines that can't be used; their photos' turn comes again.
    """

    def __init__(self, path: Path, settings: Mapping[str, str]):
        """Begin a journal, or continue the one at ``path``.

        Args:
            settings: what must be the same in all of a run, by its name for the user.

        Raises:
            InputError: if the journal at ``path`` is of a run with other settings, or one that
                another process is at.
        """
        self.path = path
        self.next_id = 1
        self.num_damaged = 0
        self._places: dict[str, _Place] = {}
        self._synced = time.monotonic()
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            self._file = stack.enter_context(open(path, "a+b"))
            stack.enter_context(locked(self._file.fileno(), path.parent))
            self._read(dict(settings))
            self._stack = stack.pop_all()

    def holds(self, name: str, stamp: tuple[int, int]) -> bool:
        """Whether there is an entry of that photo, made from the file as it is now."""
        return name in self._places and self._places[name].stamp == stamp

    def picture(self, name: str) -> str | None:
        """The file name of an entry's annotated picture."""
        return self._places[name].picture

    def add(self, entry: Entry) -> None:
        """Append an entry; it replaces an earlier one of the same file name."""
        line = msgspec.json.encode(entry)
        checksum = b"%s%d}" % (_CHECKSUM, zlib.crc32(line))
        self._hold(entry, self._append(line.removesuffix(b"}") + checksum))

    def line(self, name: str) -> bytes:
        """An entry as JSON, without checksum and line end."""
        self._file.seek(self._places[name].offset)
        return _checked(self._file.readline())

    def __iter__(self) -> Iterator[Entry]:
        """The entries in the order in which their photos first came."""
        for name in self._places:
            yield msgspec.json.decode(self.line(name), type=Entry)

    def close(self) -> None:
        with self._stack:
            os.fsync(self._file.fileno())

    def _append(self, line: bytes) -> int:
        offset = self._file.seek(0, os.SEEK_END)
        self._file.write(line + b"\n")
        self._file.flush()
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()
        return offset

    def _hold(self, entry: Entry, offset: int) -> None:
        self._places[entry.file_name] = _Place(offset, entry.stamp, entry.picture)
        self.next_id = max(self.next_id, entry.image_id + 1)

    def _read(self, settings: dict[str, str]) -> None:
        self._file.seek(0)
        first = self._file.readline()
        if not first.endswith(b"\n"):
            self._file.truncate(0)
            self._append(msgspec.json.encode(settings))
            return
        try:
            before = msgspec.json.decode(first, type=dict[str, str])
        except ValueError as error:
            raise InputError(
                f"{self.path} is not the journal of `locount predict`, or its first line is "
                f"damaged ({error}): name another folder, or remove the file to start over."
            ) from error
        check_settings(settings, before, self.path.parent)
        offset = self._file.tell()
        # A line without its end was cut off when the run was: its photo's turn comes again.
        while (line := self._file.readline()).endswith(b"\n"):
            try:
                self._hold(msgspec.json.decode(_checked(line), type=Entry), offset)
            except ValueError:
                self.num_damaged += 1
            offset = self._file.tell()
        self._file.truncate(offset)


def check_settings(now: dict[str, str], before: dict[str, str], folder: str | Path) -> None:
    """Raise :class:`InputError` if a run into a folder differs from the one before."""
    differences = [
        f"{key}: {before.get(key, 'unknown')} before, {value} now"
        for key, value in now.items()
        if before.get(key) != value
    ]
    if differences:
        raise InputError(
            f"{folder} contains predictions of a run that differs from this one:\n"
            f"{listing(differences)}\nName another folder, or remove that one to start over."
        )


def _checked(line: bytes) -> bytes:
    """A line of the journal without its checksum, which is verified.

    Raises:
        ValueError: if it is not the line that was written.
    """
    content, _, checksum = line.rpartition(_CHECKSUM)
    content += b"}"
    if checksum != b"%d}\n" % zlib.crc32(content):
        raise ValueError("the checksum is wrong")
    return content
