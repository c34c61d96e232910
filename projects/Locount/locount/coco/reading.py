"""Reading ground truth and results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import PathLike, fspath
from typing import Any

import msgspec
import numpy as np

from ..texts import JSON_ERRORS, TextError, read_arrays, read_utf8
from .checks import (
    NO_AREA,
    check_ids,
    check_known,
    check_names,
    check_objects,
    check_references,
    check_sizes,
    check_visible,
    lookup,
)
from .columns import (
    BOX,
    FLAG,
    ID,
    INTEGER,
    NUMBER,
    TEXT,
    Field,
    Table,
    decode_json,
    read_table,
)
from .faults import Faults

Source = str | PathLike | dict | list

COUNT = "count"
# Bytes of JSON from which on starting the compiled reader pays.
MIN_FLAT = 1 << 22


class Ahead(PathLike):
    """A file that is being read in a thread while something else is done."""

    def __init__(self, path: str | PathLike) -> None:
        self.path = path
        pool = ThreadPoolExecutor(1)
        self._text = [pool.submit(read_utf8, path)]
        pool.shutdown(wait=False)

    def __fspath__(self) -> str:
        return fspath(self.path)

    def text(self) -> bytes:
        """The content, once; errors as of :func:`locount.texts.read_utf8`."""
        return self._text.pop().result()


LISTS = ("images", "categories", "annotations")
CATEGORY = {"id": Field(INTEGER), "name": Field(TEXT, optional=True)}
OBJECT = {"image_id": Field(ID), "category_id": Field(INTEGER), "bbox": Field(BOX)}
ANNOTATION = {
    **OBJECT,
    "iscrowd": Field(FLAG, default=0, required=False),
    "id": Field(INTEGER, optional=True),
    "area": Field(NUMBER, default=NO_AREA, required=False),
}
DETECTION = {**OBJECT, "score": Field(NUMBER), COUNT: Field(INTEGER, optional=True)}


@dataclass(frozen=True)
class CocoFile:
    """The entries of a COCO file whose form is right, and what is wrong with the others.

    Attributes:
        image_order, category_order: places of the images and categories by ascending ids.
        image, category: of each annotation, its places in that order; -1 where it is in neither.
        counts: of each annotation, 1 where the file has none.
        sizes: N x 2, height and width of the image of each annotation; 0 where that is not known.
        faults: what makes the file unusable.
        invisible: faults of boxes that no detector can find: they have no area, or lie outside
            their images.
    """

    images: Table
    categories: Table
    annotations: Table
    image_order: np.ndarray
    category_order: np.ndarray
    image: np.ndarray
    category: np.ndarray
    counts: np.ndarray
    sizes: np.ndarray
    faults: Faults
    invisible: Faults

    @property
    def category_names(self) -> list[str]:
        """By ascending ids; a category without a name is called by its id."""
        names = self.categories.columns.get("name", self.categories["id"])
        return names[self.category_order].astype(str).tolist()


def read_truth(
    source: Source,
    count: str = COUNT,
    *,
    of_pixels: bool = False,
    mend: Callable[[Table, np.ndarray], None] | None = None,
) -> CocoFile:
    """Read a COCO dictionary with "images", "categories" and "annotations", from a file or parsed.

    Annotations need "image_id", "category_id" and "bbox" (XYWH). "id" and the count are in all of
    them or in none; without a count each is 1. Where "iscrowd" is missing it is 0, and the "area"
    that of the box. "ignore" means nothing, as in pycocotools.

    Args:
        count: what the count is called, as a key or among the "attributes", where CVAT writes it.
        of_pixels: there must be images, with file names and sizes, and categories.
        mend: corrects the table of annotations, given with the sizes of their images (N x 2, height
            and width, 0 where not known), before it is checked.

    Raises:
        DatasetError: for what is not a COCO file; everything else is among the faults.
    """
    faults = Faults(_name(source, "ground truth"))
    data = read_lists(source, faults)
    size = {key: Field(INTEGER, optional=not of_pixels) for key in ("height", "width")}
    name = {"file_name": Field(TEXT)} if of_pixels else {}
    images = read_table(data["images"], "images", {"id": Field(ID), **size, **name}, faults)
    categories = read_table(data["categories"], "categories", CATEGORY, faults)
    for table in (images, categories):
        if of_pixels and not len(table) and not table.others:
            faults.add(table.name, None, "is empty: there is nothing to train or test on")
        check_ids(table, faults)
    check_sizes(images, faults)
    if "name" in categories.columns:
        check_names(categories, faults)

    fields = ANNOTATION | {count: Field(INTEGER, optional=True)}
    annotations = flat_table(data["annotations"], "annotations", fields)
    if annotations is None:
        entries = _with_counts(data["annotations"], count, faults)
        annotations = read_table(entries, "annotations", fields, faults)
        if text := _without_boxes(annotations.others):
            Faults(faults.path).stop(None, f"{text}: use its file of instances, or draw boxes")
    if "id" in annotations.columns:
        check_ids(annotations, faults)
    image_order, image = _order_and_places(images, annotations["image_id"])
    category_order, category = _order_and_places(categories, annotations["category_id"])
    sizes = np.zeros((len(annotations), 2), np.int64)
    if {"height", "width"} <= images.columns.keys() and len(images):
        both = np.stack([images["height"], images["width"]], axis=1)[image_order]
        sizes = np.where(image[:, None] < 0, 0, both[image])
    if mend is not None:
        mend(annotations, sizes)
    check_references(annotations, "image_id", _all_ids(images), faults)
    check_references(annotations, "category_id", _all_ids(categories), faults)
    check_objects(annotations, count, faults)
    invisible = Faults(faults.path)
    check_visible(annotations, sizes, invisible)
    counts = annotations.columns.get(count, np.ones(len(annotations), np.int64))
    orders = (image_order, category_order, image, category)
    return CocoFile(images, categories, annotations, *orders, counts, sizes, faults, invisible)


def read_results(source: Source) -> tuple[Table, Faults]:
    """Read a list of detections, from a file or parsed.

    Each needs "image_id", "category_id", "bbox" (XYWH) and "score"; "count" is in all or in none,
    which means 1. A file ``*.npz`` holds arrays of these names instead, (N,) and (N, 4) for boxes.
    No detections at all are legal.

    Returns:
        Those whose form is right, and what is wrong with the others.

    Raises:
        DatasetError: for what is not such a list.
    """
    faults = Faults(_name(source, "detections"))
    if isinstance(source, str | PathLike) and fspath(source).endswith(".npz"):
        columns = _load_npz(source, faults)
        return Table("detections", np.arange(len(columns["score"])), columns, []), faults
    entries = _load(source, faults)
    table = flat_table(entries, "detections", DETECTION)
    if table is None:
        table = read_table(entries, "detections", DETECTION, faults)
    return table, faults


def check_results(
    table: Table,
    faults: Faults,
    image_ids: np.ndarray,
    category_ids: np.ndarray,
    category_names: Sequence[str],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Check detections of some images and categories.

    Args:
        faults: those that are known already.
        image_ids, category_ids: ascending; and what the categories are called.

    Returns:
        Of each detection the places of image and category in the ids, and the count.

    Raises:
        DatasetError: listing all that is wrong.
    """
    image = check_known(table, "image_id", image_ids, image_ids.tolist(), faults)
    names = zip(category_ids.tolist(), category_names, strict=True)
    named = [f"{i} ({name})" for i, name in names]
    category = check_known(table, "category_id", category_ids, named, faults)
    check_objects(table, COUNT, faults)
    faults.raise_if_any()
    return image, category, table.columns.get(COUNT, np.ones(len(table), np.int64))


