"""From what readers find in files to a dataset: the checks that all formats share."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from detectron2.structures import BoxMode

from ...coco import EDGE_TOLERANCE
from ...errors import InputError, listing
from ..counts import MAX_COUNT, uncounted
from ..errors import DatasetError, Problem, place
from ..image_paths import image_path
from ..images import read_image_sizes
from ..mending import Changes, mended_box
from .dataset import Corners, Dataset, Reading, Split

logger = logging.getLogger(__name__)
T = TypeVar("T")


class Place(NamedTuple):
    """Where something stands: a line of a file, or an element of it."""

    path: str
    line: int | None = None
    element: str = ""

    def __str__(self) -> str:
        return ", ".join(filter(None, [place(self.path, self.line), self.element]))

    def problem(self, text: str) -> Problem:
        """What is wrong here, and how to mend it."""
        return Problem(self.path, self.line, f"{self.element}: {text}" if self.element else text)


class BoxEntry(NamedTuple):
    """A box as it is written, its numbers finite.

    Attributes:
        count: None where none is written.
        numbers: the names of its other attributes that are numbers.
    """

    place: Place
    corners: Corners
    category: str
    count: int | None
    numbers: tuple[str, ...] = ()


class ImageEntry(NamedTuple):
    """An image as it is written.

    Attributes:
        path: of the image file.
        name: its path below the folder of images, parted by ``/``.
        size: width and height that are written; None where none are.
        relative: the corners of its boxes are fractions of the width and height.
    """

    place: Place
    path: str
    name: str
    size: tuple[float, float] | None
    boxes: list[BoxEntry]
    relative: bool = False


def image_entry(
    place: Place,
    root: str,
    name: str,
    size: tuple[float, float] | None,
    boxes: list[BoxEntry],
    problems: list[Problem],
    *,
    relative: bool = False,
) -> ImageEntry | None:
    """The entry of an image that a file names; None after a problem: see :func:`image_path`."""
    try:
        path = image_path(root, name)
    except ValueError as error:
        problems.append(place.problem(f"{name!r}: {error}"))
        return None
    name = os.path.relpath(path, root or ".").replace(os.sep, "/")
    return ImageEntry(place, path, name, size, boxes, relative)


def build_dataset(
    source: str,
    entries: dict[str, list[ImageEntry]],
    classes: Sequence[str] | None,
    problems: list[Problem],
    reading: Reading,
) -> Dataset:
    """Check what a reader found and turn it into a dataset.

    Args:
        source: what was read, for the messages.
        entries: the images of all splits.
        classes: the categories; None takes the names in use, sorted.
        problems: what the reader could not take.
        reading: of its options. Splits that are not wanted are read all the same, so that the
            categories don't depend on it.

    Raises:
        DatasetError: with all problems, unless they are to be skipped; for a list of categories
            that is wrong in any case, because the ids depend on it; if no image is left.
    """
    found, wanted = list(problems), reading.split
    boxes = [box for images in entries.values() for image in images for box in image.boxes]
    if classes is None:
        classes = sorted({box.category for box in boxes if box.category.strip()})
    class_of = {name: i for i, name in enumerate(classes)}
    faults = [
        f"the category {name!r} is {'listed twice' if name.strip() else 'without a name'}: remove "
        "or rename one"
        for name, number in Counter(classes).items()
        if number > 1 or not name.strip()
    ]
    if faults:
        raise DatasetError(
            f"The categories of {source} are wrong:", [Problem(source, None, f) for f in faults]
        )
    num_counts = sum(box.count is not None for box in boxes)
    hint = uncounted(name for box in boxes for name in box.numbers)
    if hint and not num_counts and reading.count:
        logger.warning("%s: %s", source, hint)
    splits = {}
    for split, images in entries.items():
        usable = _usable_images(images, found)
        records = [
            {
                "file_name": image.path,
                "annotation_file": image.place.path,
                "image_id": i,
                "height": height,
                "width": width,
                "annotations": _annotations(
                    image, (width, height), class_of, num_counts, found, reading.mend
                ),
            }
            for i, (image, width, height) in enumerate(usable)
        ]
        splits[split] = Split(records, [image.name for image, _, _ in usable])
    number = "one problem" if len(found) == 1 else f"{len(found)} problems"
    if reading.mend is not None:
        reading.mend.log()
    if found and not reading.skip_invalid:
        raise DatasetError(f"{source} has {number}:", found)
    if found:
        logger.warning("%s has %s. Left out are:\n%s", source, number, listing(found))
    if wanted is not None:
        splits = {wanted: chosen_split(splits, wanted, source)}
    if not any(split.records for split in splits.values()):
        raise DatasetError(f"{source} holds no image that can be used")
    return Dataset(tuple(classes), splits)


def chosen_split(splits: dict[str, T], split: str, source: str) -> T:
    """
    Raises:
        InputError: if there is none of this name.
    """
    if split not in splits:
        raise InputError(f"{source} has no split {split!r}: it has {', '.join(splits)}")
    return splits[split]


def _usable_images(
    images: Sequence[ImageEntry], problems: list[Problem]
) -> list[tuple[ImageEntry, int, int]]:
    """The images that can be read, with width and height."""
    sizes, faults = read_image_sizes([image.path for image in images])
    first: dict[str, Place] = {}
    usable = []
    for i, (image, (height, width)) in enumerate(zip(images, sizes.tolist(), strict=True)):
        if image.name in first:
            text = f"image {image.name!r} is there already ({first[image.name]}): remove one"
        elif i in faults:
            text = f"{image.path} {faults[i]}"
        elif image.size not in (None, (width, height)):
            text = size_fault(image.path, (width, height), image.size)
        else:
            text = ""
            usable.append((image, width, height))
        if text:
            problems.append(image.place.problem(text))
        first.setdefault(image.name, image.place)
    return usable


def size_fault(path: str, size: tuple[int, int], written: tuple[float, float]) -> str:
    """What to say of an image whose width and height are not those that are written."""
    return (
        f"{path} has {size[0]}x{size[1]} pixels, but {written[0]:g}x{written[1]:g} are written: "
        "correct the numbers, or put the right image there (programs that obey a photo's EXIF "
        "orientation swap them: its boxes are wrong)"
    )


def _annotations(
    image: ImageEntry,
    size: tuple[int, int],
    class_of: dict[str, int],
    num_counts: int,
    problems: list[Problem],
    mend: Changes | None,
) -> list[dict]:
    annotations = []
    for box in image.boxes:
        x1, y1, x2, y2 = box.corners
        if image.relative:
            x1, y1, x2, y2 = x1 * size[0], y1 * size[1], x2 * size[0], y2 * size[1]
        if mend is not None:
            before = x1, y1, x2, y2
            after, why = mended_box(before, size[::-1], EDGE_TOLERANCE)
            if after is not None and why:
                x1, y1, x2, y2 = after
                line = box.place.line or box.place.element
                mend.add(box.place.path, line, _text(before), _text(after), why)
        faults = [
            *_box_faults((x1, y1, x2, y2), size),
            *_category_faults(box.category, class_of),
            *_count_faults(box.count, num_counts),
        ]
        problems += [box.place.problem(text) for text in faults]
        if not faults:
            annotation = {
                "bbox": [x1, y1, x2, y2],
                "bbox_mode": BoxMode.XYXY_ABS,
                "category_id": class_of[box.category],
                "count": 1 if box.count is None else box.count,
            }
            annotations.append(annotation)
    return annotations


def _box_faults(box: Corners, size: tuple[int, int]) -> Iterable[str]:
    x1, y1, x2, y2 = box
    text = _text(box)
    if x1 > x2 or y1 > y2:
        yield (
            f"the box {text} (left, top, right, bottom) is reversed, as one that was dragged over "
            "its own corner (negative width or height): swap the corners (--mend does)"
        )
    elif x1 == x2 or y1 == y2:
        yield f"the box {text} (left, top, right, bottom) has no area: correct or delete it"
    edge = EDGE_TOLERANCE
    if min(box) < -edge or max(x1, x2) > size[0] + edge or max(y1, y2) > size[1] + edge:
        yield (
            f"the box {text} (left, top, right, bottom) reaches outside its image of "
            f"{size[0]}x{size[1]} pixels: cut it to the image (--mend does)"
        )


def _text(box: Corners) -> str:
    return ", ".join(f"{value:g}" for value in box)


def _category_faults(name: str, class_of: dict[str, int]) -> Iterable[str]:
    if not name.strip():
        yield "the box has no category: name one"
    elif name not in class_of:
        yield f"the category {name!r} is not in the list of categories: correct or add it"


def _count_faults(count: int | None, num_counts: int) -> Iterable[str]:
    if count is None and num_counts:
        yield (
            f"count is missing, though {num_counts} box(es) have one: add it here, or remove it "
            "everywhere for single items"
        )
    elif count is not None and not 1 <= count <= MAX_COUNT:
        yield f"the count is {count}: write a whole number from 1 to {MAX_COUNT}"
