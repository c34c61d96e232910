"""The compiled loops: pairing boxes, matching and accumulation.

Shape shorthand: D detections, sorted by category, then score (highest first), then image, then
place in the file; G ground-truth boxes, sorted by category, then image, then place in the file; K
categories; P pairs of a detection and a ground-truth box of its category and image whose IoU
reaches the lowest threshold.

``*_start`` arrays hold K + 1 offsets: category k owns [start[k], start[k + 1]). Every function that
takes ``first`` and ``last`` works on the categories [first, last) and writes nothing outside them,
so that threads can share the arrays; the functions release the interpreter lock.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...compiled import allocating, loop
from ...counting import num_passed_ac_thresholds
from ..protocol import IOU_THRESHOLDS, NUM_CELLS, NUM_IOU, PASSED_CELLS, RECALL_POINTS


class Objects(NamedTuple):
    """Sorted detections or ground truth."""

    start: np.ndarray  # (K + 1,)
    image: np.ndarray
    boxes: np.ndarray  # XYWH
    counts: np.ndarray


class Pairs(NamedTuple):
    """The pairs of the C detections that have any."""

    start: np.ndarray  # (C + 1,) offsets in the following
    gt: np.ndarray  # (P,)
    passed: np.ndarray  # (P, 2) numbers of IoU and of AC thresholds


class Truth(NamedTuple):
    """How ground truth can be matched."""

    ignored: np.ndarray  # (G,) bool
    crowd: np.ndarray  # (G,) bool
    taken: np.ndarray  # (G, 2) bit sets, the cells in which it is taken; zeros at first, updated


_num_passed_ac_thresholds = loop(num_passed_ac_thresholds)

_ONE = np.uint64(1)
_NONE = np.uint64(0)
EPS = float(np.spacing(1))
# The top six bits of this constant times a power of two differ for all 64 of them.
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_BIT_OF_PRODUCT = np.empty(64, np.int64)
_BIT_OF_PRODUCT[[(int(_DE_BRUIJN) << bit) % 2**64 >> 58 for bit in range(64)]] = np.arange(64)


@loop
def box_iou(dt, gt, crowd):
    """IoU of two XYWH boxes, given as tuples; over the detection's own area if ``crowd``.

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


@loop
def box_at(boxes, i):
    return boxes[i, 0], boxes[i, 1], boxes[i, 2], boxes[i, 3]


@loop
def gather(first, last, order, columns, to, to_areas):
    """Write image, box and count of the detections ``order`` (D,), and their areas.

    In one pass, because most of the time goes to memory out of reach of the cache.

    Args:
        columns: images, boxes and counts in the order of the file.
        to: Objects with their offsets, the rest of which is written.
    """
    image, boxes, counts = columns
    start, to_image, to_boxes, to_counts = to
    for d in range(start[first], start[last]):
        i = order[d]
        to_image[d] = image[i]
        to_counts[d] = counts[i]
        for k in range(4):
            to_boxes[d, k] = boxes[i, k]
        to_areas[d] = boxes[i, 2] * boxes[i, 3]


@allocating
def _grown(array, needed):
    bigger = np.empty(max(needed, 2 * len(array)), array.dtype)
    bigger[: len(array)] = array
    return bigger


@allocating
def find_pairs(first, last, num_images, max_dets, dt, gt, gt_crowd, rank, num_pairs):
    """Pairs that can match, each detection's in the order in which it tries them.

    Fills ``rank`` (D,), the place of each detection by score among those of its category and image,
    and ``num_pairs`` (D,), 0 for detections of rank ``max_dets`` and up.

    Returns:
        For the pairs, detection by detection, highest IoU first and of equal ones the later in the
        file: int32 index of the ground truth; uint8 numbers of IoU and of AC thresholds passed.
    """
    dt_start, dt_image, dt_boxes, dt_counts = dt
    gt_start, gt_image, gt_boxes, gt_counts = gt
    # Of each image: first and last ground truth of the category, detections seen. Side by side, so
    # that an image takes one access to memory and not three.
    of_image = np.zeros((num_images, 3), np.int32)
    pair_gt = np.empty(1024, np.int32)
    pair_iou = np.empty(1024, np.float64)
    n = 0
    for k in range(first, last):
        for g in range(gt_start[k], gt_start[k + 1]):
            image = gt_image[g]
            if of_image[image, 1] == 0:
                of_image[image, 0] = g
            of_image[image, 1] = g + 1
        for d in range(dt_start[k], dt_start[k + 1]):
            image = dt_image[d]
            first_gt, last_gt, seen = of_image[image]
            rank[d] = seen
            of_image[image, 2] = seen + 1
            begin = n
            if seen < max_dets and last_gt > 0:
                most = n + last_gt - first_gt
                if most > len(pair_gt):
                    pair_gt, pair_iou = _grown(pair_gt, most), _grown(pair_iou, most)
                box = box_at(dt_boxes, d)
                for g in range(first_gt, last_gt):
                    iou = box_iou(box, box_at(gt_boxes, g), gt_crowd[g])
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
            of_image[gt_image[g]] = 0
        for d in range(dt_start[k], dt_start[k + 1]):
            of_image[dt_image[d]] = 0

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


