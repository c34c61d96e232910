"""Which values are right. One rule for all who read COCO files; docs/data.md says it in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..counting import MAX_COUNT
from ..errors import some
from .columns import Table
from .faults import Faults

# How far a box may reach over the edge of its image: COCO files round to fractions of a pixel.
EDGE_TOLERANCE = 1.0
NO_AREA = float("-inf")  # of an annotation without "area"
_SMALL = 1 << 16  # entries of a table that may be empty
MAX_SIDE = 1_000_000_000  # of an image, in pixels


def check_ids(table: Table, faults: Faults) -> None:
    """Each id once."""
    _check_unique(table, "id", "ids must differ", faults)


def check_names(table: Table, faults: Faults) -> None:
    """Each name once, none of them blank."""
    blank = np.array([not name.strip() for name in table["name"].tolist()], np.bool_)
    _complain(blank, table, "name", "write a name", faults)
    _check_unique(table, "name", "rename one of them", faults)


def check_sizes(table: Table, faults: Faults) -> None:
    """Sizes of images, where they are written."""
    for key in sorted({"height", "width"} & table.columns.keys()):
        good = (table[key] >= 1) & (table[key] <= MAX_SIDE)
        _complain(~good, table, key, "write the number of pixels", faults)


def lookup(ids: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of each of ``ids`` in the ascending ``known``, and whether it is there."""
    if len(known) == 0 or (ids.dtype.kind == "U") != (known.dtype.kind == "U"):
        return np.zeros(len(ids), np.int32), np.zeros(len(ids), np.bool_)
    if known.dtype.kind != "U" and int(known[-1]) - int(known[0]) < 4 * len(known) + _SMALL:
        # A table takes a tenth of the time of a search; of equal ids it holds the first.
        place_of = np.full(int(known[-1]) - int(known[0]) + 1, -1, np.int32)
        place_of[known[::-1] - known[0]] = np.arange(len(known), dtype=np.int32)[::-1]
        place = place_of.take(ids - known[0], mode="clip")
    else:
        place = np.searchsorted(known, ids).clip(max=len(known) - 1).astype(np.int32)
    return place, known[place] == ids


def check_references(table: Table, key: str, known: np.ndarray, faults: Faults) -> None:
    """The images or categories of annotations, each by itself."""
    _, found = lookup(table[key], known)
    text = f"no {key.removesuffix('_id')} of the ground truth has it: correct or delete it"
    _complain(~found, table, key, text, faults)


def check_known(
    table: Table, key: str, known: np.ndarray, shown: Sequence[object], faults: Faults
) -> np.ndarray:
    """The images or categories of detections; one fault for all that are unknown, for files of
    different datasets have them by the thousand.

    Args:
        shown: the known ones, for the message.

    Returns:
        Their places among the ascending known ones.
    """
    place, found = lookup(table[key], known)
    if len(unknown := np.flatnonzero(~found)):
        value, number = table[key][unknown[0]].tolist(), len(unknown) - 1
        more = f", nor those of {number} more detections" if number else ""
        text = (
            f'"{key}" is {value!r}; no {key.removesuffix("_id")} of the ground truth has it{more}. '
            f"The detections have {some(np.unique(table[key]).tolist())}; the ground truth "
            f"{some(shown)}: use files of one dataset, number them alike (`locount predict` "
            "writes names: give its folder), or correct or delete it"
        )
        faults.add(table.name, int(table.places[unknown[0]]), text)
    return place


def check_objects(table: Table, count: str, faults: Faults) -> None:
    """What annotations and detections share: boxes and counts; and areas and scores."""
    width, height = table["bbox"].T[2:]
    with np.errstate(over="ignore", invalid="ignore"):
        box_areas = width * height
    finite = _finite(table["bbox"])
    _complain(~finite, table, "bbox", "its corners and its area must be finite", faults)
    negative = ((width < 0) | (height < 0)) & finite
    cure = (
        "width and height must be 0 or more: swap the corners (?mend in a dataset's name, "
        "convert --mend, check-data --fix)"
    )
    _complain(negative, table, "bbox", cure, faults)
    if count in table.columns:
        wrong = (table[count] < 1) | (table[count] > MAX_COUNT)
        _complain(wrong, table, count, f"it must be from 1 to {MAX_COUNT}", faults)
    if "score" in table.columns:
        _complain(~np.isfinite(table["score"]), table, "score", "it must be finite", faults)
    if "area" in table.columns:
        areas = table["area"]
        areas[areas == NO_AREA] = box_areas[areas == NO_AREA]
        good = (np.isfinite(areas) & (areas >= 0)) | negative | ~finite
        _complain(~good, table, "area", "it must be finite and 0 or more", faults)


def outside(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Which XYWH boxes reach more than ``EDGE_TOLERANCE`` outside their images.

    Args:
        sizes: N x 2, height and width of the image of each, in pixels; 0 where it is not known.
    """
    x, y, width, height = boxes.T
    limits = sizes.T + EDGE_TOLERANCE
    with np.errstate(over="ignore", invalid="ignore"):  # such boxes are faults already
        right, bottom = x + width, y + height
    over = (np.minimum(x, y) < -EDGE_TOLERANCE) | (right > limits[1]) | (bottom > limits[0])
    return over & (sizes[:, 0] > 0) & (sizes[:, 1] > 0)


def _finite(boxes: np.ndarray) -> np.ndarray:
    """Which XYWH boxes have four corners and an area."""
    x, y, width, height = boxes.T
    with np.errstate(over="ignore", invalid="ignore"):
        return np.isfinite(x + width) & np.isfinite(y + height) & np.isfinite(width * height)


def check_visible(table: Table, sizes: np.ndarray, faults: Faults) -> None:
    """Boxes that a detector can find: they have an area, and lie in their images."""
    boxes = table["bbox"]
    width, height = boxes.T[2:]
    empty = (width == 0) | (height == 0)
    _complain(empty, table, "bbox", "width and height must be above 0 to be found", faults)
    _complain(
        outside(boxes, sizes) & (width >= 0) & (height >= 0) & _finite(boxes),
        table,
        "bbox",
        lambda i: (
            f"it reaches outside its image of {sizes[i, 1]}x{sizes[i, 0]} pixels: cut it to "
            "the image (?mend in a dataset's name, convert --mend, check-data --fix)"
        ),
        faults,
        misfit=True,
    )


def _complain(
    bad: np.ndarray,
    table: Table,
    key: str,
    text: str | Callable[[int], str],
    faults: Faults,
    misfit: bool = False,
) -> None:
    def of(i: int) -> str:
        value = table[key][i].tolist()
        return f'"{key}" is {value!r}; {text if isinstance(text, str) else text(i)}'

    faults.add_where(bad, table.name, table.places, of, misfit)


def _check_unique(table: Table, key: str, cure: str, faults: Faults) -> None:
    values = table[key]
    if values.dtype.kind != "U" and (values[1:] > values[:-1]).all():
        return
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    first = first[inverse]
    _complain(
        first != np.arange(len(values)),
        table,
        key,
        lambda i: f"it is that of {table.name}[{table.places[first[i]]}] already: {cure}",
        faults,
    )
