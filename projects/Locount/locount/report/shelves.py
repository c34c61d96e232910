"""What stands on the shelves of an evaluation's photos: rows, facings, shares, gaps, totals."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import Any

import cv2
import numpy as np
from detectron2.config import CfgNode

from ..calibration import DEFAULT_LEVEL, Calibration
from ..errors import InputError
from ..evaluation.analysis.image_counts import ImageCounts
from ..evaluation.annotations import Detections, xyxy
from ..evaluation.parts import without_parts
from ..stock import ShelfPhoto
from ..stock.pictures import draw_rows
from ..visualization.drawing import to_picture
from .galleries import Pictures, jpeg_uri
from .shelf_page import Row, ShelfCard, said

# Photos in the table, those with most items; and of a picture its width and bytes.
MAX_PHOTOS, WIDTH, MAX_BYTES = 200, 1000, 120_000


@dataclass
class Shelves:
    """
    Attributes:
        photos: a row for each.
        level: of the intervals.
        covered: on which share of the photos the truth lies in the interval; None without any.
        cards: the first ones, with pictures.
        problems: photos that are missing, and why.
    """

    photos: list[Row] = field(default_factory=list)
    level: float = DEFAULT_LEVEL
    covered: float | None = None
    cards: list[ShelfCard] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def report_shelves(pictures: Pictures, cfg: CfgNode, num_cards: int, calibrated: bool) -> Shelves:
    """
    Args:
        calibrated: whether the weights that the config names found the boxes as they are: else
            their calibration is not about them.
    """
    gt, dt = pictures.matcher.gt, pictures.matcher.dt
    dt = without_parts(
        dt.take(np.flatnonzero(dt.scores >= pictures.score)), cfg.PREDICT.MAX_OVERLAP
    )
    counts = ImageCounts.of(gt, dt, items=True)
    calibration = _calibration(cfg) if calibrated else None
    shelves, covered = Shelves(), []
    for image in np.argsort(-counts.predicted(-np.inf), kind="stable")[:MAX_PHOTOS].tolist():
        try:
            photo = _photo(pictures, dt.take(np.flatnonzero(dt.image == image)), image, calibration)
        except InputError as error:
            shelves.problems.append(str(error))
            continue
        true = int(counts.true[image])
        facts = photo.facts()
        row: dict[str, Any] = {"photo": facts.pop("photo"), "items in truth": true}
        shelves.photos.append(said(row | facts))
        if photo.intervals is not None:
            total = photo.intervals.photo
            covered.append(total.low <= true <= total.high)
        if len(shelves.cards) < num_cards and (pixels := pictures.pixels(image)) is not None:
            uri = jpeg_uri(to_picture(_drawn(photo, pixels)), MAX_BYTES)
            shelves.cards.append(ShelfCard.of(photo, uri, {"items in truth": true}))
    shelves.covered = float(np.mean(covered)) if covered else None
    return shelves


def _calibration(cfg: CfgNode) -> Calibration | None:
    """That of the weights, if it is about the boxes that the report shows."""
    if not os.path.isfile(cfg.MODEL.WEIGHTS):
        return None
    calibration = Calibration.of_config(cfg)
    shown = (cfg.PREDICT.SCORE, cfg.PREDICT.MAX_OVERLAP)
    if calibration is None or shown != (calibration.score, calibration.max_overlap):
        return None
    return calibration


def _photo(
    pictures: Pictures, dt: Detections, image: int, calibration: Calibration | None
) -> ShelfPhoto:
    gt = pictures.matcher.gt
    names, ids = gt.category_names, gt.category_ids.tolist()
    intervals = None
    if calibration is not None:
        items = np.bincount(dt.category, dt.counts).astype(int)
        found = {ids[i]: int(items[i]) for i in np.flatnonzero(items).tolist()}
        by_id = dict(zip(ids, names, strict=True))
        intervals = calibration.totals_of(found, DEFAULT_LEVEL).named(by_id)
    photo = pictures.photos[gt.image_ids[image].item()]
    name, size = pictures.name(image), (photo.width or 0, photo.height or 0)
    categories, known = tuple(names[i] for i in dt.category), frozenset(names)
    boxes = xyxy(dt.boxes)
    return ShelfPhoto(name, *size, boxes, categories, dt.counts, known, intervals=intervals)


def _drawn(photo: ShelfPhoto, pixels: np.ndarray) -> np.ndarray:
    scale = min(1.0, WIDTH / pixels.shape[1])
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return draw_rows(replace(photo, boxes=photo.boxes * scale), small)
