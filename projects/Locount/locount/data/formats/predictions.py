"""What ``locount predict`` wrote: boxes and counts of a model, to be corrected by hand."""

from __future__ import annotations

import os
import re
from typing import cast

import msgspec
import numpy as np

from ...coco import IMAGES, PREDICTIONS
from ...errors import DatasetError, Problem
from ...texts import JSON_ERRORS, read_utf8
from ..images import UPRIGHT
from ..names import DatasetName
from .base import Reading, Survey
from .coco import Coco
from .entries import T
from .records import Records, same

SPLIT = "photos"

_FRAME = re.compile(r"#\d{6,}$")


class _Image(msgspec.Struct):
    id: int
    file_name: str
    height: int
    width: int
    orientation: int = UPRIGHT


class _Images(msgspec.Struct):
    images: list[_Image]
    categories: list[dict]


class _Result(msgspec.Struct):
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    score: float
    count: int
    count_score: float | None = None


class Predictions(Coco):
    """The photos of a run, found where they were predicted; each record has ``predicted``, and
    each annotation ``score`` and ``count_score``, which may be None.
    """

    def __init__(self, folder: str, score: float = 0.0) -> None:
        """
        Args:
            score: least score of a box.

        Raises:
            DatasetError: if the folder holds no results that can be read.
        """
        path = os.path.join(folder, IMAGES)
        found = _read(path, _Images)
        results = _read(os.path.join(folder, PREDICTIONS), list[_Result])
        self._results = [result for result in results if result.score >= score]
        self._problems: list[Problem] = []
        photos = {}
        for image in found.images:
            image.file_name = os.path.abspath(image.file_name)
            if text := _fault(image):
                self._problems.append(Problem(image.file_name, None, text))
            else:
                photos[image.id] = image
        folders = {os.path.dirname(image.file_name) for image in photos.values()}
        root = os.path.commonpath(folders) if folders else folder
        images = [
            {**msgspec.to_builtins(image), "file_name": os.path.relpath(image.file_name, root)}
            for image in photos.values()
        ]
        content = {
            "images": images,
            "categories": found.categories,
            "annotations": [
                {"id": i, **msgspec.to_builtins(result)}
                for i, result in enumerate(self._results)
                if result.image_id in photos
            ],
        }
        super().__init__(path, root, Reading(), split=SPLIT, content=content)
        self.format, self.title = "", f"What {folder} holds"

    @classmethod
    def of(cls, name: DatasetName, score: float = 0.0) -> Predictions:
        """Of ``predictions:DIR``."""
        folder = name.place.partition(":")[2]
        if not folder:
            raise DatasetError(
                f"The dataset name {name.text!r} is incomplete: write predictions:DIR, the folder "
                "that `locount predict` wrote"
            )
        return cls(os.path.expanduser(folder), score)

    def survey(self) -> Survey:
        survey = super().survey()
        records = cast(Records, survey.records)
        ids = records.boxes.get("id", np.empty(0, int))  # without any box there is no column
        found = [self._results[i] for i in ids.tolist()]
        boxes = {
            "score": np.array([result.score for result in found], float),
            "count_score": np.array([result.count_score for result in found], object),
        }
        predicted = {"predicted": same(True, records.num_images)}
        return survey._replace(
            records=records.with_columns(predicted, boxes),
            problems=[*self._problems, *survey.problems],
        )


def _fault(image: _Image) -> str:
    """Why it can't be a photo of a dataset; "" if it is one."""
    if image.orientation != UPRIGHT:
        return (
            f"was turned as its EXIF orientation {image.orientation} says, and datasets are read "
            "as they are stored: turn its pixels (such as by `mogrify -auto-orient`), and predict "
            "it again"
        )
    if _FRAME.search(image.file_name) and not os.path.exists(image.file_name):
        return "is a frame of a video: save it as a picture, and predict that"
    if not os.path.isfile(image.file_name):
        return "is not there: go to the folder in which `locount predict` was run, or put it back"
    return ""


def _read(path: str, kind: type[T]) -> T:
    text = read_utf8(path)
    try:
        return msgspec.json.decode(text, type=kind)
    except JSON_ERRORS as error:
        raise DatasetError(
            f"{path} can't be read as a file of `locount predict` ({error}): name its folder, or "
            "predict again"
        ) from error
