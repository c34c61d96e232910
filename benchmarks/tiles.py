"""Photos in tiles that know counts, beside other ways to predict on large photos.

    python benchmarks/tiles.py --weights shelf --validate DATASET... --test DATASET...

All ways but the two passes over the photo put the same views together. The score from which on
boxes are totalled is chosen for each way on the datasets for validation. The way of SAHI is there
if the package is.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.layers import batched_nms
from detectron2.structures import Boxes, BoxMode, Instances
from tabulate import tabulate

from locount.data import read_image, register_datasets
from locount.evaluation import evaluate_detections
from locount.inference import Predictor, predictor
from locount.inference.prediction import Prediction
from locount.inference.tiles import merge

SCORES = np.arange(0.1, 0.95, 0.05)
MAX_DETS = 1000
WAYS = (
    "whole photo, made smaller",
    "one pass over all pixels",
    "tiles, NMS",
    "tiles, SAHI",
    "tiles",
)


class Photo(NamedTuple):
    """A photo with its truth and what each way predicts."""

    file_name: str
    annotations: list[dict]
    found: dict[str, Prediction]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", default="shelf")
    parser.add_argument("--tiles", help="default: of the size of the model's input")
    parser.add_argument("--validate", nargs="+", required=True, metavar="DATASET")
    parser.add_argument("--test", nargs="+", required=True, metavar="DATASET")
    args = parser.parse_args(argv)
    look = _Ways(args.weights, args.tiles)
    validation, test = (
        [photo for name in names for photo in look(name)] for names in (args.validate, args.test)
    )
    overlap = look.tiled.cfg.PREDICT.MAX_OVERLAP
    rows = []
    for way in test[0].found:
        least = min(SCORES, key=lambda s: _error(validation, way, s, overlap))
        metrics = evaluate_detections(*_coco(test, way), MAX_DETS).metrics
        rows.append(
            {
                "way": way,
                **{name: f"{metrics[name]:.1f}" for name in ("AP", "AP50", "APlc", "APlc50")},
                "score": f"{least:.2f}",
                "error of totals": f"{_error(test, way, least, overlap):.1%}",
                "by category": f"{_error(test, way, least, overlap, by_category=True):.1%}",
            }
        )
    boxes = [len(photo.annotations) for photo in test]
    print(f"{len(test)} photos of {min(boxes)} to {max(boxes)} boxes, {look.tiled.device}")
    print(tabulate(rows, headers="keys", tablefmt="pipe", disable_numparse=True))


class _Ways:
    def __init__(self, weights: str, tiles: str | None):
        self.whole = Predictor(weights=weights, tiles="none")
        self.cfg = self.whole.cfg
        inputs = self.cfg.INPUT
        size = inputs.MAX_SIZE_TEST, inputs.MIN_SIZE_TEST
        self.tiled = Predictor(weights=weights, tiles=tiles or size)

    def __call__(self, name: str) -> Iterable[Photo]:
        """The photos of a dataset."""
        register_datasets([name])
        assert list(MetadataCatalog.get(name).thing_classes) == list(self.tiled.classes.names)
        for entry in DatasetCatalog.get(name):
            pixels = read_image(entry["file_name"])
            with patch.object(predictor, "merge", wraps=merge) as merging:
                tiles = self.tiled(pixels).everything
            views = merging.call_args.args
            ways = (
                self.whole(pixels).everything,
                self._one_pass(*pixels.shape[:2])(pixels).everything,
                _with(tiles, _nms(*views, self.cfg.MODEL.ROI_HEADS.NMS_THRESH_TEST)),
                _with(tiles, merged) if (merged := _sahi(*views)) else None,
                tiles,
            )
            found = {title: way for title, way in zip(WAYS, ways, strict=True) if way is not None}
            yield Photo(entry["file_name"], entry["annotations"], found)
            print(f"{entry['file_name']}: {len(entry['annotations'])} boxes", flush=True)

    def _one_pass(self, height: int, width: int) -> Predictor:
        """It may find as many boxes as all tiles."""
        cfg = self.cfg.clone()
        cfg.defrost()
        cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST = sorted((height, width))
        cfg.MODEL.RPN.PRE_NMS_TOPK_TEST, cfg.MODEL.RPN.POST_NMS_TOPK_TEST = 8000, 4000
        cfg.TEST.DETECTIONS_PER_IMAGE = 2 * MAX_DETS
        return Predictor(cfg, tiles="none")


def _together(found: Sequence[Instances], regions: np.ndarray, size: tuple[int, int]) -> Instances:
    moved = []
    for instances, (x, y, *_) in zip(found, regions.tolist(), strict=True):
        boxes = Boxes(instances.pred_boxes.tensor + torch.tensor([x, y, x, y]))
        moved.append(Instances(size, **{**instances.get_fields(), "pred_boxes": boxes}))
    return Instances.cat(moved)


def _nms(found: Sequence[Instances], regions: np.ndarray, size: tuple[int, int], iou: float):
    all_ = _together(found, regions, size)
    return all_[batched_nms(all_.pred_boxes.tensor, all_.scores, all_.pred_classes, iou)]


def _sahi(found: Sequence[Instances], regions: np.ndarray, size: tuple[int, int]):
    """Greedy non-maximum merging with SAHI's defaults: boxes of a class that share half of the
    smaller one become one, with the score, and here the count, of the best."""
    try:
        from sahi.postprocess.combine import greedy_nmm
    except ImportError:
        return None
    all_ = _together(found, regions, size)
    boxes = all_.pred_boxes.tensor.clone()
    kept = []
    for k in all_.pred_classes.unique():
        rows = torch.nonzero(all_.pred_classes == k).flatten()
        table = torch.cat([boxes[rows], all_.scores[rows, None], k.expand(len(rows), 1)], dim=1)
        for i, others in greedy_nmm(table.numpy(), "IOS", 0.5).items():
            group = rows[[i, *others]]
            boxes[rows[i], :2] = all_.pred_boxes.tensor[group, :2].amin(dim=0)
            boxes[rows[i], 2:] = all_.pred_boxes.tensor[group, 2:].amax(dim=0)
            kept.append(int(rows[i]))
    all_.pred_boxes = Boxes(boxes)
    kept = all_[kept]
    return kept[kept.scores.argsort(descending=True)]


def _with(prediction: Prediction, instances: Instances) -> Prediction:
    return Prediction(prediction.name, instances, prediction.classes)


def _error(
    photos: Sequence[Photo], way: str, score: float, overlap: float, by_category: bool = False
) -> float:
    """Mean over the photos of |items found - items| / items; of the sum over the categories."""
    errors = []
    for photo in photos:
        shown = photo.found[way].above(score).without_parts(overlap)
        number = len(shown.classes.names)
        truth = np.bincount(
            [a["category_id"] for a in photo.annotations],
            [a["count"] for a in photo.annotations],
            number,
        )
        found = np.bincount(shown.class_ids, shown.counts, number)
        wrong = abs(found - truth).sum() if by_category else abs((found - truth).sum())
        errors.append(wrong / truth.sum())
    return float(np.mean(errors))


def _coco(photos: Sequence[Photo], way: str) -> tuple[dict, list[dict]]:
    images, annotations, results = [], [], []
    for i, photo in enumerate(photos):
        prediction = photo.found[way]
        images.append({"id": i, "height": prediction.height, "width": prediction.width})
        for a in photo.annotations:
            x, y, w, h = BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYWH_ABS)
            entry = {"bbox": [x, y, w, h], "area": w * h, "count": a["count"], "iscrowd": 0}
            annotations.append(
                {"id": len(annotations), "image_id": i, "category_id": a["category_id"], **entry}
            )
        for (x1, y1, x2, y2), category, score, count in zip(
            prediction.boxes.tolist(),
            prediction.class_ids.tolist(),
            prediction.scores.tolist(),
            prediction.counts.tolist(),
            strict=True,
        ):
            entry = {"bbox": [x1, y1, x2 - x1, y2 - y1], "score": score, "count": count}
            results.append({"image_id": i, "category_id": category, **entry})
    categories = [{"id": k, "name": n} for k, n in enumerate(prediction.classes.names)]
    return {"images": images, "annotations": annotations, "categories": categories}, results


if __name__ == "__main__":
    main()
