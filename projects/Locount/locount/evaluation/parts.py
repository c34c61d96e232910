"""Detections inside better ones: parts of groups, whose items would be added up twice."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from .annotations import Detections, xyxy


def outside_better(
    boxes: np.ndarray,
    classes: np.ndarray,
    max_overlap: float,
    views: np.ndarray | None = None,
) -> np.ndarray:
    """Which detections of one image are left when, from the best on, each takes out those of its
    class that lie in it.

    By the rule of Locount's annotation (Cai et al., AAAI 2021) items of one category that overlap
    by more than half have one box with their number, so what lies in a box is in its number.

    Args:
        boxes: N x 4, absolute XYXY, best score first.
        classes: N.
        max_overlap: a box lies in another if they share more than this part of the smaller one, in
            (0, 1]; with 1 none does.
        views: N, from which view of the image each is; those of one view leave each other alone.

    Returns:
        N bools.
    """
    low, high = boxes[:, :2], boxes[:, 2:]
    areas = (high - low).prod(axis=1)
    keep = np.ones(len(boxes), dtype=bool)
    for i in range(len(boxes)):
        if keep[i]:
            later = slice(i + 1, None)
            sides = np.minimum(high[i], high[later]) - np.maximum(low[i], low[later])
            shared = sides.clip(min=0).prod(axis=1)
            smaller = np.minimum(areas[i], areas[later])
            stays = (shared <= max_overlap * smaller) | (classes[later] != classes[i])
            if views is not None:
                stays |= views[later] == views[i]
            keep[later] &= stays
    return keep


def without_parts(dt: Detections, max_overlap: float) -> Detections:
    """Those of each image that :func:`outside_better` leaves, ordered by image and score."""
    dt = dt.take(np.lexsort((-dt.scores, dt.image)))
    boxes = xyxy(dt.boxes)
    bounds = np.flatnonzero(np.diff(dt.image, prepend=-1, append=-1))
    keep = [
        outside_better(boxes[start:end], dt.category[start:end], max_overlap)
        for start, end in pairwise(bounds)
    ]
    return dt.take(np.flatnonzero(np.concatenate([np.empty(0, dtype=bool), *keep])))
