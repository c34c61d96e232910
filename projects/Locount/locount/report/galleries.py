"""Pictures of single boxes with their surroundings: what is there beside what was found."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from detectron2.utils.file_io import PathManager
from PIL import Image

from ..data import read_image
from ..errors import InputError
from ..evaluation.annotations import Detections, GroundTruth, xyxy
from ..evaluation.legend import Photo
from ..evaluation.matching.engine import Matcher
from ..visualization.drawing import count_texts, draw_boxes, to_picture
from .cases import Case

TILE = (400, 300)  # width and height of a picture in pixels, at most
MAX_TILE_BYTES = 40_000
# Side of the cut-out: as a multiple of the box's, the least such multiple, and least in pixels.
_CONTEXT, _MIN_CONTEXT, _MIN_WINDOW = 1.6, 1.1, 120
# Share of a box that must lie in a picture to be drawn there.
_MIN_VISIBLE = 0.2
_DIMMED = 0.5
# Of the subject's white frame, in pixels: its width, and its distance from the box.
_FRAME, _GAP = 2, 3

XYXY = tuple[float, float, float, float]


class Picture(NamedTuple):
    uri: str
    width: int
    height: int
    alt: str


class Example(NamedTuple):
    caption: str
    photo: str
    truth: Picture
    prediction: Picture


@dataclass(frozen=True)
class Gallery:
    title: str
    text: str
    examples: list[Example]


@dataclass
class Pictures:
    """Makes the pictures of one evaluation.

    Attributes:
        score: least score of a detection that is drawn.
        photo_root: the folder that photos must lie in; None for anywhere.
        problems: photos that can't be used, by their ids: what is wrong, and the cure.
    """

    matcher: Matcher
    photos: Mapping[int | str, Photo]
    score: float
    photo_root: Path | None = None
    problems: dict[int | str, str] = field(default_factory=dict)

    def examples(self, cases: Iterable[Case], limit: int) -> list[Example]:
        """The first cases whose photos can be read, one from each photo, at most ``limit``."""
        found: dict[int, Example] = {}
        for case in cases:
            if len(found) == limit:
                break
            image = int(self.matcher.gt.image[case.gt])
            if image not in found and (pixels := self.pixels(image)) is not None:
                found[image] = self._example(case, image, pixels)
        return list(found.values())

    def name(self, image: int) -> str:
        """The file name of a photo."""
        return Path(self.photos[self.matcher.gt.image_ids[image].item()].file_name or "").name

    def pixels(self, image: int) -> np.ndarray | None:
        """BGR; None for a photo that can't be used, which is then among the problems."""
        image_id = self.matcher.gt.image_ids[image].item()
        if image_id not in self.problems:
            try:
                return self._read(self.photos[image_id])
            except InputError as error:
                self.problems[image_id] = str(error)
        return None

    def _read(self, photo: Photo) -> np.ndarray:
        if photo.file_name is None:
            raise InputError(f"image {photo.id} has no file_name in the ground truth")
        if self.photo_root is not None and not _is_below(photo.file_name, self.photo_root):
            raise InputError(f"{photo.file_name} is not in {self.photo_root}")
        if not PathManager.isfile(photo.file_name):
            raise InputError(
                f"{photo.file_name} is missing: restore it; a relative path starts in the folder "
                "where the run was started"
            )
        pixels = read_image(photo.file_name, "BGR")
        size = (photo.height or pixels.shape[0], photo.width or pixels.shape[1])
        if pixels.shape[:2] != size:
            raise InputError(
                f"{photo.file_name} has {pixels.shape[1]} x {pixels.shape[0]} pixels, and the "
                f"ground truth says {size[1]} x {size[0]}: restore the photo that was evaluated"
            )
        return pixels

    def _example(self, case: Case, image: int, pixels: np.ndarray) -> Example:
        gt, dt = self.matcher.gt, self.matcher.dt
        subject = xyxy(gt.boxes[[case.gt]])[0]
        if case.dt >= 0:
            other = xyxy(dt.boxes[[case.dt]])[0]
            subject = np.append(np.minimum(subject, other)[:2], np.maximum(subject, other)[2:])
        view = window(tuple(subject.tolist()), pixels.shape[1], pixels.shape[0])
        tile = _tile(pixels, view, subject)
        name = gt.category_names[gt.category[case.gt]]
        count = int(gt.counts[case.gt])
        said = (
            f"said ×{int(dt.counts[case.dt])}, score {dt.scores[case.dt]:.2f}"
            if case.dt >= 0
            else "not found"
        )
        shown = np.flatnonzero((gt.image == image) & ~gt.crowd)
        found = np.flatnonzero((dt.image == image) & (dt.scores >= self.score))
        photo = self.name(image)
        return Example(
            f"{name} ×{count}: {said}",
            photo,
            self._picture(tile, view, gt, shown, f"Ground truth in {photo}: {name} ×{count}"),
            self._picture(tile, view, dt, found, f"Prediction in {photo}: {name} {said}"),
        )

    def _picture(
        self,
        tile: np.ndarray,
        view: tuple[int, int, int, int],
        objects: GroundTruth | Detections,
        places: np.ndarray,
        alt: str,
    ) -> Picture:
        height, width = tile.shape[:2]
        if isinstance(objects, Detections):  # the best first
            places = places[np.argsort(-objects.scores[places], kind="stable")]
        scale = width / (view[2] - view[0])
        boxes = (xyxy(objects.boxes[places]) - np.tile(view[:2], 2)) * scale
        clipped = np.clip(boxes, 0, [width - 1, height - 1, width - 1, height - 1])
        kept = _area(clipped) > _MIN_VISIBLE * _area(boxes)
        categories = objects.category[places[kept]].tolist()
        names = [self.matcher.gt.category_names[i] for i in categories]
        texts = count_texts(names, objects.counts[places[kept]].tolist())
        picture = to_picture(tile)
        draw_boxes(picture, clipped[kept].tolist(), categories, texts)
        return Picture(jpeg_uri(picture, MAX_TILE_BYTES), width, height, alt)


