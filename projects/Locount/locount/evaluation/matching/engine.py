"""The joint evaluation on arrays: sort once, pair once, one pass over the pairs per subset."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...files import usable_cpus
from ..annotations import Detections, GroundTruth
from ..protocol import NUM_AC, NUM_CELLS, NUM_IOU, RECALL_POINTS, Subset
from . import kernels, sorting
from .kernels import Objects, Pairs, Truth


@dataclass(frozen=True)
class SubsetScores:
    """What one subset scored, before any mean over categories. All in [0, 1]; NaN where a category
    has no ground truth in the subset and in cells that were not asked for.

    K categories, J = 1 + 10 rows (row 0 is blind to counts), I = 10 IoU thresholds, R = 101 recall
    points.
    """

    subset: Subset
    num_gt: np.ndarray  # (K,)
    recall: np.ndarray  # (K, J, I)
    average_precision: np.ndarray  # (K, J, I)
    precision: np.ndarray  # (K, J, I, R); (K, J, I, 0) where it was not asked for


class Matcher:
    """Ground truth and detections sorted and paired, ready to be scored on any subset.

    Memory is linear in the number of detections, ground-truth boxes and pairs that can match.
    ``gt_order`` (G,) and ``dt_order`` (D,) are the places in the files.
    """

    def __init__(
        self, gt: GroundTruth, dt: Detections, *, max_dets: int, num_threads: int | None = None
    ):
        """
        Args:
            max_dets: the most detections per image and category to ask :meth:`score` for.
            num_threads: by default all that the process may use.
        """
        self.max_dets = max_dets
        self.num_threads = num_threads or usable_cpus()
        self.gt_order, self.gt_start = _sort_by_category_and_image(gt, gt)
        dt_order, self.dt_start = _sort_by_category_and_image(dt, gt)
        self.over_categories(sorting.sort_by_score, self.dt_start, dt_order, dt.scores)
        self.gt = gt.take(self.gt_order)
        self._dt, self.dt_order = dt, dt_order
        image = np.empty(len(dt), np.int32)
        boxes, areas = np.empty((len(dt), 4)), np.empty(len(dt))
        self.dt_areas, self.dt_counts = areas, np.empty(len(dt), np.int64)
        found = Objects(self.dt_start, image, boxes, self.dt_counts)
        columns = dt.image, dt.boxes, dt.counts
        self.over_categories(kernels.gather, dt_order, columns, found, areas)
        self.truth = Objects(self.gt_start, self.gt.image, self.gt.boxes, self.gt.counts)
        self.rank = np.empty(len(dt), np.int32)
        num_pairs = np.empty(len(dt), np.int32)
        limits = len(gt.image_ids), max_dets
        places = self.rank, num_pairs
        parts = self.over_categories(
            kernels.find_pairs, *limits, found, self.truth, self.gt.crowd, *places
        )
        # the empty arrays mean no categories at all
        pair_gt, pair_passed = zip(
            (np.empty(0, np.int32), np.empty((0, 2), np.uint8)), *parts, strict=True
        )
        self.paired = np.flatnonzero(num_pairs)
        self.paired_start = np.searchsorted(self.paired, self.dt_start)
        pair_start = np.concatenate([[0], np.cumsum(num_pairs[self.paired], dtype=np.int64)])
        self.pairs = Pairs(pair_start, np.concatenate(pair_gt), np.concatenate(pair_passed))

    @cached_property
    def dt(self) -> Detections:
        """The detections sorted; scoring needs only a part of them."""
        return self._dt.take(self.dt_order)

    @cached_property
    def _chunks(self) -> list[tuple[int, int]]:
        """Ranges of categories with about equally many detections, a few for each thread."""
        num_chunks = 4 * self.num_threads if self.num_threads > 1 else 1
        targets = np.linspace(0, self.dt_start[-1], num_chunks + 1)[1:-1]
        last = len(self.dt_start) - 1
        ends = np.unique([0, *np.searchsorted(self.dt_start, targets).clip(0, last), last])
        return list(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))

    def over_categories(self, kernel: Callable, *arrays: Any) -> list:
        """``kernel(first, last, *arrays)`` on ranges that cover all categories, in threads; the
        results."""
        # Python threads around kernels without the interpreter lock: an OpenMP pool would not
        # survive the fork of a data loader's workers in the middle of training.
        with ThreadPoolExecutor(self.num_threads) as pool:
            return list(pool.map(lambda ends: kernel(*ends, *arrays), self._chunks))

    def ignored_gt(self, subset: Subset) -> np.ndarray:
        areas = self.gt.areas if subset.annotation_area else self.gt.box_areas
        return self.gt.crowd | ~subset.contains(areas, self.gt.counts)

    def score(self, subset: Subset, *, max_dets: int, keep_precision: bool = False) -> SubsetScores:
        """Score the first ``max_dets``, at most the constructor's, of each image and category."""
        assert max_dets <= self.max_dets, (max_dets, self.max_dets)
        num_categories = len(self.gt_start) - 1
        inside = subset.contains(self.dt_areas, self.dt_counts)
        num_inside = np.zeros(len(inside) + 1, np.int32)
        np.cumsum(inside & (self.rank < max_dets), out=num_inside[1:])
        paired_rank, paired_inside = self.rank[self.paired], inside[self.paired]
        inside_upto, inside_before = num_inside[self.paired + 1], num_inside[self.dt_start]
        ignored = self.ignored_gt(subset)
        taken = np.zeros((len(ignored), 2), np.uint64)
        num_gt = np.empty(num_categories, np.int64)
        recall: np.ndarray = np.empty((num_categories, NUM_CELLS))
        precision: np.ndarray = np.empty((num_categories, NUM_CELLS, len(RECALL_POINTS)))
        paired = self.paired_start, paired_rank, paired_inside, inside_before, inside_upto
        truth = Truth(ignored, self.gt.crowd, taken)
        figures = num_gt, recall, precision
        self.over_categories(
            kernels.accumulate,
            *(max_dets, paired, self.pairs, self.gt_start, truth, subset.cells, *figures),
        )
        recall = recall.reshape(-1, 1 + NUM_AC, NUM_IOU)
        precision = precision.reshape(-1, 1 + NUM_AC, NUM_IOU, len(RECALL_POINTS))
        for row, wanted in ((slice(0, 1), subset.count_blind), (slice(1, None), subset.joint)):
            if not wanted:
                recall[:, row] = np.nan
                precision[:, row] = np.nan
        return SubsetScores(
            subset=subset,
            num_gt=num_gt,
            recall=recall,
            average_precision=precision.mean(axis=-1),
            precision=precision if keep_precision else precision[..., :0].copy(),
        )


def _sort_by_category_and_image(objects, gt: GroundTruth) -> tuple[np.ndarray, np.ndarray]:
    """Indices that sort ``objects``, equal ones in their order; first place of each category."""
    order = np.arange(len(objects), dtype=np.int32)
    order = sorting.sort_by_key(order, objects.image, len(gt.image_ids))
    order = sorting.sort_by_key(order, objects.category, len(gt.category_ids))
    sizes = np.bincount(objects.category, minlength=len(gt.category_ids))
    return order, np.concatenate([[0], np.cumsum(sizes)])
