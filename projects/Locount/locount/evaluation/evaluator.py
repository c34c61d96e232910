"""The joint evaluation as a Detectron2 evaluator."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm

from ..coco import dataset_to_coco, results
from ..files import write_json
from .analysis.image_counts import ImageCounts
from .api import match, score_matches
from .legend import DETECTIONS, GROUND_TRUTH
from .result import merge_metrics
from .tables import count_errors_table, metrics_table, per_category_table

logger = logging.getLogger(__name__)


class LocountEvaluator(DatasetEvaluator):
    """Evaluate a registered dataset jointly in IoU and count, and blind to counts as COCO does.

    Any dataset in Detectron2's format will do. Without "count" on its annotations every box counts
    1; so does every detection of a model that predicts no ``pred_counts``. Detections are gathered
    over all processes, and the figures don't depend on how images were dealt to them.

    Writes locount_ground_truth.json and locount_instances_results.json, for ``locount evaluate``.
    """

    def __init__(
        self,
        dataset_name: str,
        *,
        distributed: bool = True,
        output_dir: str | None = None,
        max_dets: int | Sequence[int] = 150,
        score: float = 0.5,
    ):
        """
        Args:
            distributed: gather over processes and evaluate on the main one; else on each its own.
            output_dir: where to write the files; None writes nothing.
            max_dets: detections per image and category that count. With several, AP, AR and
                ARlc are given at each, everything else at the largest.
            score: from which on detections add to the number of products of an image.
        """
        if dataset_name not in DatasetCatalog:
            raise KeyError(f"The dataset {dataset_name!r} is not registered: register it first.")
        self._dataset_name = dataset_name
        self._distributed = distributed
        self._output_dir = Path(output_dir) if output_dir else None
        self._max_dets = sorted({max_dets} if isinstance(max_dets, int) else set(max_dets))
        self._score = score
        self.reset()

    def reset(self) -> None:
        self._predictions: list[dict[str, Any]] = []

    def process(self, inputs: list[dict], outputs: list[dict]) -> None:
        """Keep the detections of a batch.

        Args:
            inputs: dicts with "image_id".
            outputs: dicts with "instances": ``pred_boxes``, ``scores``, ``pred_classes`` and, where
                the model counts, ``pred_counts``; boxes in the size of the original image.
        """
        for input_, output in zip(inputs, outputs, strict=True):
            instances = output["instances"].to("cpu")
            counted = instances.has("pred_counts")
            self._predictions.append(
                {
                    "image_id": input_["image_id"],
                    "boxes": instances.pred_boxes.tensor.detach().numpy(),
                    "scores": instances.scores.detach().numpy(),
                    "classes": instances.pred_classes.numpy(),
                    "counts": instances.pred_counts.numpy()
                    if counted
                    else np.ones(len(instances), np.int64),
                }
            )

    def evaluate(self) -> OrderedDict[str, dict[str, float]]:
        """The figures as ``{"bbox": {name: value}, "count": {name: value}}``; ``{}`` off the main
        process.

        "count" has "MAE", "RMSE" and "bias" of the number of products per image, the sum of their
        counts, and "MAE-cv", the MAE at a score fitted on half of the images and judged on the
        other half (:meth:`.count_errors.ImageCounts.cross_fitted_errors`).

        Images without predictions count as missed; an image predicted twice counts once, its first
        time. Both are logged as warnings.
        """
        predictions = self._predictions
        if self._distributed:
            comm.synchronize()
            predictions = list(chain.from_iterable(comm.gather(predictions, dst=0)))
            if not comm.is_main_process():
                return OrderedDict()
        dataset = DatasetCatalog.get(self._dataset_name)
        category_ids, names = _categories(self._dataset_name)
        ground_truth = dataset_to_coco(dataset, category_ids, names)
        detections = _to_coco_results(self._one_per_image(predictions, dataset), category_ids)
        if self._output_dir:
            write_json(self._output_dir / GROUND_TRUTH, ground_truth)
            write_json(self._output_dir / DETECTIONS, detections)
        matcher = match(ground_truth, detections, self._max_dets[-1])
        scored = [score_matches(matcher, n) for n in self._max_dets]
        logger.info("%s, jointly in IoU and count:\n%s", self._dataset_name, metrics_table(scored))
        logger.info("Per category:\n%s", per_category_table(scored[-1]))
        counts = ImageCounts.of(matcher.gt, matcher.dt, items=True)
        errors, fitted = counts.errors(self._score), counts.cross_fitted_errors()
        rows = {f"{self._score} and above": errors, "fitted on the other half": fitted}
        logger.info("Products per image:\n%s", count_errors_table(rows, "score"))
        return OrderedDict(bbox=merge_metrics(scored), count=errors | {"MAE-cv": fitted["MAE"]})

    def _one_per_image(self, predictions: list[dict], dataset: list[dict]) -> list[dict]:
        """Predictions in the order of the dataset, each image once."""
        by_image: dict[Any, dict] = {}
        for prediction in predictions:
            by_image.setdefault(prediction["image_id"], prediction)
        if repeated := len(predictions) - len(by_image):
            logger.warning(
                "%d predictions for images that already had some were left out.", repeated
            )
        image_ids = [d["image_id"] for d in dataset]
        if unknown := by_image.keys() - set(image_ids):
            examples = ", ".join(map(repr, sorted(unknown, key=str)[:5]))
            raise ValueError(
                f"{len(unknown)} images with predictions are not in {self._dataset_name}, such as "
                f"{examples}: the data loader reads another dataset than the evaluator."
            )
        if missing := len(image_ids) - len(by_image):
            logger.warning(
                "%d of %d images have no predictions: their objects are missed.",
                missing,
                len(image_ids),
            )
        return [by_image[i] for i in image_ids if i in by_image]


def _categories(dataset_name: str) -> tuple[list[int], list[str]]:
    """Category id in files, and name, of each contiguous category."""
    metadata = MetadataCatalog.get(dataset_name)
    names = list(metadata.thing_classes)
    to_contiguous = metadata.get("thing_dataset_id_to_contiguous_id")
    if to_contiguous is None:
        return list(range(len(names))), names
    from_contiguous = {contiguous: dataset_id for dataset_id, contiguous in to_contiguous.items()}
    return [from_contiguous[k] for k in range(len(names))], names


def _to_coco_results(predictions: list[dict], category_ids: list[int]) -> list[dict]:
    return [
        entry
        for p in predictions
        for entry in results(
            p["image_id"],
            [category_ids[k] for k in p["classes"].tolist()],
            p["boxes"],
            p["scores"],
            p["counts"],
        )
    ]