def window(box: XYXY, width: int, height: int) -> tuple[int, int, int, int]:
    """The part of a photo that shows a box with its surroundings, of a tile's shape where it fits.

    Returns:
        XYXY in whole pixels, within the photo.
    """
    shape = TILE[0] / TILE[1]
    box_width, box_height = box[2] - box[0], box[3] - box[1]
    wide = max(_CONTEXT * max(box_width, box_height * shape), _MIN_WINDOW)
    wide = min(wide, width, height * shape)
    spans = []
    for first, last, length, whole in (
        (box[0], box[2], wide, width),
        (box[1], box[3], wide / shape, height),
    ):
        # A box that is too long for the shape is shown all the same.
        length = min(round(max(length, _MIN_CONTEXT * (last - first))), whole)
        start = min(max(round((first + last - length) / 2), 0), whole - length)
        spans.append((start, start + length))
    (x1, x2), (y1, y2) = spans
    return x1, y1, x2, y2


def _tile(pixels: np.ndarray, view: tuple[int, int, int, int], subject: np.ndarray) -> np.ndarray:
    """The window in the size of a tile, dim but for the subject, which has a white frame."""
    x1, y1, x2, y2 = view
    scale = min(TILE[0] / (x2 - x1), TILE[1] / (y2 - y1))
    size = (max(1, round((x2 - x1) * scale)), max(1, round((y2 - y1) * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    bright = cv2.resize(pixels[y1:y2, x1:x2], size, interpolation=method)
    tile = (bright * _DIMMED).astype(np.uint8)
    a, b, c, d = ((subject - [x1, y1, x1, y1]) * scale).round().astype(int).tolist()
    for margin, filling in ((_GAP + _FRAME, 255), (_GAP, bright)):
        # A slice from below 0 would count from the other end.
        rows, columns = (
            slice(max(first - margin, 0), max(last + margin + 1, 0))
            for first, last in ((b, d), (a, c))
        )
        tile[rows, columns] = filling if isinstance(filling, int) else filling[rows, columns]
    return tile


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def jpeg_uri(picture: Image.Image, max_bytes: int) -> str:
    """A picture as a data URI, in the best quality that is small enough."""
    for quality in (85, 70, 50, 30):
        data = io.BytesIO()
        picture.save(data, "JPEG", quality=quality, optimize=True)
        if data.tell() <= max_bytes:
            break
    return f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"


def _is_below(path: str, folder: Path) -> bool:
    """Whether a file lies in a folder, links followed."""
    return Path(path).resolve().is_relative_to(folder.resolve())
