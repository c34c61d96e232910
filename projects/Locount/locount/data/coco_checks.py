"""What can be wrong with the content of a COCO file with counts.

Every function yields one text for each problem.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

# How far a box may reach over the edge of its image: COCO files round to fractions of a pixel.
EDGE_TOLERANCE = 1.0


def structure_problems(content: object) -> Iterator[str]:
    """The three lists of objects; to be checked before anything else."""
    for key in ("images", "annotations", "categories"):
        entries = content.get(key) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            yield f"is no COCO file: it needs a list of objects under {key!r}"


def category_problems(categories: list[dict]) -> Iterator[str]:
    """Ids and names."""
    yield from _id_problems("categories", categories)
    if not categories:
        yield "categories is empty: name at least one"
    seen = set()
    for i, category in enumerate(categories):
        name = category.get("name")
        if not isinstance(name, str) or not name.strip():
            yield f"categories[{i}]: the name is {name!r}: write a text"
        elif name in seen:
            yield f"categories[{i}]: the name {name!r} is there already: rename one of them"
        else:
            seen.add(name)


def image_problems(images: list[dict], image_root: str) -> Iterator[str]:
    """Ids, sizes, and whether the files are there."""
    yield from _id_problems("images", images)
    if not images:
        yield "images is empty: there is nothing to train or test on"
    for i, image in enumerate(images):
        for key in ("height", "width"):
            if not _is_integer(image.get(key)) or image[key] < 1:
                yield f"images[{i}]: {key} is {image.get(key)!r}: write the number of pixels"
        name = image.get("file_name")
        if not isinstance(name, str) or not os.path.isfile(os.path.join(image_root, name)):
            yield f"images[{i}]: there is no file {name!r} in {image_root}: correct one of the two"


def annotation_problems(content: dict[str, list[dict]]) -> Iterator[str]:
    """Ids, references to images and categories, boxes and counts."""
    annotations = content["annotations"]
    yield from _id_problems("annotations", annotations)
    images = {image.get("id"): image for image in content["images"] if _is_integer(image.get("id"))}
    categories = {
        category.get("id") for category in content["categories"] if _is_integer(category.get("id"))
    }
    num_with_count = sum("count" in annotation for annotation in annotations)
    for i, annotation in enumerate(annotations):
        where = f"annotations[{i}]"
        for key, known in (("image_id", images), ("category_id", categories)):
            value = annotation.get(key)
            if not _is_integer(value) or value not in known:
                yield f"{where}: {key} is {value!r}, which is not in the file: correct or add it"
        if annotation.get("iscrowd", 0) not in (0, 1):
            yield f"{where}: iscrowd is {annotation['iscrowd']!r}: write 0 or 1"
        if "count" in annotation:
            count = annotation["count"]
            if not _is_integer(count) or count < 1:
                yield f"{where}: count is {count!r}: write a whole number from 1 on"
        elif num_with_count:
            yield (
                f"{where}: count is missing, though {num_with_count} annotation(s) have one: "
                "add it here, or remove it everywhere for single items"
            )
        image_id = annotation.get("image_id")
        image = images.get(image_id) if _is_integer(image_id) else None
        problem = _box_problem(annotation.get("bbox"), image)
        if problem:
            yield f"{where}: {problem}"


def _box_problem(box: object, image: dict | None) -> str | None:
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_finite, box)):
        return f"bbox is {box!r}: write the four numbers x, y, width and height"
    x, y, width, height = box
    if width <= 0 or height <= 0:
        return f"bbox is {box}: width and height must be above 0"
    if image is None or not all(_is_integer(image.get(key)) for key in ("height", "width")):
        return None
    limits = (image["width"] + EDGE_TOLERANCE, image["height"] + EDGE_TOLERANCE)
    if min(x, y) < -EDGE_TOLERANCE or x + width > limits[0] or y + height > limits[1]:
        size = f"{image['width']}x{image['height']}"
        return f"bbox {box} reaches outside its image of {size} pixels: cut it to the image"
    return None


def _id_problems(key: str, entries: list[dict]) -> Iterator[str]:
    first: dict[int, int] = {}
    for i, entry in enumerate(entries):
        value = entry.get("id")
        if not _is_integer(value):
            yield f"{key}[{i}]: the id is {value!r}: write a whole number"
        elif value in first:
            yield f"{key}[{i}]: the id {value} is that of {key}[{first[value]}] already: change it"
        else:
            first[value] = i


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)  # True is an int to Python


def _is_finite(value: object) -> bool:
    return (_is_integer(value) or isinstance(value, float)) and math.isfinite(value)