def read_lists(source: Source, faults: Faults) -> dict[str, Any]:
    """The three lists of a COCO file, those of a file not yet decoded.

    Raises:
        DatasetError: for what is not JSON object with these keys.
    """
    data: Any
    loaded = _load(source, faults)
    if not isinstance(loaded, msgspec.Raw):
        data = loaded
    else:
        try:
            data = msgspec.json.decode(loaded, type=dict[str, msgspec.Raw])
        except JSON_ERRORS:
            data = decode_json(loaded, faults)
        else:
            _check_once(bytes(loaded), data, faults)
    if not isinstance(data, dict):
        faults.stop(None, f"has no object with {', '.join(LISTS)}{_other_kind(data)}")
    faults.raise_if_any()
    if lacking := " and no ".join(f'"{key}"' for key in LISTS if key not in data):
        wanted = f"a COCO file is an object with the lists {', '.join(LISTS)}"
        if isinstance(loaded, msgspec.Raw):
            data = decode_json(loaded, faults)
        faults.stop(None, f"has no {lacking}: {wanted}{_other_kind(data)}")
    return data


def _other_kind(data: object) -> str:
    """What else a file is by keys that no COCO file has, and the cure; "" if that is not known."""
    if isinstance(data, list):
        entry = data[0] if data and isinstance(data[0], dict) else {}
        if "score" in entry:
            return "; this is a list of results, which has no photos: name predictions:DIR"
        if "data" in entry:
            return "; this is a file of Label Studio: --from label-studio"
    if not isinstance(data, dict):
        return ""
    inner = next((value for value in data.values() if isinstance(value, dict)), {})
    signs = {
        "LabelMe": "shapes" in data,
        "VGG Image Annotator": "_via_img_metadata" in data or "regions" in inner,
        "Supervisely": "objects" in data,
    }
    return "".join(
        f"; this is a file of {n}: export or convert it to COCO json"
        for n, yes in signs.items()
        if yes
    )


def _without_boxes(entries: list) -> str:
    """What annotations are that have no boxes by their keys; "" if that is not known."""
    kinds = {
        "segments_info": "is of COCO panoptic, which has masks of whole images",
        "keypoints": "is of COCO key points, and annotations have points without boxes",
        "caption": "is of COCO captions, which has sentences about whole images",
    }
    bare = [entry for entry in entries if isinstance(entry, dict) and "bbox" not in entry]
    return next((text for key, text in kinds.items() if any(key in e for e in bare)), "")


