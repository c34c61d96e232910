"""Ground truth and detections, checked, as arrays."""

from __future__ import annotations

import logging
from os import PathLike

import msgspec

from .. import coco
from ..coco import Source
from ..errors import DatasetError, InputError, listing
from ..texts import JSON_ERRORS, read_utf8
from .annotations import Detections, GroundTruth

logger = logging.getLogger(__name__)

# What can't be evaluated can't be trained on either, and the other way round.
EvaluationInputError = DatasetError


class Photo(msgspec.Struct, frozen=True):
    """An image of the ground truth."""

    id: int | str
    file_name: str | None = None
    height: int | None = None
    width: int | None = None


class _Photos(msgspec.Struct):
    images: list[Photo]


def read_photos(path: str | PathLike) -> list[Photo]:
    """The images of a COCO file of ground truth, and nothing else of it.

    Raises:
        InputError: if they can't be read.
    """
    data = read_utf8(path)
    try:
        return msgspec.json.decode(data, type=_Photos).images
    except (msgspec.MsgspecError, *JSON_ERRORS) as error:
        raise InputError(
            f"{path}: {error}; an image needs an id, and file_name, height and width are a text "
            "and two integers"
        ) from error


def read_ground_truth(source: Source) -> GroundTruth:
    """Read a COCO dictionary, from a file or parsed: :func:`locount.coco.read_truth`.

    Boxes without area, or outside their images, can't be found. As in COCO's own figures they are
    missed; a warning lists them.

    Raises:
        EvaluationInputError: listing every problem found.
    """
    file = coco.read_truth(source)
    file.faults.raise_if_any()
    if file.invisible:
        text = "%d box(es) of the ground truth can't be found, and count as missed:\n%s"
        logger.warning(text, len(file.invisible), listing(file.invisible.problems()))
    annotations = file.annotations
    return GroundTruth(
        image=file.image,
        category=file.category,
        boxes=annotations["bbox"],
        counts=file.counts,
        areas=annotations["area"],
        crowd=annotations["iscrowd"] == 1,
        image_ids=file.images["id"][file.image_order],
        category_ids=file.categories["id"][file.category_order],
        category_names=tuple(file.category_names),
    )


def read_detections(source: Source | coco.Table, gt: GroundTruth) -> Detections:
    """Read a list of detections of the images and categories of ``gt``, from a file or parsed:
    :func:`locount.coco.read_results`.

    Raises:
        EvaluationInputError: listing every problem found.
    """
    table, image, category, counts = coco.read_results(source, gt.image_ids, gt.category_ids)
    boxes, scores = table["bbox"], table["score"]
    return Detections(image=image, category=category, boxes=boxes, counts=counts, scores=scores)
