"""Ground truth and detections, checked, as arrays."""

from __future__ import annotations

import logging

from .. import coco
from ..coco import Source
from ..errors import DatasetError, listing
from .annotations import Detections, GroundTruth

logger = logging.getLogger(__name__)

# What can't be evaluated can't be trained on either, and the other way round.
EvaluationInputError = DatasetError


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
