"""What every format is read into and written from: Detectron2's dataset dicts by split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from detectron2.structures import BoxMode

from ...errors import InputError
from ..counts import COUNT
from ..mending import Changes

Corners = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels


@dataclass
class Reading:
    """How a source is read.

    Attributes:
        split: the only one that is wanted, or that which a single file holds; None for all.
        image_root: what the image names of a single file start from.
        skip_invalid: leave out what is invalid, and log it.
        count: what the count is called, in formats of boxes with attributes; "" reads none.
        mend: where it is not None, reversed corners are swapped and boxes cut to their images, and
            the changes listed there.
    """

    split: str | None = None
    image_root: str | None = None
    skip_invalid: bool = False
    count: str = COUNT
    mend: Changes | None = None

    def fixed(self, images: str = "", *, counts: str = "") -> None:
        """
        Raises:
            InputError: for an image root or a name of the count, in formats that have them fixed:
                where the images and the counts are there.
        """
        if images and self.image_root is not None:
            raise InputError(f"--image-root can't be chosen in this format: images are in {images}")
        if counts and self.count != COUNT:
            raise InputError(f"--count-attribute can't be chosen in this format: {counts}")


class Split(NamedTuple):
    """Images with their boxes.

    Attributes:
        records: Detectron2's dataset dicts, ``count`` in every annotation.
        names: path of each image below the folder of the split's images, parted by ``/``.
    """

    records: list[dict]
    names: list[str]


class Dataset(NamedTuple):
    """A dataset of any format; ``category_id`` is the position in ``classes``."""

    classes: tuple[str, ...]
    splits: dict[str, Split]

    def annotations(self) -> Iterator[tuple[dict, dict]]:
        """Each annotation with its record."""
        for split in self.splits.values():
            for record in split.records:
                for annotation in record["annotations"]:
                    yield record, annotation


def corners(annotation: dict) -> Corners:
    """The box of an annotation, whose mode is XYXY_ABS or XYWH_ABS."""
    x, y, right, bottom = annotation["bbox"]
    if annotation["bbox_mode"] == BoxMode.XYWH_ABS:
        right, bottom = x + right, y + bottom
    return x, y, right, bottom
