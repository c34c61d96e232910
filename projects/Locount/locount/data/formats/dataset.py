"""What every format is written from: Detectron2's dataset dicts by split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from detectron2.structures import BoxMode

Corners = tuple[float, float, float, float]  # x1, y1, x2, y2 in pixels


class Split(NamedTuple):
    """Images with their boxes.

    Attributes:
        records: Detectron2's dataset dicts, ``count`` in every annotation. Those of a model have
            ``predicted``, and their annotations ``score`` and ``count_score``.
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
