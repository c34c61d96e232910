"""Reading and checking ground truth (COCO json with "count") and detections (COCO results json with "count", or npz)."""

from __future__ import annotations

import json
import zipfile
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from .annotations import Detections, GroundTruth
from .columns import Field, read_columns
from .problems import Problems
from .protocol import MAX_COUNT

Source = str | PathLike | dict | list


def read_ground_truth(source: Source) -> GroundTruth:
    """Read a COCO dictionary with "images", "categories" and "annotations" from a file, or take it as parsed.

    Annotations need "image_id", "category_id" and "bbox" (XYWH). "id", "area" and "count" must stand in all of them or in
    none; without "count" each is 1, without "area" it is the box's. "iscrowd" is 0 where it is missing. "ignore" means
    nothing, as in pycocotools.

    Raises:
        EvaluationInputError: listing every problem found.
    """
    problems = Problems(_name(source, "ground truth"))
    data = _load(source, problems)
    if not isinstance(data, dict):
        problems.add(
            "file",
            f"holds a {type(data).__name__}, not an object with images, categories and annotations",
        )
    for key in ("images", "categories", "annotations"):
        if isinstance(data, dict) and key not in data:
            problems.add(
                "file",
                f'has no "{key}"; ground truth is a COCO json with images, categories and annotations',
            )
    problems.raise_if_any()

    _, images = read_columns(data["images"], "images", {"id": Field("id")}, problems)
    category_fields = {"id": Field("integer"), **_if_any(data["categories"], name=Field("text"))}
    _, categories = read_columns(data["categories"], "categories", category_fields, problems)
    for name, ids in (("images", images["id"]), ("categories", categories["id"])):
        _check_unique(ids, name, np.arange(len(ids)), problems)
    problems.raise_if_any()
    image_ids = np.sort(images["id"])
    order = np.argsort(categories["id"])
    category_ids = categories["id"][order]
    names = categories.get("name", categories["id"])[order]

    entries = data["annotations"]
    fields = {
        "image_id": Field("id"),
        "category_id": Field("integer"),
        "bbox": Field("box"),
        "iscrowd": Field("flag", default=False),
        **_if_any(entries, id=Field("integer"), area=Field("number"), count=Field("integer")),
    }
    places, columns = read_columns(entries, "annotations", fields, problems)
    if "id" in columns:
        _check_unique(columns["id"], "annotations", places, problems)
    if "area" in columns:
        bad = ~(np.isfinite(columns["area"]) & (columns["area"] >= 0))
        _report(
            bad,
            "annotations",
            places,
            problems,
            lambda i: f'"area" is {columns["area"][i]}; it must be 0 or more',
        )
    shared = _checked(columns, "annotations", places, image_ids, category_ids, problems)
    problems.raise_if_any()
    boxes = shared["boxes"]
    return GroundTruth(
        **shared,
        areas=columns["area"] if "area" in columns else boxes[:, 2] * boxes[:, 3],
        crowd=columns["iscrowd"],
        image_ids=image_ids,
        category_ids=category_ids,
        category_names=tuple(str(name) for name in names),
    )


def read_detections(source: Source, gt: GroundTruth) -> Detections:
    """Read a list of detections of the images and categories of ``gt`` from a file, or take it as parsed.

    Each needs "image_id", "category_id", "bbox" (XYWH) and "score"; "count" in all or in none, which means 1. A file
    ``*.npz`` holds the same as arrays of these names, (N,) and (N, 4). An empty list is legal.

    Raises:
        EvaluationInputError: listing every problem found.
    """
    problems = Problems(_name(source, "detections"))
    fields = {
        "image_id": Field("id"),
        "category_id": Field("integer"),
        "bbox": Field("box"),
        "score": Field("number"),
    }
    if isinstance(source, str | PathLike) and fspath(source).endswith(".npz"):
        columns = _load_npz(source, fields, problems)
        places = np.arange(len(columns["score"]))
    else:
        entries = _load(source, problems)
        if isinstance(entries, dict):
            problems.add("file", "holds an object, not a list of detections; is it ground truth?")
            problems.raise_if_any()
        fields |= _if_any(entries, count=Field("integer"))
        places, columns = read_columns(entries, "detections", fields, problems)
    bad = ~np.isfinite(columns["score"])
    _report(
        bad,
        "detections",
        places,
        problems,
        lambda i: f'"score" is {columns["score"][i]}; it must be finite',
    )
    shared = _checked(columns, "detections", places, gt.image_ids, gt.category_ids, problems)
    problems.raise_if_any()
    return Detections(**shared, scores=columns["score"])


def _name(source: Source, otherwise: str) -> str:
    return fspath(source) if isinstance(source, str | PathLike) else otherwise


