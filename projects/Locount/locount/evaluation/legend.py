"""What the ids of detections mean, where a file says it: then names decide, not numbers.

A run of `locount predict` numbers its photos itself, and its categories as its model's training
data did; `locount convert --to coco` numbers both from 1.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from os import PathLike, fspath

import msgspec
import numpy as np

from ..coco import IMAGES, PREDICTIONS, Source, Table
from ..errors import InputError, listing, some
from ..texts import JSON_ERRORS, read_utf8
from .annotations import GroundTruth

# What an evaluation writes.
GROUND_TRUTH = "locount_ground_truth.json"
DETECTIONS = "locount_instances_results.json"

_BESIDE = {PREDICTIONS: IMAGES, DETECTIONS: GROUND_TRUTH}


class Photo(msgspec.Struct, frozen=True):
    """An image of the ground truth, or of a run."""

    id: int | str
    file_name: str | None = None
    height: int | None = None
    width: int | None = None


class Category(msgspec.Struct, frozen=True):
    """A category of the ground truth, or of a model."""

    id: int
    name: str | None = None


class Legend(msgspec.Struct, frozen=True):
    """What the ids of a COCO file mean."""

    images: list[Photo]
    categories: list[Category]

    def agrees(self, other: Legend) -> bool:
        """Whether all ids mean the same there."""
        photos, others = ({p.id: p.file_name for p in legend.images} for legend in (self, other))
        return self.categories == other.categories and photos.items() <= others.items()


def read_legend(source: Source) -> Legend:
    """The legend of a COCO file, or of what is parsed of one.

    Raises:
        InputError: if it can't be read.
    """
    try:
        if isinstance(source, str | PathLike):
            return msgspec.json.decode(read_utf8(source), type=Legend)
        return msgspec.convert(source, Legend)
    except (msgspec.MsgspecError, *JSON_ERRORS) as error:
        raise InputError(
            f"{_name(source)}: {error}; an image needs an id, and file_name, height and width are "
            "a text and two integers; a category needs an id, and its name is a text"
        ) from error


def legend_beside(path: str | PathLike) -> str | None:
    """The file that says what the ids of results mean; None if there is none."""
    folder, name = os.path.split(fspath(path))
    beside = os.path.join(folder, _BESIDE[name]) if name in _BESIDE else ""
    return beside if os.path.isfile(beside) else None


def translated(table: Table, legend: Legend, gt: GroundTruth, path: str, *, of_run: bool) -> Table:
    """Detections with the ids that their photos and categories have in the ground truth.

    A photo is the image whose "file_name" is its name, or the end of it from a "/" on. A category
    is the one of its name; where the one or the other has no names, that of its id.

    Args:
        gt: that knows its source.
        path: of the detections, for messages.
        of_run: the ids of photos are a run's own numbers; else they are those of the data, and
            names decide only if the ground truth has others.

    Raises:
        InputError: for photos and categories that the ground truth lacks, and for ids that the
            legend lacks.
    """
    assert gt.source is not None
    truth, gt_path = read_legend(gt.source), _name(gt.source)
    if legend.agrees(truth):
        return table
    columns = dict(table.columns)

    def translate(key: str, meaning: dict, known: np.ndarray) -> None:
        ids, place = np.unique(columns[key], return_inverse=True)
        if lost := [i for i in ids.tolist() if i not in meaning]:
            raise InputError(
                f'{path}: "{key}" is {lost[0]!r}, and the file beside it that says what ids mean '
                "does not hold it: they are not of one run; predict or evaluate again"
            )
        columns[key] = np.array([meaning[i] for i in ids.tolist()], known.dtype)[place]

    if of_run or not {p.id for p in legend.images} <= {p.id for p in truth.images}:
        translate("image_id", _image_ids(legend, truth, path, gt_path), gt.image_ids)
    used = np.unique(columns["category_id"]).tolist()
    translate("category_id", _category_ids(legend, truth, used, path, gt_path), gt.category_ids)
    return Table(table.name, table.places, columns, table.others)


def _image_ids(legend: Legend, truth: Legend, path: str, gt_path: str) -> dict:
    """The ids that photos have in the ground truth, by those in the legend."""
    known = {photo.file_name: photo for photo in truth.images}
    if None in known:
        raise InputError(
            f'{gt_path}: photos are found in it by the "file_name" of its images, and image '
            f"{known[None].id!r} has none"
        )
    used: dict[int | str, Photo] = {}
    problems, ids = [], {}
    for photo in legend.images:
        name = photo.file_name or f"image {photo.id!r} without a file_name"
        found = next((known[end] for end in _ends(name) if end in known), None)
        if found is None:
            problems.append(f"{name} is not in the ground truth")
        elif (first := used.setdefault(found.id, photo)) is not photo:
            problems.append(f"{name} is the same image as {first.file_name}")
        elif (size := _size(photo)) and (wanted := _size(found)) and size != wanted:
            cure = "one of them obeyed its EXIF orientation, or it is another photo"
            problems.append(f"{name} was {size} pixels large, and is {wanted} there: {cure}")
        ids[photo.id] = None if found is None else found.id
    if problems:
        raise InputError(f"{path} doesn't fit the ground truth:\n{listing(problems)}")
    return ids


def _size(photo: Photo) -> str:
    return f"{photo.width}x{photo.height}" if photo.width and photo.height else ""


def _ends(name: str) -> Iterator[str]:
    """``a/b.jpg`` and ``b.jpg``."""
    yield name
    while "/" in name:
        name = name.split("/", 1)[1]
        yield name


def _category_ids(
    legend: Legend, truth: Legend, used: Sequence[int], path: str, gt_path: str
) -> dict[int, int]:
    """The ids that categories have in the ground truth, by those in the legend.

    Args:
        used: those of detections, which the ground truth must have.
    """
    if any(category.name is None for category in (*legend.categories, *truth.categories)):
        return {category.id: category.id for category in legend.categories}
    known = {category.name: category.id for category in truth.categories}
    names = {category.id: category.name for category in legend.categories}
    if lacking := [name for i in used if (name := names.get(i, "")) and name not in known]:
        raise InputError(
            f"{path}: categories are matched by name, and {gt_path} lacks {some(lacking)}. "
            f"The detections' are {some([*names.values()])}; those of the ground truth "
            f"{some([*known])}: rename one of the two, or use a ground truth with these categories"
        )
    return {i: known[name] for i, name in names.items() if name in known}


def _name(source: Source) -> str:
    return fspath(source) if isinstance(source, str | PathLike) else "the ground truth"
