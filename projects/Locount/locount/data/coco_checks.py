"""What can be wrong with the content of a COCO file with counts."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from typing import NamedTuple

# How far a box may reach over the edge of its image: COCO files round to fractions of a pixel.
EDGE_TOLERANCE = 1.0


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
    for i, image in enumerate(images):
        for key in ("height", "width"):
            if not is_integer(image.get(key)) or image[key] < 1:
                text = f"{key} is {image.get(key)!r}: write the number of pixels"
                yield Fault("images", i, text)
        name = image.get("file_name")
        if not isinstance(name, str) or not os.path.isfile(os.path.join(image_root, name)):
            text = f"there is no file {name!r} in {image_root}: correct one of the two"
            yield Fault("images", i, text)


def annotation_problems(content: dict[str, list[dict]]) -> Iterator[Fault]:
    """Ids, references to images and categories, boxes and counts."""
    annotations = content["annotations"]
    yield from _id_problems("annotations", annotations)
    images = images_by_id(content["images"])
    categories = {
        category.get("id") for category in content["categories"] if is_integer(category.get("id"))
    }
    num_with_count = sum("count" in annotation for annotation in annotations)
    for i, annotation in enumerate(annotations):
        for key, known in (("image_id", images), ("category_id", categories)):
            value = annotation.get(key)
            if not is_integer(value) or value not in known:
                text = f"{key} is {value!r}, which is not in the file: correct or add it"
                yield Fault("annotations", i, text)
        image_id = annotation.get("image_id")
        image = images.get(image_id) if is_integer(image_id) else None
        for text in (
            _crowd_problem(annotation),
            _count_problem(annotation, num_with_count),
            _box_problem(annotation.get("bbox"), image),
        ):
            if text:
                yield Fault("annotations", i, text)


def _crowd_problem(annotation: dict) -> str | None:
    if annotation.get("iscrowd", 0) in (0, 1):
        return None
    return f"iscrowd is {annotation['iscrowd']!r}: write 0 or 1"


def _count_problem(annotation: dict, num_with_count: int) -> str | None:
    count = annotation.get("count")
    if "count" not in annotation and num_with_count:
        return (
            f"count is missing, though {num_with_count} annotation(s) have one: "
            "add it here, or remove it everywhere for single items"
        )
    if "count" in annotation and (not is_integer(count) or count < 1):
        return f"count is {count!r}: write a whole number from 1 on"
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


def _box_problem(box: object, image: dict | None) -> str | None:
    if not is_box(box):
        return f"bbox is {box!r}: write the four numbers x, y, width and height"
    x, y, width, height = box
    if width <= 0 or height <= 0:
        return f"bbox is {box}: width and height must be above 0"
    image_height, image_width = image_size(image)
    if not image_width:
        return None
    limits = (image_width + EDGE_TOLERANCE, image_height + EDGE_TOLERANCE)
    if min(x, y) < -EDGE_TOLERANCE or x + width > limits[0] or y + height > limits[1]:
        size = f"{image_width}x{image_height}"
        return f"bbox {box} reaches outside its image of {size} pixels: cut it to the image"
    return None


def _id_problems(key: str, entries: list[dict]) -> Iterator[Fault]:
    first: dict[int, int] = {}
    for i, entry in enumerate(entries):
        value = entry.get("id")
        if not is_integer(value):
            yield Fault(key, i, f"the id is {value!r}: write a whole number")
        elif value in first:
            text = f"the id {value} is that of {key}[{first[value]}] already: change it"
            yield Fault(key, i, text)
        else:
            first[value] = i


def is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)  # True is an int to Python


def _is_finite(value: object) -> bool:
    return (is_integer(value) or isinstance(value, float)) and math.isfinite(value)
