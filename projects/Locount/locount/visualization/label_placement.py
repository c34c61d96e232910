"""Where the labels of boxes go, in pictures with many boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

Box = tuple[float, float, float, float]

# Shares of a box that its own label may cover, and of a label that may lie on other boxes: boxes of
# neighbors overlap a little.
MAX_COVERED = 0.25
MAX_ON_OTHERS = 0.1


class Place(NamedTuple):
    """Where a label goes, and which of its variants."""

    box: Box
    variant: int


def place_labels(
    boxes: Sequence[Box], sizes: Sequence[Sequence[tuple[int, int]]], photo_size: tuple[int, int]
) -> list[Place | None]:
    """Places for labels that hide neither each other nor the goods.

    The boxes come in order of importance; an earlier label takes its place before a later one. Each
    tries its variants in turn, and each variant the places at the edges of its box. Only the last
    and smallest variant may lie on another box.

    Args:
        boxes: N, absolute XYXY.
        sizes: N, width and height of each variant, the most wanted first.
        photo_size: width and height; labels lie within.

    Returns:
        N; None for a label without room.
    """
    others = np.asarray(boxes, dtype=float).reshape(-1, 4)
    taken = np.empty((0, 4))
    places: list[Place | None] = []
    for i, box in enumerate(boxes):
        place = _place(box, sizes[i], np.delete(others, i, axis=0), taken, photo_size)
        places.append(place)
        if place is not None:
            taken = np.vstack([taken, place.box])
    return places


def _place(
    box: Box,
    sizes: Sequence[tuple[int, int]],
    others: np.ndarray,
    taken: np.ndarray,
    photo_size: tuple[int, int],
) -> Place | None:
    own = np.asarray([box], dtype=float)
    own_area = (box[2] - box[0]) * (box[3] - box[1])
    for variant, (width, height) in enumerate(sizes):
        for label in _candidates(box, width, height, photo_size):
            if (
                not _overlaps(label, taken).any()
                and _overlaps(label, own).sum() <= MAX_COVERED * own_area
                and (
                    variant == len(sizes) - 1
                    or _overlaps(label, others).max(initial=0) <= MAX_ON_OTHERS * width * height
                )
            ):
                return Place(label, variant)
    return None


def _candidates(box: Box, width: int, height: int, photo_size: tuple[int, int]) -> Iterator[Box]:
    """Above the box, below it, and inside at its corners, as far as they lie in the photo."""
    x1, y1, x2, y2 = box
    x = min(x1, photo_size[0] - width)
    for left, top in (
        (x, y1 - height),
        (x, y2),
        (x1, y1),
        (x2 - width, y1),
        (x1, y2 - height),
        (x2 - width, y2 - height),
    ):
        label = left, top, left + width, top + height
        if min(label) >= 0 and label[2] <= photo_size[0] and label[3] <= photo_size[1]:
            yield label


def _overlaps(box: Box, boxes: np.ndarray) -> np.ndarray:
    """The area that a box shares with each of ``boxes`` (N x 4)."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    return sides.clip(min=0).prod(axis=1)
