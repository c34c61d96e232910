"""The compiled loops of the error analysis; shape shorthand as in :mod:`.kernels`."""

from __future__ import annotations

import numpy as np

from ...compiled import allocating, loop
from ...counting import num_passed_ac_thresholds
from ..matching.kernels import box_at, box_iou, envelope, match_detection
from ..protocol import IOU_THRESHOLDS, NUM_IOU, RECALL_POINTS

_num_passed_ac_thresholds = loop(num_passed_ac_thresholds)

# Below this IoU with every ground truth a detection lies on background (TIDE's threshold).
BACKGROUND_IOU = 0.1

# What is wrong with a detection, or with a ground truth (MISSED); HIT and IGNORED are not errors.
CAUSES = (
    "missed",
    "duplicate",
    "localization",
    "category",
    "count too low",
    "count too high",
    "background",
    "several at once",
)
MISSED, DUPLICATE, LOCALIZATION, CATEGORY, TOO_LOW, TOO_HIGH, BACKGROUND, SEVERAL = range(8)
HIT, IGNORED = 8, 9
_NUM_CAUSES = len(CAUSES)


@allocating
def record_matches(first, last, paired_start, pairs, truth, cells, matched, ignored):
    """The cells in which each of the C detections with pairs is matched.

    Writes bit sets: ``matched`` (C, 2) to ground truth that counts, ``ignored`` (C, 2) to ignored
    one, and those that are taken of ``truth``.
    """
    for d in range(paired_start[first], paired_start[last]):
        matched[d, 0], matched[d, 1], ignored[d, 0], ignored[d, 1] = match_detection(
            d, pairs, truth, cells
        )


@allocating
def blind_partners(first, last, paired_start, pairs, gt_crowd, partner):
    """Match blind to counts at the lowest IoU threshold.

    Writes ``partner`` (C,): the ground truth that each detection with pairs takes, -1 for none.
    """
    pair_start, pair_gt, _ = pairs
    taken = np.zeros(len(gt_crowd), np.bool_)
    for d in range(paired_start[first], paired_start[last]):
        partner[d] = -1
        for p in range(pair_start[d], pair_start[d + 1]):
            g = pair_gt[p]
            if not gt_crowd[g] and not taken[g]:
                taken[g] = True
                partner[d] = g
                break


@allocating
def _passed_ious(iou):
    """How many IoU thresholds are reached; -1 on background."""
    if iou < BACKGROUND_IOU:
        return -1
    passed = 0
    while passed < NUM_IOU and iou >= IOU_THRESHOLDS[passed]:
        passed += 1
    return passed


@allocating
def nearest_boxes(
    first, last, dt, image_start, image_gt, gt, gt_category, gt_crowd, nearest, passed
):
    """For each detection the ground truth of highest IoU, of its category (0) and of others (1).

    Crowds are left out; of equal ones the later in ``image_gt``, G indices sorted by image, is
    taken. Writes ``nearest`` (D, 2), its index or -1, and ``passed`` (D, 2, 2), the numbers of IoU
    thresholds (-1 on background) and of AC thresholds it passes.
    """
    dt_start, dt_image, dt_boxes, dt_counts = dt
    _, _, gt_boxes, gt_counts = gt
    for k in range(first, last):
        for d in range(dt_start[k], dt_start[k + 1]):
            best = np.zeros(2)
            nearest[d] = -1
            box = box_at(dt_boxes, d)
            for position in range(image_start[dt_image[d]], image_start[dt_image[d] + 1]):
                g = image_gt[position]
                if gt_crowd[g]:
                    continue
                iou = box_iou(box, box_at(gt_boxes, g), False)
                other = int(gt_category[g] != k)
                if iou > 0 and iou >= best[other]:
                    best[other] = iou
                    nearest[d, other] = g
            for other in range(2):
                passed[d, other, 0] = _passed_ious(best[other])
                g = nearest[d, other]
                ac = _num_passed_ac_thresholds(dt_counts[d], gt_counts[g]) if g >= 0 else 0
                passed[d, other, 1] = ac


@allocating
def _cause(passed, too_low, i, j):
    """What is wrong with a false positive at the i-th IoU and the j-th AC threshold."""
    same_iou, same_ac = passed[0, 0], passed[0, 1]
    other_iou, other_ac = passed[1, 0], passed[1, 1]
    if same_iou > i:
        if same_ac > j:
            return DUPLICATE
        return TOO_LOW if too_low else TOO_HIGH
    if same_iou >= 0:
        return LOCALIZATION if same_ac > j else SEVERAL
    if other_iou > i:
        return CATEGORY if other_ac > j else SEVERAL
    return BACKGROUND if other_iou < 0 else SEVERAL


