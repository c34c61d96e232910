"""How sure the difference of two systems is: a paired bootstrap over photos."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ...compiled import allocating
from ..matching.engine import Matcher
from ..matching.kernels import EPS, envelope, lowest_bit, recall_buckets
from ..protocol import NUM_AC, NUM_CELLS, NUM_IOU, RECALL_POINTS
from ..result import precision_figures
from .pairs import matches_in_cells

DRAWS, SEED, LEVEL = 1000, 0, 0.95
NAMES = ("AP", "AP50", "AP75", "APlc", "APlc50", "APlc75")


@dataclass(frozen=True)
class Differences:
    """Figures of two systems on the same photos, and what lies between them.

    Attributes:
        draws, seed: of the resampling; equal ones give equal intervals.
        level: part of the draws' differences that lie in the intervals.
        undefined: draws without any ground truth, which no interval can use.
        figures: for each of ``AP AP50 AP75 APlc APlc50 APlc75`` a dict: its name as "figure"; in 0
            to 100 "dt" and "other"; "difference", dt minus other; "low" and "high", between which
            the middle ones of the draws' differences lie. NaN if undefined.
    """

    draws: int
    seed: int
    level: float
    undefined: int
    figures: list[dict]


def compare_systems(
    dt: Matcher, other: Matcher, *, draws: int = DRAWS, seed: int = SEED
) -> Differences:
    """Both at the most detections that they were matched for.

    A draw takes as many photos as there are, with replacement, the same for both systems.

    Args:
        dt, other: of the same ground truth.
    """
    systems = [Resampled(matcher) for matcher in (dt, other)]
    num_images = len(dt.gt.image_ids)

    def figures(times: np.ndarray) -> np.ndarray:
        return np.array([list(system.figures(times).values()) for system in systems])

    def draw(number: int) -> np.ndarray:
        # A generator for each, so that the threads' order changes nothing.
        rng = np.random.default_rng([seed, number])
        drawn = rng.integers(max(num_images, 1), size=num_images)
        return figures(np.bincount(drawn, minlength=num_images))

    whole = figures(np.ones(num_images, np.int64))
    with ThreadPoolExecutor(dt.num_threads) as pool:
        drawn = np.array(list(pool.map(draw, range(draws))))
    differences = drawn[:, 0] - drawn[:, 1]
    defined = differences[~np.isnan(differences).any(axis=1)]
    ends = np.full((2, len(NAMES)), np.nan)
    if len(defined):
        ends = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    columns = np.column_stack([*whole, whole[0] - whole[1], *ends]).tolist()
    keys = ("dt", "other", "difference", "low", "high")
    return Differences(
        draws=draws,
        seed=seed,
        level=LEVEL,
        undefined=draws - len(defined),
        figures=[
            {"figure": name} | dict(zip(keys, row, strict=True))
            for name, row in zip(NAMES, columns, strict=True)
        ],
    )


class Resampled:
    """A system whose matches are known, evaluated with every photo any number of times.

    Photos do not touch each other before their detections are put in one order, so that matches
    are the same in every draw.
    """

    def __init__(self, matcher: Matcher):
        m = matcher
        matched, ignored, _ = matches_in_cells(m)
        counted = np.flatnonzero(m.rank < m.max_dets)
        dt = m.dt.take(counted)
        start = np.searchsorted(counted, m.dt_start)
        # Runs of equal scores in one photo: their copies take turns, photo by photo.
        new = np.ones(len(dt) + 1, np.bool_)
        new[1:-1] = (np.diff(dt.image) != 0) | (np.diff(dt.scores) != 0)
        new[start] = True
        first_of_run = np.flatnonzero(new)
        some = (matched | ignored).any(axis=1)
        place = np.searchsorted(counted, m.paired[some])
        run = np.searchsorted(first_of_run, place, side="right") - 1
        truth = ~m.gt.crowd
        runs = first_of_run[run], first_of_run[run + 1] - first_of_run[run]
        matches = np.searchsorted(place, start), place, *runs, matched[some], ignored[some]
        gt = np.concatenate([[0], np.cumsum(truth)])[m.gt_start], m.gt.image[truth]
        self._arrays = (start, dt.image), matches, gt

    def figures(self, times: np.ndarray) -> dict[str, float]:
        """The figures NAMES in 0 to 100, NaN without ground truth.

        They are those of files that hold each photo and what is on it as often as ``times`` (I,)
        says, copies of a photo one after another in the order of ids.
        """
        ap = _average_precision(times, *self._arrays).reshape(-1, 1 + NUM_AC, NUM_IOU)
        return precision_figures(ap, joint=False) | precision_figures(ap, joint=True)


@allocating
def _average_precision(times, dt, matches, gt):
    """AP in each category and cell, (K, NUM_CELLS) in [0, 1], as :func:`.kernels.accumulate`.

    Args:
        times: (I,) how often each photo is there.
        dt: offsets of the categories in the N detections that count, and their photos.
        matches: the same offsets in the M detections that match anything in some cell, and the
            places of these among the N; (M,) first place and size of the run of equal scores in
            one photo to which each belongs; (M, 2) cells in which each matches ground truth that
            counts, and a crowd.
        gt: offsets and photos of the ground truth that counts.
    """
    start, image = dt
    match_start, match_place, run_first, run_size, matched, ignored = matches
    gt_start, gt_image = gt
    num_categories = len(start) - 1
    result = np.full((num_categories, NUM_CELLS), np.nan)
    best = np.empty((NUM_CELLS, len(RECALL_POINTS)))
    tp, crowded = np.empty(NUM_CELLS, np.int64), np.empty(NUM_CELLS, np.int64)
    for k in range(num_categories):
        num_gt = 0
        for g in range(gt_start[k], gt_start[k + 1]):
            num_gt += times[gt_image[g]]
        if num_gt == 0:
            continue
        buckets = recall_buckets(num_gt)
        best[:], tp[:], crowded[:] = 0, 0, 0
        num_before, place, m = 0, start[k], match_start[k]
        while m < match_start[k + 1]:
            first, size, end = run_first[m], run_size[m], m + 1
            while end < match_start[k + 1] and run_first[end] == first:
                end += 1
            while place < first:
                num_before += times[image[place]]
                place += 1
            # Copies of a hit raise precision along with recall: the last covers the others.
            rounds, step = times[image[first]], 1
            if size == 1 and rounds > 0:
                rounds, step = 1, rounds
            for _ in range(rounds):
                for d in range(m, end):
                    upto = num_before + (match_place[d] - first + 1) * step
                    for word in range(2):
                        bits = ignored[d, word]
                        while bits:
                            crowded[64 * word + lowest_bit(bits)] += step
                            bits &= bits - np.uint64(1)
                        bits = matched[d, word]
                        while bits:
                            c = 64 * word + lowest_bit(bits)
                            bits &= bits - np.uint64(1)
                            tp[c] += step
                            p = tp[c] / ((upto - crowded[c]) + EPS)
                            bucket = buckets[tp[c]]
                            best[c, bucket] = max(best[c, bucket], p)
                num_before += size * step
            place, m = first + size, end
        envelope(best)
        for c in range(NUM_CELLS):
            result[k, c] = best[c].mean()
    return result
