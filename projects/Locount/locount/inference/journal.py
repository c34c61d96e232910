"""predictions.jsonl: what a run has done, so that an interrupted one can go on.

The first line holds the settings of the run, each other one an :class:`Entry`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec
import numpy as np

from ..errors import InputError, listing
from .prediction import Prediction


class Detection(msgspec.Struct):
    """One box, as in COCO result files, and more.

    Attributes:
        bbox: XYWH.
        count_score: None from a model that gives none.
    """

    category_id: int
    category: str
    bbox: tuple[float, float, float, float]
    score: float
    count: int
    count_score: float | None


class Entry(msgspec.Struct):
    """The detections of one photo, or frame of a video.

    Attributes:
        stamp: size and modification time of the file they were made from.
        picture: file name of the annotated picture; None if none was asked for.
    """

    image_id: int
    file_name: str
    height: int
    width: int
    stamp: tuple[int, int]
    picture: str | None
    detections: list[Detection]

    @classmethod
    def of(
        cls, prediction: Prediction, image_id: int, stamp: tuple[int, int], picture: str | None
    ) -> Entry:
        # float64 before the subtraction, which float32 would round.
        boxes = prediction.boxes.astype(np.float64)
        boxes[:, 2:] -= boxes[:, :2]
        count_scores = prediction.count_scores.tolist()
        detections = [
            Detection(
                category_id=prediction.classes.ids[class_id],
                category=prediction.classes.names[class_id],
                bbox=tuple(box),
                score=score,
                count=count,
                count_score=None if np.isnan(count_score) else count_score,
            )
            for box, class_id, score, count, count_score in zip(
                boxes.tolist(),
                prediction.class_ids.tolist(),
                prediction.scores.tolist(),
                prediction.counts.tolist(),
                count_scores,
                strict=True,
            )
        ]
        return cls(
            image_id,
            prediction.name,
            prediction.height,
            prediction.width,
            stamp,
            picture,
            detections,
        )


def file_stamp(path: str) -> tuple[int, int]:
    """Size and modification time in nanoseconds."""
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


class Journal:
    """The entries of a run. They stay on disk; in memory is only where."""

    def __init__(self, path: Path, settings: Mapping[str, str]):
        """Begin a journal, or go on with the one at ``path``.

        Args:
            settings: what must be the same in all of a run, by its name for the user.

        Raises:
            InputError: if the journal at ``path`` is of a run with other settings.
        """
        self.path = path
        self.next_id = 1
        self._offsets: dict[str, int] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open(path, "a+b")  # noqa: SIM115, closed by close()
        try:
            self._read(dict(settings))
        except BaseException:
            self._file.close()
            raise

    def __len__(self) -> int:
        return len(self._offsets)

    def holds(self, name: str, stamp: tuple[int, int]) -> bool:
        """Whether there is an entry of that photo, made from the file as it is now."""
        return self._stamps.get(name) == stamp

    def add(self, entry: Entry) -> None:
        """Append an entry; it replaces an earlier one of the same file name."""
        self._offsets[entry.file_name] = self._append(entry)
        self._stamps[entry.file_name] = entry.stamp
        self.next_id = max(self.next_id, entry.image_id + 1)

    def line(self, name: str) -> bytes:
        """An entry as JSON, without a line end."""
        self._file.seek(self._offsets[name])
        return self._file.readline().rstrip(b"\n")

    def __iter__(self) -> Iterator[Entry]:
        """The entries in the order in which their photos first came."""
        for name in self._offsets:
            yield msgspec.json.decode(self.line(name), type=Entry)

    def close(self) -> None:
        self._file.close()

    def _append(self, data: Entry | dict) -> int:
        offset = self._file.seek(0, os.SEEK_END)
        self._file.write(msgspec.json.encode(data) + b"\n")
        self._file.flush()
        return offset

    def _read(self, settings: dict[str, str]) -> None:
        self._file.seek(0)
        first = self._file.readline()
        if not first.endswith(b"\n"):
            self._file.truncate(0)
            self._append(settings)
            return
        try:
            self._check(settings, msgspec.json.decode(first, type=dict[str, str]))
            offset = self._file.tell()
            # A line without its end was cut off when the run was: its photo's turn comes again.
            while (line := self._file.readline()).endswith(b"\n"):
                entry = msgspec.json.decode(line, type=Entry)
                self._offsets[entry.file_name], self._stamps[entry.file_name] = offset, entry.stamp
                self.next_id = max(self.next_id, entry.image_id + 1)
                offset = self._file.tell()
        except msgspec.DecodeError as error:
            raise InputError(
                f"{self.path} is not the journal of `locount predict` ({error}): name another "
                "folder, or remove the file to begin anew."
            ) from error
        self._file.truncate(offset)

    def _check(self, now: dict[str, str], before: dict[str, str]) -> None:
        differences = [
            f"{key}: {before.get(key, 'unknown')} before, {value} now"
            for key, value in now.items()
            if before.get(key) != value
        ]
        if differences:
            raise InputError(
                f"{self.path.parent} holds predictions of a run that differs from this one:\n"
                f"{listing(differences)}\nName another folder, or remove that one to begin anew."
            )