@allocating
def _has_cell(words, row, cell):
    return bool((words[row, cell // 64] >> np.uint64(cell % 64)) & np.uint64(1))


@allocating
def _count_hit(tp, fp, num_gt, best):
    """Enter precision after one more true positive into ``best``, by the recall point reached."""
    recall = tp / num_gt
    bucket = int(recall * (len(RECALL_POINTS) - 1))
    while bucket + 1 < len(RECALL_POINTS) and RECALL_POINTS[bucket + 1] <= recall:
        bucket += 1
    while RECALL_POINTS[bucket] > recall:
        bucket -= 1
    best[bucket] = max(best[bucket], tp / (tp + fp))


@allocating
def repair_cell(i, j, max_dets, dt, matches, gt):
    """AP at the i-th IoU and the j-th AC threshold, as it is and with one cause of errors repaired.

    A detection whose box, category or count is wrong becomes a hit, if the ground truth it should
    have matched is free and no detection of higher score was repaired to take it; otherwise, and
    for the other causes, it is left out. Missed ground truth, which no such detection could have
    found, is left out too; a category that has no other is then perfect.

    Args:
        dt: of the D detections, here all categories together by score: category, count, rank,
            place among the C detections with pairs or -1, and what :func:`nearest_boxes` writes.
        matches: bit sets as :func:`record_matches` writes them: matched, ignored, taken.
        gt: category, count and crowd (G,), and the number that counts of each category (K,).

    Returns:
        AP (K, 1 + causes), column 0 as it is, NaN without ground truth; number of errors (causes,).
    """
    dt_category, dt_counts, rank, paired_place, nearest, passed = dt
    matched, ignored, taken = matches
    gt_category, gt_counts, gt_crowd, num_gt = gt
    cell = (1 + j) * NUM_IOU + i
    num_categories = len(num_gt)
    outcome = np.empty(len(dt_category), np.int8)
    findable = np.zeros(len(gt_category), np.bool_)
    num_errors = np.zeros(_NUM_CAUSES, np.int64)
    for d in range(len(dt_category)):
        place = paired_place[d]
        if rank[d] >= max_dets or (place >= 0 and _has_cell(ignored, place, cell)):
            outcome[d] = IGNORED
        elif place >= 0 and _has_cell(matched, place, cell):
            outcome[d] = HIT
        else:
            near = nearest[d, 0]
            too_low = near >= 0 and dt_counts[d] < gt_counts[near]
            outcome[d] = _cause(passed[d], too_low, i, j)
            num_errors[outcome[d]] += 1
            if LOCALIZATION <= outcome[d] <= TOO_HIGH:
                findable[nearest[d, int(outcome[d] == CATEGORY)]] = True

    # column 0 of what follows is the detections as they are, column 1 + c has cause c repaired
    targets = np.repeat(num_gt, 1 + _NUM_CAUSES).reshape(num_categories, 1 + _NUM_CAUSES)
    for g in range(len(gt_category)):
        if not gt_crowd[g] and not _has_cell(taken, g, cell) and not findable[g]:
            targets[gt_category[g], 1 + MISSED] -= 1
            num_errors[MISSED] += 1
    repaired = np.zeros((len(gt_category), 1 + _NUM_CAUSES), np.bool_)
    tp = np.zeros((num_categories, 1 + _NUM_CAUSES), np.int64)
    fp = np.zeros((num_categories, 1 + _NUM_CAUSES), np.int64)
    best = np.zeros((num_categories, 1 + _NUM_CAUSES, len(RECALL_POINTS)))
    for d in range(len(dt_category)):
        k, cause = dt_category[d], outcome[d]
        if cause == IGNORED:
            continue
        if cause == HIT:
            for v in range(1 + _NUM_CAUSES):
                tp[k, v] += 1
                _count_hit(tp[k, v], fp[k, v], targets[k, v], best[k, v])
            continue
        for v in range(1 + _NUM_CAUSES):
            fp[k, v] += v != 1 + cause
        if LOCALIZATION <= cause <= TOO_HIGH:
            v, g = 1 + cause, nearest[d, int(cause == CATEGORY)]
            if not repaired[g, v] and not _has_cell(taken, g, cell):
                repaired[g, v] = True
                k = gt_category[g]
                tp[k, v] += 1
                _count_hit(tp[k, v], fp[k, v], targets[k, v], best[k, v])

    ap = np.full((num_categories, 1 + _NUM_CAUSES), np.nan)
    for k in range(num_categories):
        if num_gt[k] == 0:
            continue
        envelope(best[k])
        for v in range(1 + _NUM_CAUSES):
            ap[k, v] = best[k, v].mean() if targets[k, v] else 1
    return ap, num_errors