def flat_table(
    entries: Any, name: str, fields: dict[str, Field], min_size: int = MIN_FLAT
) -> Table | None:
    """:func:`read_table` of a long list of numbers and boxes; None for anything else.

    Args:
        min_size: bytes of JSON that are long enough.
    """
    if not isinstance(entries, msgspec.Raw) or len(memoryview(entries)) < min_size:
        return None
    # Only here: numba takes half a second to start.
    from .flat import flat_columns

    columns = flat_columns(entries, fields)
    if columns is None:
        return None
    return Table(name, np.arange(len(columns["image_id"])), columns, [])


def _check_once(content: bytes, data: dict[str, msgspec.Raw], faults: Faults) -> None:
    """Decoding takes the last list of a name, and says nothing of the others."""
    for key in LISTS:
        word = f'"{key}"'.encode()
        number = content.count(word)
        if number > 1 and number > 1 + sum(bytes(value).count(word) for value in data.values()):
            faults.add(None, None, f'has "{key}" more than once: make one list of them')


def _name(source: Source, otherwise: str) -> str:
    return fspath(source) if isinstance(source, str | PathLike) else otherwise


def _load(source: Source, faults: Faults) -> dict | list | msgspec.Raw:
    """The JSON of a file, not yet decoded, or what the caller has parsed."""
    if not isinstance(source, str | PathLike):
        return source
    try:
        return msgspec.Raw(source.text() if isinstance(source, Ahead) else read_utf8(source))
    except TextError as error:
        faults.stop(None, error.reason)


def _with_counts(entries: Any, count: str, faults: Faults) -> Any:
    """The annotations with the counts that are among their attributes as keys.

    CVAT writes the rotation of a box there, and the box as it was before.
    """
    if isinstance(entries, msgspec.Raw):
        if b'"attributes"' not in bytes(entries):
            return entries
        entries = decode_json(entries, faults)
    if not isinstance(entries, list | tuple):
        return entries
    result = []
    for i, entry in enumerate(entries):
        attributes = entry.get("attributes") if isinstance(entry, dict) else None
        if isinstance(attributes, dict) and _whole(attributes.get("rotation", 0)) != 0:
            text = "the box is rotated: draw an upright one in its place, or delete it"
            faults.add("annotations", i, text)
        if isinstance(attributes, dict) and count in attributes:
            value = _whole(attributes[count])
            if count not in entry:
                entry = {**entry, count: value}
            elif entry[count] != value:
                text = (
                    f'"{count}" is {entry[count]!r}, and {value!r} in its attributes: correct one'
                )
                faults.add("annotations", i, text)
        result.append(entry)
    return result


def _whole(value: Any) -> Any:
    """A number that labeling tools write as 7.0 or "7" as an integer; everything else as it is."""
    try:
        number = float(value) if isinstance(value, str) else value
        return int(number) if isinstance(number, float) and number == int(number) else value
    except (ValueError, OverflowError):
        return value


def _all_ids(table: Table) -> np.ndarray:
    """The ids of a list, ascending, those of entries included that are wrong otherwise."""
    if not table.others:
        return np.sort(table["id"])
    known = table["id"].tolist()
    known += [e["id"] for e in table.others if isinstance(e, dict) and ID.fits(e.get("id"))]
    kind = str if any(isinstance(i, str) for i in known) else int
    known = [i for i in known if isinstance(i, str) == (kind is str)]
    return np.sort(ID.column(known, len(known)))


def _order_and_places(table: Table, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The places of the table's entries by ascending ids; and of ``ids`` in that order, or -1."""
    order = np.argsort(table["id"], kind="stable")
    place, found = lookup(ids, table["id"][order])
    return order, np.where(found, place, np.int32(-1))


def _load_npz(source: str | PathLike, faults: Faults) -> dict[str, np.ndarray]:
    try:
        arrays = read_arrays(source, DETECTION)
    except TextError as error:
        faults.stop(None, error.reason)
    letters = {ID: "iuU", INTEGER: "iu", NUMBER: "iuf", BOX: "iuf"}
    num = max((len(a) for a in arrays.values() if a.ndim), default=0)
    for key, field in DETECTION.items():
        shape = (num, 4) if field.kind is BOX else (num,)
        if key not in arrays:
            if not field.optional:
                faults.add(key, None, f"is missing: add the array, shape {shape}")
            continue
        array = arrays[key]
        if array.dtype.kind not in letters[field.kind] or array.shape != shape:
            found = f"has type {array.dtype} and shape {array.shape}"
            faults.add(key, None, f"{found}; each entry must be {field.kind.wanted}, shape {shape}")
        elif array.dtype.kind != "U":
            arrays[key] = array.astype(field.kind.dtype or np.int64)
    faults.raise_if_any()
    return arrays
