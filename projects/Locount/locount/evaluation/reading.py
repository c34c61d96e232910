"""Reading and checking ground truth and detections."""

from __future__ import annotations

from os import PathLike, fspath
from typing import Any

import msgspec
import numpy as np

from ..texts import JSON_ERRORS, TextError, read_arrays, read_utf8
from .annotations import Detections, GroundTruth
from .columns import BOX, FLAG, ID, INTEGER, NUMBER, TEXT, Field, decode_json, read_columns
from .problems import Problems
from .protocol import MAX_COUNT

Source = str | PathLike | dict | list

ANNOTATION = {
    "image_id": Field(ID),
    "category_id": Field(INTEGER),
    "bbox": Field(BOX),
    "iscrowd": Field(FLAG, default=0),
    "id": Field(INTEGER, optional=True),
    "area": Field(NUMBER, optional=True),
    "count": Field(INTEGER, optional=True),
}
DETECTION = {
    "image_id": Field(ID),
    "category_id": Field(INTEGER),
    "bbox": Field(BOX),
    "score": Field(NUMBER),
    "count": Field(INTEGER, optional=True),
}


def read_ground_truth(source: Source) -> GroundTruth:
    """Read a COCO dictionary with "images", "categories" and "annotations", from a file or parsed.

    Annotations need "image_id", "category_id" and "bbox" (XYWH). "id", "area" and "count" stand in
    all of them or in none; without "count" each is 1, without "area" it is the box's. "iscrowd" is
    0 where it is missing. "ignore" means nothing, as in pycocotools.

    Raises:
        EvaluationInputError: listing every problem found.
    """
    problems = Problems(_name(source, "ground truth"))
    data = _outline(_load(source, problems), problems)
    if not isinstance(data, dict):
        problems.add("file", "holds no object with images, categories and annotations")
        problems.raise_if_any()
    for key in ("images", "categories", "annotations"):
        if key not in data:
            problems.add(
                "file", f'has no "{key}": ground truth is a COCO json with all three lists'
            )
    problems.raise_if_any()

    places, images = read_columns(data["images"], "images", {"id": Field(ID)}, problems)
    _check_unique(images["id"], "images", places, problems)
    fields = {"id": Field(INTEGER), "name": Field(TEXT, optional=True)}
    places, categories = read_columns(data["categories"], "categories", fields, problems)
    _check_unique(categories["id"], "categories", places, problems)
    by_id = np.argsort(categories["id"])
    image_ids, category_ids = np.sort(images["id"]), categories["id"][by_id]

    places, columns = read_columns(data["annotations"], "annotations", ANNOTATION, problems)
    if "id" in columns:
        _check_unique(columns["id"], "annotations", places, problems)
    objects = _checked("annotations", places, columns, image_ids, category_ids, problems)
    problems.raise_if_any()
    return GroundTruth(
        **objects,
        areas=columns["area"]
        if "area" in columns
        else columns["bbox"][:, 2] * columns["bbox"][:, 3],
        crowd=columns["iscrowd"] == 1,
        image_ids=image_ids,
        category_ids=category_ids,
        category_names=tuple(categories.get("name", categories["id"])[by_id].astype(str).tolist()),
    )


def read_detections(source: Source, gt: GroundTruth) -> Detections:
    """Read a list of detections of the images and categories of ``gt``, from a file or parsed.

    Each needs "image_id", "category_id", "bbox" (XYWH) and "score"; "count" stands in all or in
    none, which means 1. A file ``*.npz`` holds arrays of these names instead, (N,) and (N, 4) for
    boxes. No detections at all are legal.

    Raises:
        EvaluationInputError: listing every problem found.
    """
    problems = Problems(_name(source, "detections"))
    if isinstance(source, str | PathLike) and fspath(source).endswith(".npz"):
        columns = _load_npz(source, problems)
        places = np.arange(len(columns["score"]))
    else:
        entries = _load(source, problems)
        places, columns = read_columns(entries, "detections", DETECTION, problems)
    objects = _checked("detections", places, columns, gt.image_ids, gt.category_ids, problems)
    problems.raise_if_any()
    return Detections(**objects, scores=columns["score"])


def _name(source: Source, otherwise: str) -> str:
    return fspath(source) if isinstance(source, str | PathLike) else otherwise