def _load(source: Source, problems: Problems) -> Any:
    if not isinstance(source, str | PathLike):
        return source
    try:
        data = Path(source).read_bytes()
    except OSError as error:
        problems.add("file", f"can't be read ({error.strerror}); check the path")
        problems.raise_if_any()
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        # The standard library also reads NaN and Infinity, so that the entries that hold them can be named.
        try:
            return json.loads(data)
        except ValueError as error:
            problems.add(
                "file", f"is no valid JSON ({error}); it may have been cut off: write it again"
            )
            problems.raise_if_any()


def _load_npz(
    source: str | PathLike, fields: dict[str, Field], problems: Problems
) -> dict[str, np.ndarray]:
    try:
        with np.load(source, allow_pickle=False) as file:
            arrays = dict(file)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        problems.add("file", f"can't be read as npz ({error}); write it with numpy.savez")
        problems.raise_if_any()
    kinds = {"id": "iuU", "integer": "iu", "number": "fiu", "box": "fiu"}
    dtypes = {"integer": np.int64, "number": np.float64, "box": np.float64}
    columns = {}
    for key, field in {**fields, "count": Field("integer")}.items():
        if key not in arrays:
            if key != "count":
                problems.add(
                    key,
                    "is missing; the arrays are " + ", ".join(fields) + " and, if counted, count",
                )
            continue
        array = arrays[key]
        shape = (len(arrays.get("score", array)), *([4] if field.kind == "box" else []))
        if array.dtype.kind not in kinds[field.kind] or array.shape != shape:
            problems.add(
                key, f"is {array.dtype} {array.shape}; it must hold {field.kind}s, shape {shape}"
            )
        columns[key] = array.astype(dtypes.get(field.kind, array.dtype))
    problems.raise_if_any()
    return columns


def _if_any(entries: Any, **fields: Field) -> dict[str, Field]:
    """Those of ``fields`` that at least one entry has; then every entry needs them."""
    if not isinstance(entries, list | tuple):
        return {}
    return {
        key: f
        for key, f in fields.items()
        if any(isinstance(e, dict) and key in e for e in entries)
    }


def _report(bad, name, places, problems: Problems, text) -> None:
    problems.add_where(bad, lambda i: f"{name}[{places[i]}]", text)


def _check_unique(ids, name, places, problems: Problems) -> None:
    _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
    first = first[inverse]
    text = lambda i: f'"id" {ids[i]} is also that of {name}[{places[first[i]]}]; ids must be unique'  # noqa: E731
    _report(first != np.arange(len(ids)), name, places, problems, text)


def _lookup(ids: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of each of ``ids`` in the ascending ``known``, and whether it is there."""
    if (
        len(known) == 0
        or ids.dtype.kind != known.dtype.kind
        and "U" in ids.dtype.kind + known.dtype.kind
    ):
        return np.zeros(len(ids), np.int32), np.zeros(len(ids), bool)
    place = np.searchsorted(known, ids).clip(max=len(known) - 1)
    return place.astype(np.int32), known[place] == ids


def _checked(
    columns, name, places, image_ids, category_ids, problems: Problems
) -> dict[str, np.ndarray]:
    """What ground truth and detections have in common, checked."""
    image, known_image = _lookup(columns["image_id"], image_ids)
    category, known_category = _lookup(columns["category_id"], category_ids)
    boxes = columns["bbox"]
    for key, known, where in (
        ("image_id", known_image, "images"),
        ("category_id", known_category, "categories"),
    ):
        text = lambda i, key=key, where=where: (  # noqa: E731
            f'"{key}" {columns[key][i]!s} is not among the {where} of the ground truth; '
            "use the files of one dataset, or leave the entry out"
        )
        _report(~known, name, places, problems, text)
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(boxes).all(1) & np.isfinite(boxes[:, 2] * boxes[:, 3])
    text = lambda i: f'"bbox" is {boxes[i].tolist()}; its numbers must be finite'  # noqa: E731
    _report(~finite, name, places, problems, text)
    text = lambda i: f'"bbox" is {boxes[i].tolist()}; width and height must be 0 or more (XYWH)'  # noqa: E731
    _report(finite & (boxes[:, 2:] < 0).any(1), name, places, problems, text)
    counts = columns.get("count", np.ones(len(boxes), np.int64))
    text = lambda i: f'"count" is {counts[i]}; it must be from 1 to {MAX_COUNT}'  # noqa: E731
    _report((counts < 1) | (counts > MAX_COUNT), name, places, problems, text)
    return {
        "image": image,
        "category": category,
        "boxes": np.ascontiguousarray(boxes),
        "counts": counts,
        "has_counts": "count" in columns,
    }
