"""Annotations that confident detections contradict."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...compiled import allocating
from ...counting import num_passed_ac_thresholds
from ..matching.engine import Matcher
from ..matching.kernels import box_at, box_iou
from .pairs import blind_matches

CONFIDENT = 0.5  # the score, where none is asked for
SAME_IOU, NEAR_IOU = 0.5, 0.3
COLUMNS = ("image_id", "kind", "score", "annotation", "detection", "category", "bbox", "why")


def find_suspects(matcher: Matcher, score: float = CONFIDENT) -> list[dict]:
    """What confident detections, those of this score or more, contradict, best score first.

    Detections are matched to annotations of their category at IoU 0.50, blind to counts. An
    annotation that none matched is *unfound*. Crowds are not suspected. The kinds:

    - "count": a detection's match has another count, AC below 0.50;
    - "duplicate": an unfound annotation has IoU >= 0.50 with a found one of its category;
    - "category": a detection without match has IoU >= 0.50 with an unfound one of another category;
    - "box": or else 0.30 <= IoU < 0.50 with an unfound one of its category;
    - "missing": or else IoU < 0.30 with every annotation, crowds over the detection's own area.

    Of several annotations that of highest IoU is meant. An unfound one is suspected only once.

    Returns:
        Dicts with the COLUMNS: "annotation" and "detection" are places in the files, from 0 on,
        "annotation" None for "missing"; "category" and "bbox" (XYWH) are the annotation's, or the
        detection's for "missing".
    """
    m = matcher
    matches = blind_matches(m, max_dets=m.max_dets).above(m.dt.scores, score)
    found_by = np.full(len(m.gt), -1)
    found_by[matches.gt] = matches.dt
    is_free = (m.dt.scores >= score) & (m.rank < m.max_dets)
    is_free[matches.dt] = False
    free = np.flatnonzero(is_free)
    free = free[np.lexsort((-m.dt.scores[free], m.dt.image[free]))]
    by_image = np.argsort(m.gt.image, kind="stable")
    ends = np.arange(len(m.gt.image_ids) + 1)
    free_start = np.searchsorted(m.dt.image[free], ends)
    gt_start = np.searchsorted(m.gt.image[by_image], ends)
    suspects: list[tuple[str, int, int | None, str]] = []
    for image in range(len(m.gt.image_ids)):
        dt = free[free_start[image] : free_start[image + 1]]
        gt = by_image[gt_start[image] : gt_start[image + 1]]
        suspects += _of_photo(m, dt, gt, found_by[gt])
    # Stable: of equal scores in the order of photos.
    suspects.sort(key=lambda suspect: -m.dt.scores[suspect[1]])
    return [_row(m, *suspect) for suspect in suspects]


def _of_photo(
    m: Matcher, free: np.ndarray, gt: np.ndarray, found_by: np.ndarray
) -> Iterator[tuple[str, int, int | None, str]]:
    """Kind, detection, annotation (None if missing) and why, as places in the matcher.

    Args:
        free: the photo's confident detections without match, best first.
        gt: its annotations.
        found_by: the detection that found each of them, or -1.
    """
    crowd, category, found = m.gt.crowd[gt], m.gt.category[gt], found_by >= 0
    boxes, unfound = m.gt.boxes[gt], ~found & ~crowd
    for g, d in zip(gt[found], found_by[found], strict=True):
        if num_passed_ac_thresholds(m.dt.counts[d], m.gt.counts[g]) == 0:
            yield "count", d, g, f"annotated {m.gt.counts[g]}, detected {m.dt.counts[d]}"

    left = np.flatnonzero(unfound)
    for place, ious in zip(left, _overlaps(boxes[left], boxes, crowd), strict=True):
        same = found & (category == category[place]) & (ious >= SAME_IOU)
        if same.any():
            unfound[place] = False
            best = _best(same, ious)
            why = f"IoU {ious[best]:.2f} with annotation {m.gt_order[gt[best]]}, which is found"
            yield "duplicate", found_by[best], gt[place], why

    for d, ious in zip(free, _overlaps(m.dt.boxes[free], boxes, crowd), strict=True):
        own = category == m.dt.category[d]
        other = unfound & ~own & (ious >= SAME_IOU)
        near = unfound & own & (ious >= NEAR_IOU) & (ious < SAME_IOU)
        if other.any() or near.any():
            kind, wanted = ("category", other) if other.any() else ("box", near)
            best = _best(wanted, ious)
            unfound[best] = False
            name = m.gt.category_names[m.dt.category[d]]
            yield kind, d, gt[best], f"detected as {name}, IoU {ious[best]:.2f}"
        elif (ious < NEAR_IOU).all():
            highest = ious.max(initial=0)
            yield "missing", d, None, f"highest IoU with an annotation {highest:.2f}"


def _best(wanted: np.ndarray, ious: np.ndarray) -> int:
    return int(np.where(wanted, ious, -1).argmax())


@allocating
def _overlaps(boxes, gt_boxes, gt_crowd):
    """IoU of each XYWH box with each annotation, N x G; with crowds over the box's own area."""
    ious = np.empty((len(boxes), len(gt_boxes)))
    for d in range(len(boxes)):
        for g in range(len(gt_boxes)):
            ious[d, g] = box_iou(box_at(boxes, d), box_at(gt_boxes, g), gt_crowd[g])
    return ious


def _row(m: Matcher, kind: str, d: int, g: int | None, why: str) -> dict:
    boxes, place = (m.dt, d) if g is None else (m.gt, g)
    values = (
        m.gt.image_ids[m.dt.image[d]].item(),
        kind,
        float(m.dt.scores[d]),
        None if g is None else int(m.gt_order[g]),
        int(m.dt_order[d]),
        m.gt.category_names[boxes.category[place]],
        boxes.boxes[place].tolist(),
        why,
    )
    return dict(zip(COLUMNS, values, strict=True))