def _load(source: Source, problems: Problems) -> dict | list | msgspec.Raw:
    """The JSON of a file, not yet decoded, or what the caller has parsed."""
    if not isinstance(source, str | PathLike):
        return source
    try:
        return msgspec.Raw(read_utf8(source))
    except TextError as error:
        problems.add("file", error.reason)
        problems.raise_if_any()


def _outline(data: Any, problems: Problems) -> Any:
    """``data``, an object, with its values not yet decoded."""
    if not isinstance(data, msgspec.Raw):
        return data
    try:
        return msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except JSON_ERRORS:
        return decode_json(data, problems)


def _load_npz(source: str | PathLike, problems: Problems) -> dict[str, np.ndarray]:
    try:
        arrays = read_arrays(source, DETECTION)
    except TextError as error:
        problems.add("file", error.reason)
        problems.raise_if_any()
    letters = {ID: "iuU", INTEGER: "iu", NUMBER: "iuf", BOX: "iuf"}
    num = max((len(a) for a in arrays.values() if a.ndim), default=0)
    for key, field in DETECTION.items():
        shape = (num, 4) if field.kind is BOX else (num,)
        if key not in arrays:
            if not field.optional:
                problems.add(key, f"is missing: add the array, shape {shape}")
            continue
        array = arrays[key]
        if array.dtype.kind not in letters[field.kind] or array.shape != shape:
            found = f"has type {array.dtype} and shape {array.shape}"
            problems.add(key, f"{found}; each entry must be {field.kind.wanted}, shape {shape}")
        elif array.dtype.kind != "U":
            arrays[key] = array.astype(field.kind.dtype or np.int64)
    problems.raise_if_any()
    return arrays


def _check_unique(ids: np.ndarray, name: str, places: np.ndarray, problems: Problems) -> None:
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    first = first[inverse]

    def text(i: int) -> str:
        return f'"id" {ids[i]} is that of {name}[{places[first[i]]}] already: ids must differ'

    problems.add_where(first != np.arange(len(ids)), name, places, text)


def _lookup(ids: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of each of ``ids`` in the ascending ``known``, and whether it is there."""
    if len(known) == 0 or (ids.dtype.kind == "U") != (known.dtype.kind == "U"):
        return np.zeros(len(ids), np.int32), np.zeros(len(ids), np.bool_)
    place = np.searchsorted(known, ids).clip(max=len(known) - 1)
    return place.astype(np.int32), known[place] == ids


def _checked(
    name: str,
    places: np.ndarray,
    columns: dict[str, np.ndarray],
    image_ids: np.ndarray,
    category_ids: np.ndarray,
    problems: Problems,
) -> dict[str, Any]:
    """The fields that ground truth and detections share, their values checked."""

    def check(good: np.ndarray, key: str, text: str) -> None:
        problems.add_where(
            ~good, name, places, lambda i: f'"{key}" is {columns[key][i].tolist()!r}; {text}'
        )

    image, known_image = _lookup(columns["image_id"], image_ids)
    category, known_category = _lookup(columns["category_id"], category_ids)
    boxes = columns["bbox"]
    counts = columns.get("count", np.ones(len(boxes), np.int64))
    one_dataset = "of the ground truth has it: use files of one dataset, or leave the entry out"
    check(known_image, "image_id", f"no image {one_dataset}")
    check(known_category, "category_id", f"no category {one_dataset}")
    x, y, width, height = boxes.T
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(x) & np.isfinite(y) & np.isfinite(width * height)
    check(finite, "bbox", "its numbers, and its area, must be finite")
    not_negative = (width >= 0) & (height >= 0)
    check(not_negative | ~finite, "bbox", "width and height must be 0 or more")
    if "count" in columns:
        check((counts >= 1) & (counts <= MAX_COUNT), "count", f"it must be from 1 to {MAX_COUNT}")
    if "score" in columns:
        check(np.isfinite(columns["score"]), "score", "it must be finite")
    if "area" in columns:
        areas = columns["area"]
        check(np.isfinite(areas) & (areas >= 0), "area", "it must be finite and 0 or more")
    return {"image": image, "category": category, "boxes": boxes, "counts": counts}
