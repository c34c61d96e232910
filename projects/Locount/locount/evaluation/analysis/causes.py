"""Where points of APlc are lost: each cause of errors repaired separately, as by TIDE."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..matching.engine import Matcher
from ..matching.kernels import Objects
from ..protocol import NUM_AC, NUM_IOU
from . import cause_kernels
from .cause_kernels import CAUSES
from .pairs import matches_in_cells


@dataclass(frozen=True)
class ErrorAnalysis:
    """Points of APlc that repairing one cause of errors, and nothing else, would bring.

    The points of all causes don't add up to what is missing to 100: repairs help each other.

    Attributes:
        lost: points of APlc, a mean over the grid, by cause.
        lost_at_50: points of APlc50 by cause.
        errors_at_50: number of detections, or of missed ground truth, by cause at IoU and AC 0.50.
        grid: (10, 10, 1 + causes) APlc in each cell, as it is and with each cause repaired.
    """

    lost: dict[str, float]
    lost_at_50: dict[str, float]
    errors_at_50: dict[str, int]
    grid: np.ndarray


def analyze_errors(matcher: Matcher, *, max_dets: int) -> ErrorAnalysis:
    """Sort the errors at every pair of thresholds by cause, and repair one cause at a time."""
    m = matcher
    matches = matches_in_cells(m)
    image_gt = np.argsort(m.gt.image, kind="stable")
    image_start = np.searchsorted(m.gt.image[image_gt], np.arange(len(m.gt.image_ids) + 1))
    nearest: np.ndarray = np.empty((len(m.dt), 2), np.int32)
    passed: np.ndarray = np.empty((len(m.dt), 2, 2), np.int8)
    found = Objects(m.dt_start, m.dt.image, m.dt.boxes, m.dt.counts)
    truth = m.truth, m.gt.category, m.gt.crowd
    m.over_categories(
        cause_kernels.nearest_boxes, found, image_start, image_gt, *truth, nearest, passed
    )
    by_score = np.argsort(-m.dt.scores, kind="stable")
    paired_place: np.ndarray = np.full(len(m.dt), -1, np.int32)
    paired_place[m.paired] = np.arange(len(m.paired))
    num_gt = np.bincount(m.gt.category[~m.gt.crowd], minlength=len(m.gt.category_ids))

    columns = (m.dt.category, m.dt.counts, m.rank, paired_place, nearest, passed)
    dt = tuple(column[by_score] for column in columns)
    gt = m.gt.category, m.gt.counts, m.gt.crowd, num_gt

    def repair(cell: tuple[int, int]):
        return cause_kernels.repair_cell(*cell, max_dets, dt, matches, gt)

    cells = [(i, j) for i in range(NUM_IOU) for j in range(NUM_AC)]
    with ThreadPoolExecutor(m.num_threads) as pool:
        repairs = list(pool.map(repair, cells))
    ap = 100 * np.stack([ap[num_gt > 0] for ap, _ in repairs])
    if not ap.size:
        ap = np.full((len(cells), 1, 1 + len(CAUSES)), np.nan)
    grid = ap.mean(axis=1).reshape(NUM_IOU, NUM_AC, -1)
    lost = grid[..., 1:] - grid[..., :1]
    return ErrorAnalysis(
        lost=dict(zip(CAUSES, lost.mean(axis=(0, 1)).tolist(), strict=True)),
        lost_at_50=dict(zip(CAUSES, lost[0, 0].tolist(), strict=True)),
        errors_at_50=dict(zip(CAUSES, repairs[0][1].tolist(), strict=True)),
        grid=grid,
    )
