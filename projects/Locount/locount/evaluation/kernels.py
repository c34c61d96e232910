"""The compiled loops: sorting, pairing boxes, matching and accumulation.

Shape shorthand: D detections, sorted by category, then score (highest first), then image, then place in the file;
G ground-truth boxes, sorted by category, then image, then place in the file; K categories; P pairs of a detection
and a ground-truth box of its category and image whose IoU reaches the lowest threshold.

``*_start`` arrays hold K + 1 offsets: category k owns [start[k], start[k + 1]). Every function that takes
``first`` and ``last`` works on the categories [first, last) and writes nothing outside them, so that threads can share
the arrays; the functions release the interpreter lock.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from locount.counting import num_passed_ac_thresholds

from .protocol import IOU_THRESHOLDS, NUM_CELLS, NUM_IOU, PASSED_CELLS, RECALL_POINTS

_num_passed_ac_thresholds = njit(num_passed_ac_thresholds)

_ONE = np.uint64(1)
_NONE = np.uint64(0)
_EPS = float(np.spacing(1))
_DIGIT_BITS = 11


@njit(cache=True, nogil=True)
def sort_by_key(order, keys, num_keys):
    """Stable counting sort: ``order`` (indices into ``keys``) rearranged so that its keys in [0, num_keys) ascend."""
    place = np.zeros(num_keys + 1, np.int64)
    for i in order:
        place[keys[i] + 1] += 1
    for k in range(num_keys):
        place[k + 1] += place[k]
    result = np.empty_like(order)
    for i in order:
        k = keys[i]
        result[place[k]] = i
        place[k] += 1
    return result


@njit(cache=True, nogil=True)
def sort_by_score(order, scores):
    """Stable sort of ``order`` (indices into the finite ``scores``), highest score first."""
    bits = (scores + 0.0).view(np.uint64)  # + 0.0 turns -0.0 into 0.0: they are equal
    digits = np.empty(len(scores), np.int32)
    mask = np.uint64((1 << _DIGIT_BITS) - 1)
    sign = np.uint64(1 << 63)
    for i in range(len(bits)):
        # An IEEE float orders like its bits, once negative ones are reversed; here positive ones are, to descend.
        if not bits[i] & sign:
            bits[i] = ~(bits[i] | sign)
    for shift in range(0, 64, _DIGIT_BITS):
        constant = True
        for i in range(len(bits)):
            digits[i] = np.int32((bits[i] >> np.uint64(shift)) & mask)
            constant &= digits[i] == digits[0]
        if not constant:
            order = sort_by_key(order, digits, 1 << _DIGIT_BITS)
    return order


@njit(cache=True, nogil=True)
def box_iou(dt, gt, crowd):
    """IoU of two XYWH boxes; over the detection's own area if the ground truth is a crowd. 0 for empty boxes.

    The order of operations is pycocotools', so that the result has the same bits.
    """
    w = min(dt[2] + dt[0], gt[2] + gt[0]) - max(dt[0], gt[0])
    if w <= 0:
        return 0.0
    h = min(dt[3] + dt[1], gt[3] + gt[1]) - max(dt[1], gt[1])
    if h <= 0:
        return 0.0
    dt_area = dt[2] * dt[3]
    intersection = w * h
    if crowd:
        return intersection / dt_area
    return intersection / (dt_area + gt[2] * gt[3] - intersection)


@njit(cache=True, nogil=True)
def _grown(array, needed):
    if needed <= len(array):
        return array
    bigger = np.empty(max(needed, 2 * len(array)), array.dtype)
    bigger[: len(array)] = array
    return bigger


@njit(cache=True, nogil=True)
def find_pairs(
    first,
    last,
    num_images,
    max_dets,
    dt_start,
    dt_image,
    dt_boxes,
    dt_counts,
    gt_start,
    gt_image,
    gt_boxes,
    gt_counts,
    gt_crowd,
    rank,
    num_pairs,
):
    """Pairs that can match, each detection's in the order in which it tries them.

    Fills ``rank`` (D,), the place of each detection by score among those of its category and image, and ``num_pairs``
    (D,), 0 for detections of rank ``max_dets`` and up.

    Returns:
        For the pairs, detection by detection, highest IoU first and of equal ones the later in the file:
        int32 index of the ground truth; uint8 numbers of IoU and of AC thresholds passed.
    """
    gt_first = np.zeros(num_images, np.int32)
    gt_last = np.zeros(num_images, np.int32)
    seen = np.zeros(num_images, np.int32)
    pair_gt = np.empty(1024, np.int32)
    pair_iou = np.empty(1024, np.float64)
    n = 0
    for k in range(first, last):
        for g in range(gt_start[k], gt_start[k + 1]):
            image = gt_image[g]
            if gt_last[image] == 0:
                gt_first[image] = g
            gt_last[image] = g + 1
        for d in range(dt_start[k], dt_start[k + 1]):
            image = dt_image[d]
            rank[d] = seen[image]
            seen[image] += 1
            begin = n
            if rank[d] < max_dets:
                pair_gt = _grown(pair_gt, n + gt_last[image] - gt_first[image])
                pair_iou = _grown(pair_iou, n + gt_last[image] - gt_first[image])
                for g in range(gt_first[image], gt_last[image]):
                    iou = box_iou(dt_boxes[d], gt_boxes[g], gt_crowd[g])
                    if iou >= IOU_THRESHOLDS[0]:
                        p = n
                        while p > begin and pair_iou[p - 1] <= iou:
                            pair_iou[p] = pair_iou[p - 1]
                            pair_gt[p] = pair_gt[p - 1]
                            p -= 1
                        pair_iou[p] = iou
                        pair_gt[p] = g
                        n += 1
            num_pairs[d] = n - begin
        for g in range(gt_start[k], gt_start[k + 1]):
            gt_first[gt_image[g]] = 0
            gt_last[gt_image[g]] = 0
        for d in range(dt_start[k], dt_start[k + 1]):
            seen[dt_image[d]] = 0

    pair_passed = np.empty((n, 2), np.uint8)
    p = 0
    for d in range(dt_start[first], dt_start[last]):
        for _ in range(num_pairs[d]):
            passed = 1
            while passed < NUM_IOU and pair_iou[p] >= IOU_THRESHOLDS[passed]:
                passed += 1
            pair_passed[p, 0] = passed
            pair_passed[p, 1] = _num_passed_ac_thresholds(dt_counts[d], gt_counts[pair_gt[p]])
            p += 1
    return pair_gt[:n].copy(), pair_passed


@njit(cache=True, nogil=True)
def match_detection(pairs, pair_gt, pair_passed, gt_ignored, gt_crowd, taken, cells):
    """Match one detection in all cells at once, one bit a cell.

    In each cell the detection takes the first of its pairs that passes and whose ground truth is free there: first among
    those that are not ignored, then among the ignored ones. A crowd is always free.

    Args:
        pairs: first and last (exclusive) of the detection's pairs.
        taken: (G, 2) bit sets, the cells in which each ground truth is taken; updated.
        cells: (2,) bit set, the cells to evaluate.

    Returns:
        Cells matched to a ground truth that counts (two words) and to an ignored one (two words).
    """
    free0, free1 = cells
    matched0 = matched1 = ignored0 = ignored1 = _NONE
    for ignored in (False, True):
        for p in range(pairs[0], pairs[1]):
            g = pair_gt[p]
            if gt_ignored[g] != ignored:
                continue
            passed = PASSED_CELLS[pair_passed[p, 0], pair_passed[p, 1]]
            take0 = free0 & passed[0]
            take1 = free1 & passed[1]
            if not gt_crowd[g]:
                take0 &= ~taken[g, 0]
                take1 &= ~taken[g, 1]
                taken[g, 0] |= take0
                taken[g, 1] |= take1
            free0 &= ~take0
            free1 &= ~take1
            if ignored:
                ignored0 |= take0
                ignored1 |= take1
            else:
                matched0 |= take0
                matched1 |= take1
    return matched0, matched1, ignored0, ignored1


@njit(cache=True, nogil=True)
def recall_buckets(num_gt):
    """For 0 to ``num_gt`` true positives out of ``num_gt``: the index of the last recall point they reach."""
    buckets = np.empty(num_gt + 1, np.int32)
    bucket = 0
    for tp in range(num_gt + 1):
        while bucket + 1 < len(RECALL_POINTS) and RECALL_POINTS[bucket + 1] <= tp / num_gt:
            bucket += 1
        buckets[tp] = bucket
    return buckets


@njit(cache=True, nogil=True)
def _envelope(best):
    """Precision at each recall point from the best precision within each interval of recall, in place."""
    for c in range(best.shape[0]):
        for r in range(best.shape[1] - 1, 0, -1):
            best[c, r - 1] = max(best[c, r - 1], best[c, r])


@njit(cache=True, nogil=True)
def accumulate(
    first,
    last,
    max_dets,
    dt_start,
    dt_outside,
    rank,
    pair_start,
    pair_gt,
    pair_passed,
    gt_start,
    gt_ignored,
    gt_crowd,
    cells,
    num_gt,
    recall,
    precision,
):
    """Match the detections in order of their scores and turn hits and misses into precision and recall.

    Precision at a recall point is the best one at that recall or higher. It falls with every false positive, so that
    only the places of true positives matter, and a detection without a pair is nothing but a count between them.

    Args:
        dt_outside: (D,) whether a detection, unmatched, is ignored.
        pair_start: (D + 1,) offsets of the detections' pairs.
        num_gt: (K,) written: ground truth that counts.
        recall: (K, NUM_CELLS) written: the highest recall, in [0, 1]; NaN without ground truth.
        precision: (K, NUM_CELLS, R) written: precision at the recall points, likewise.
    """
    taken = np.zeros((len(gt_ignored), 2), np.uint64)
    tp = np.zeros(NUM_CELLS, np.int64)
    matched_inside = np.zeros(NUM_CELLS, np.int64)
    for k in range(first, last):
        num_gt[k] = 0
        for g in range(gt_start[k], gt_start[k + 1]):
            num_gt[k] += not gt_ignored[g]
        if num_gt[k] == 0:
            recall[k] = np.nan
            precision[k] = np.nan
            continue
        buckets = recall_buckets(num_gt[k])
        best = precision[k]
        best[:] = 0
        tp[:] = 0
        matched_inside[:] = 0
        inside = 0
        for d in range(dt_start[k], dt_start[k + 1]):
            if rank[d] >= max_dets:
                continue
            is_inside = not dt_outside[d]
            inside += is_inside
            pairs = pair_start[d], pair_start[d + 1]
            if pairs[0] == pairs[1]:
                continue
            matched0, matched1, ignored0, ignored1 = match_detection(
                pairs, pair_gt, pair_passed, gt_ignored, gt_crowd, taken, cells
            )
            for word in range(2):
                hit = matched1 if word else matched0
                any_match = hit | (ignored1 if word else ignored0)
                c = 64 * word
                while any_match:
                    if any_match & _ONE:
                        matched_inside[c] += is_inside
                        if hit & _ONE:
                            tp[c] += 1
                            fp = inside - matched_inside[c]
                            # pycocotools' own sum, epsilon included
                            p = tp[c] / ((fp + tp[c]) + _EPS)
                            bucket = buckets[tp[c]]
                            best[c, bucket] = max(best[c, bucket], p)
                    any_match >>= _ONE
                    hit >>= _ONE
                    c += 1
        _envelope(best)
        for c in range(NUM_CELLS):
            recall[k, c] = tp[c] / num_gt[k]
