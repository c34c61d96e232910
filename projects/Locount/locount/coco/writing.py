"""Writing ground truth and results."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

# What a run of `locount predict` writes.
IMAGES, PREDICTIONS = "images.json", "predictions.json"
# Detectron2's BoxMode, which is an integer, by its values.
_XYXY_ABS, _XYWH_ABS = 0, 1


def xywh(boxes: np.ndarray) -> np.ndarray:
    """XYXY boxes, N x 4, as XYWH in float64: float32 would round the sides."""
    boxes = boxes.astype(np.float64).reshape(-1, 4)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes


def dataset_to_coco(dataset: list[dict], category_ids: list[int], names: list[str]) -> dict:
    """Detectron2 dataset dicts as a COCO dictionary; annotations are numbered from 1 on.

    Args:
        dataset: with "count" on the annotations, or without.
        category_ids, names: of each contiguous category.
    """
    annotations: list[dict] = []
    for image in dataset:
        for entry in image.get("annotations", ()):
            box = _xywh(entry["bbox"], entry["bbox_mode"])
            annotation = {
                "id": len(annotations) + 1,
                "image_id": image["image_id"],
                "category_id": category_ids[entry["category_id"]],
                "bbox": box,
                "area": entry.get("area", box[2] * box[3]),
                "iscrowd": int(entry.get("iscrowd", 0)),
            }
            annotations.append(annotation | ({"count": entry["count"]} if "count" in entry else {}))
    images = [
        {"id": d["image_id"], **{k: d[k] for k in ("file_name", "height", "width") if k in d}}
        for d in dataset
    ]
    categories = [{"id": i, "name": n} for i, n in zip(category_ids, names, strict=True)]
    return {"images": images, "categories": categories, "annotations": annotations}


def _xywh(box: Sequence[float], mode: int) -> list[float]:
    # Not BoxMode.convert, which rounds to float32.
    x, y, right, bottom = map(float, box)
    if mode == _XYWH_ABS:
        return [x, y, right, bottom]
    if mode == _XYXY_ABS:
        return [x, y, right - x, bottom - y]
    raise ValueError(f"Boxes must be XYXY_ABS or XYWH_ABS, not {mode!r}.")


def result(
    image_id: int | str,
    category_id: int,
    bbox: Sequence[float],
    score: float,
    count: int,
    count_score: float | None = None,
) -> dict[str, Any]:
    """An entry of a COCO results list.

    Args:
        bbox: XYWH.
        count_score: left out where it is None.
    """
    entry = {
        "image_id": image_id,
        "category_id": category_id,
        "bbox": bbox,
        "score": score,
        "count": count,
    }
    return entry if count_score is None else entry | {"count_score": count_score}


def results(
    image_id: int | str, category_ids: Iterable[int], boxes: np.ndarray, *columns: np.ndarray
) -> list[dict[str, Any]]:
    """The detections of an image.

    Args:
        boxes: N x 4, XYXY.
        columns: scores and counts, and the scores of these where there are any, N each.
    """
    rows = zip(category_ids, xywh(boxes).tolist(), *(c.tolist() for c in columns), strict=True)
    return [result(image_id, *row) for row in rows]
