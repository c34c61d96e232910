"""What can be wrong with the content of a COCO file with counts."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import NamedTuple

from .counts import COUNT, MAX_COUNT, is_number_attribute
from .image_paths import image_path
from .mending import mended_box

# How far a box may reach over the edge of its image: COCO files round to fractions of a pixel.
EDGE_TOLERANCE = 1.0
# Beyond it JSON readers that take every number for a double would change ids.
_MAX_INTEGER = 2**53
_MAX_COORDINATE = 1e9
# Numbers of annotations that are no attribute.
_KEYS = frozenset({"image_id", "category_id", "area", "iscrowd", "ignore", "num_keypoints"})


class Fault(NamedTuple):
    """One thing wrong with the file.

    Attributes:
        entries: the list of the entry, such as ``annotations``; None for the file as a whole.
        index: position in that list; None for the list as a whole.
        text: what is wrong and how to mend it.
    """

    entries: str | None
    index: int | None
    text: str

    def __str__(self) -> str:
        if self.entries is None:
            return self.text
        number = "" if self.index is None else f"[{self.index}]:"
        return f"{self.entries}{number} {self.text}"


def structure_problems(content: object) -> Iterator[Fault]:
    """The three lists of objects; to be checked before anything else."""
    for key in ("images", "annotations", "categories"):
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            text = f"is no COCO file: it needs a list of objects under {key!r}"
            yield Fault(None, None, text)


def category_problems(categories: list[dict]) -> Iterator[Fault]:
    """Ids and names."""
    yield from _id_problems("categories", categories)
    if not categories:
        yield Fault("categories", None, "is empty: name at least one")
    seen = set()
    for i, category in enumerate(categories):
        name = category.get("name")
        if not isinstance(name, str) or not name.strip():
            yield Fault("categories", i, f"the name is {name!r}: write a text")
        elif name in seen:
            text = f"the name {name!r} is there already: rename one of them"
            yield Fault("categories", i, text)
        else:
            seen.add(name)


def image_problems(images: list[dict], image_root: str) -> Iterator[Fault]:
    """Ids, sizes, and whether the files are there."""
    yield from _id_problems("images", images)
    if not images:
        yield Fault("images", None, "is empty: there is nothing to train or test on")
    first: dict[str, int] = {}
    for i, image in enumerate(images):
        for key in ("height", "width"):
            if not is_integer(image.get(key)) or not 1 <= image[key] <= _MAX_COORDINATE:
                text = f"{key} is {_show(image.get(key))}: write the number of pixels"
                yield Fault("images", i, text)
        name, path = image.get("file_name"), None
        try:
            path = image_path(image_root, name) if isinstance(name, str) else None
        except ValueError as error:
            yield Fault("images", i, f"file_name is {name!r}: {error}")
            continue
        if path is None or not os.path.isfile(path):
            text = f"there is no file {_show(name)} in {image_root}: correct one of the two"
            yield Fault("images", i, text)
        elif first.setdefault(path, i) != i:
            text = (
                f"the file {name!r} is that of images[{first[path]}] already: give the annotations "
                "of both one image_id, and delete one entry"
            )
            yield Fault("images", i, text)


def annotation_problems(content: dict[str, list[dict]], count: str = COUNT) -> Iterator[Fault]:
    """Ids, references to images and categories, boxes and counts, which are called ``count``."""
    annotations = content["annotations"]
    yield from _id_problems("annotations", annotations)
    images = images_by_id(content["images"])
    categories = {
        category.get("id") for category in content["categories"] if is_integer(category.get("id"))
    }
    num_with_count = sum(has_count(annotation, count) for annotation in annotations)
    for i, annotation in enumerate(annotations):
        for key, known in (("image_id", images), ("category_id", categories)):
            value = annotation.get(key)
            if not is_integer(value) or value not in known:
                text = f"{key} is {_show(value)}, which is not in the file: correct or add it"
                yield Fault("annotations", i, text)
        image_id = annotation.get("image_id")
        image = images.get(image_id) if is_integer(image_id) else None
        for text in (
            _crowd_problem(annotation),
            _count_problem(annotation, count, num_with_count),
            _box_problem(annotation.get("bbox"), image),
        ):
            if text:
                yield Fault("annotations", i, text)


def _crowd_problem(annotation: dict) -> str | None:
    if annotation.get("iscrowd", 0) in (0, 1):
        return None
    return f"iscrowd is {_show(annotation['iscrowd'])}: write 0 or 1"


def count_of(annotation: dict, name: str = COUNT) -> object:
    """The value of the count, which is a key of the annotation or one of its attributes.

    Numbers of attributes may be texts, as "7"; 1 where there is none.
    """
    if name in annotation:
        return annotation[name]
    value = _attributes(annotation).get(name, 1)
    try:
        # CVAT and others write 7, 7.0 or "7".
        whole = int(float(value)) if isinstance(value, str | float) else value
        return whole if isinstance(value, int) or whole == float(value) else value
    except (ValueError, OverflowError):
        return value


def has_count(annotation: dict, name: str = COUNT) -> bool:
    return name in annotation or name in _attributes(annotation)


def number_attributes(annotation: dict) -> Iterator[str]:
    """The names of its numbers, beside those that every COCO file has."""
    for name, value in (*annotation.items(), *_attributes(annotation).items()):
        if name not in _KEYS and is_number_attribute(name, value):
            yield name


def mended_annotation(before: dict, image: dict | None) -> tuple[dict | None, str]:
    """The annotation with :func:`mended_box`, None if nothing is left of it, and why; or as it is.

    Args:
        image: its entry; None if that is not known.
    """
    if not is_box(before.get("bbox")):
        return before, ""
    x, y, width, height = before["bbox"]
    box, why = mended_box((x, y, x + width, y + height), image_size(image), EDGE_TOLERANCE)
    if box is None or not why:
        return (before if box else None), why
    x1, y1, x2, y2 = box
    after = {**before, "bbox": [x1, y1, x2 - x1, y2 - y1]}
    if before.get("area") == width * height:  # of the box, and not of a mask
        after["area"] = (x2 - x1) * (y2 - y1)
    return after, why


def _attributes(annotation: dict) -> dict:
    attributes = annotation.get("attributes")
    return attributes if isinstance(attributes, dict) else {}


def _count_problem(annotation: dict, name: str, num_with_count: int) -> str | None:
    count = count_of(annotation, name)
    if not has_count(annotation, name) and num_with_count:
        return (
            f"{name} is missing, though {num_with_count} annotation(s) have one: "
            "add it here, or remove it everywhere for single items"
        )
    if not is_integer(count) or not 1 <= count <= MAX_COUNT:
        return f"{name} is {_show(count)}: write a whole number from 1 to {MAX_COUNT}"
    attributes = _attributes(annotation)
    other = count_of({"attributes": attributes}, name) if name in attributes else count
    if other != count:
        return f"{name} is {count}, and {_show(other)} among the attributes: correct one"
    return None


def is_box(box: object) -> bool:
    """Whether a ``bbox`` is four finite numbers."""
    return isinstance(box, list) and len(box) == 4 and all(map(_is_finite, box))


def image_size(image: dict | None) -> tuple[int, int]:
    """Height and width that an image entry says; (0, 0) where it says none."""
    size = tuple((image or {}).get(key) for key in ("height", "width"))
    return size if all(is_integer(n) and n > 0 for n in size) else (0, 0)


def images_by_id(images: list[dict]) -> dict[int, dict]:
    """The image entries whose id is a whole number."""
    return {image["id"]: image for image in images if is_integer(image.get("id"))}


_CUT = "cut it to the image (?mend in the dataset's name, convert --mend, check-data --fix)"


def _box_problem(box: object, image: dict | None) -> str | None:
    if not is_box(box):
        return f"bbox is {_show(box)}: write the four numbers x, y, width and height"
    x, y, width, height = box
    if width < 0 or height < 0:
        return (
            f"bbox is {box}: width and height are negative where the box was dragged over its own "
            "corner; mend it with ?mend in the dataset's name, convert --mend or check-data --fix"
        )
    if width <= 0 or height <= 0:
        return f"bbox is {box}: width and height must be above 0"
    image_height, image_width = image_size(image)
    if not image_width:
        return None
    limits = (image_width + EDGE_TOLERANCE, image_height + EDGE_TOLERANCE)
    if min(x, y) < -EDGE_TOLERANCE or x + width > limits[0] or y + height > limits[1]:
        size = f"{image_width}x{image_height}"
        return f"bbox {box} reaches outside its image of {size} pixels: {_CUT}"
    return None


def _id_problems(key: str, entries: list[dict]) -> Iterator[Fault]:
    first: dict[int, int] = {}
    for i, entry in enumerate(entries):
        value = entry.get("id")
        if not is_integer(value):
            yield Fault(key, i, f"the id is {_show(value)}: write a whole number")
        elif value in first:
            text = f"the id {value} is that of {key}[{first[value]}] already: change it"
            yield Fault(key, i, text)
        else:
            first[value] = i


def is_integer(value: object) -> bool:
    """Whether it is a whole number that all readers of JSON keep exact; True is none."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_INTEGER


def _is_finite(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) <= _MAX_INTEGER


def _show(value: object) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of over 4300 digits
        text = "a very large number"
    return text if len(text) <= 80 else f"{text[:77]}..."
