"""Ground truth and detections, checked, as arrays."""

from __future__ import annotations

import logging
import os
from os import PathLike, fspath

from .. import coco
from ..coco import PREDICTIONS, Source
from ..errors import DatasetError, listing
from .annotations import Detections, GroundTruth
from .legend import legend_beside, read_legend, translated
from .parquet import are_parts, read_parts

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
        source=source,
    )


def read_detections(source: Source, gt: GroundTruth) -> Detections:
    """Read detections of the images and categories of ``gt``.

    Args:
        source: a list of results, from a file or parsed: :func:`locount.coco.read_results`; parts
            as for :func:`.parquet.are_parts`; or the folder of a run of `locount predict`. What
            says how its photos or categories are called is matched by these names.
        gt: by names only if it was read itself.

    Raises:
        EvaluationInputError: listing every problem found.
        InputError: for names that ``gt`` lacks.
    """
    if isinstance(source, str | PathLike):
        path = results_file(source)
        table, faults = _of_file(source if path == fspath(source) else path, path, gt)
    else:
        table, faults = coco.read_results(source)
    known = (gt.image_ids, gt.category_ids, gt.category_names)
    image, category, counts = coco.check_results(table, faults, *known)
    boxes, scores = table["bbox"], table["score"]
    return Detections(image=image, category=category, boxes=boxes, counts=counts, scores=scores)


def results_file(source: str | PathLike) -> str:
    """The results in the folder of a run of `locount predict`; anything else as it is."""
    inside = os.path.join(source, PREDICTIONS)
    return inside if os.path.isfile(inside) else fspath(source)


def _of_file(source: str | PathLike, path: str, gt: GroundTruth) -> tuple[coco.Table, coco.Faults]:
    """Detections with the ids of the ground truth, and what is wrong with others."""
    if are_parts(path):
        table, legend = read_parts(path)
        return translated(table, legend, gt, path, of_run=True), coco.Faults(path)
    table, faults = coco.read_results(source)
    beside = None if gt.source is None else legend_beside(path)
    if beside is not None and not _is_file(gt.source, beside):
        faults.raise_if_any()
        legend = read_legend(beside)
        table = translated(table, legend, gt, path, of_run=path.endswith(PREDICTIONS))
    return table, faults


def _is_file(source: Source | None, path: str) -> bool:
    return isinstance(source, str | PathLike) and os.path.samefile(source, path)