@loop
def match_detection(d, pairs, truth, cells):
    """Match one detection in all cells at once, one bit a cell.

    In each cell the detection takes the first of its pairs that passes and whose ground truth is
    free there, and an ignored one only if there is no other. A crowd is always free.

    Args:
        d: its place among the C detections with pairs.
        pairs, truth: Pairs and Truth.
        cells: (2,) bit set, the cells to evaluate.

    Returns:
        Cells matched to a ground truth that counts (two words) and to an ignored one (two words).
    """
    pair_start, pair_gt, pair_passed = pairs
    gt_ignored, gt_crowd, taken = truth
    free0, free1 = cells
    matched0 = matched1 = ignored0 = ignored1 = _NONE
    for ignored in (False, True):
        for p in range(pair_start[d], pair_start[d + 1]):
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


@allocating
def recall_buckets(num_gt):
    """The last recall point that 0, 1, ... ``num_gt`` true positives out of ``num_gt`` reach."""
    buckets = np.empty(num_gt + 1, np.int32)
    bucket = 0
    for tp in range(num_gt + 1):
        while bucket + 1 < len(RECALL_POINTS) and RECALL_POINTS[bucket + 1] <= tp / num_gt:
            bucket += 1
        buckets[tp] = bucket
    return buckets


@loop
def envelope(best):
    """Best precision at each recall or higher, from the best in each interval; in place."""
    for c in range(best.shape[0]):
        for r in range(best.shape[1] - 1, 0, -1):
            best[c, r - 1] = max(best[c, r - 1], best[c, r])


@loop
def lowest_bit(word):
    """Place of the lowest set bit of a word that is not 0."""
    return _BIT_OF_PRODUCT[(word & (~word + _ONE)) * _DE_BRUIJN >> np.uint64(58)]


@allocating
def accumulate(
    first, last, max_dets, paired, pairs, gt_start, truth, cells, num_gt, recall, precision
):
    """Match the detections, best first, and turn hits and misses into precision and recall.

    Precision at a recall point is the best one at that recall or higher. It falls with every false
    positive, so that only the places of true positives matter, and a detection without a pair is
    nothing but a count between them. C detections have pairs; of a detection "inside" the subset
    it takes a match to make it anything but a false positive.

    Args:
        paired: of the C detections with pairs the offsets of the categories; (C,) rank of each,
            and whether it is inside; (K + 1,) detections inside, of rank < ``max_dets``, before
            each category; (C,) the same up to each detection with pairs, including it.
        pairs, truth: Pairs and Truth.
        num_gt: (K,) written: ground truth that counts.
        recall: (K, NUM_CELLS) written: the highest recall, in [0, 1]; NaN without ground truth.
        precision: (K, NUM_CELLS, R) written: precision at the recall points, likewise.
    """
    paired_start, paired_rank, paired_inside, inside_before, inside_upto = paired
    gt_ignored = truth.ignored
    tp = np.zeros(NUM_CELLS, np.int64)
    matched_inside = np.zeros(128, np.int32)
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
        for d in range(paired_start[k], paired_start[k + 1]):
            if paired_rank[d] >= max_dets:
                continue
            matched0, matched1, ignored0, ignored1 = match_detection(d, pairs, truth, cells)
            if paired_inside[d]:
                for word in range(2):
                    either = matched1 | ignored1 if word else matched0 | ignored0
                    if either:
                        for c in range(64):
                            bit = (either >> np.uint64(c)) & _ONE
                            matched_inside[64 * word + c] += np.int32(bit)
            inside = inside_upto[d] - inside_before[k]
            for word in range(2):
                hit = matched1 if word else matched0
                while hit:
                    c = 64 * word + lowest_bit(hit)
                    hit &= hit - _ONE
                    tp[c] += 1
                    # pycocotools' own sum, epsilon included
                    p = tp[c] / ((inside - matched_inside[c] + tp[c]) + EPS)
                    bucket = buckets[tp[c]]
                    best[c, bucket] = max(best[c, bucket], p)
        envelope(best)
        for c in range(NUM_CELLS):
            recall[k, c] = tp[c] / num_gt[k]
