"""What is evaluated: thresholds, recall points, subsets, and the grid of threshold pairs.

A *cell* is a pair of thresholds (IoU, AC). Row 0 asks nothing of the count, which is COCO's own
protocol; row j from 1 on asks for the j-th AC threshold. Column i asks for the i-th IoU threshold.
Cell (j, i) has number ``j * NUM_IOU + i``, and a set of cells is a bit set in two 64-bit words.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from locount.counting import AC_THRESHOLDS, COUNT_RANGES, SCALE_SIDES

# Both as pycocotools makes them: decisions at the borders depend on the last bit.
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_POINTS = np.linspace(0.0, 1.0, 101)

NUM_IOU = len(IOU_THRESHOLDS)
NUM_AC = len(AC_THRESHOLDS)
NUM_CELLS = (1 + NUM_AC) * NUM_IOU

MAX_COUNT = COUNT_RANGES["LN"][1]

ALL_AREAS, ALL_COUNTS = (0.0, float("inf")), (1, MAX_COUNT)


@dataclass(frozen=True)
class Subset:
    """A part of the ground truth, by ranges that include both ends, and the cells to evaluate.

    Ground truth outside the ranges is ignored; so is an unmatched detection outside them.
    """

    name: str
    area_range: tuple[float, float] = ALL_AREAS
    count_range: tuple[int, int] = ALL_COUNTS
    # The size of ground truth: its box's, or the annotation's "area" (of a mask, in COCO).
    annotation_area: bool = False
    count_blind: bool = False
    joint: bool = True

    def contains(self, areas: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Whether each object, given its area and count, lies in both ranges: a boolean array."""
        inside = np.ones(len(areas), np.bool_)
        for values, ends, everything in (
            (areas, self.area_range, ALL_AREAS),
            (counts, self.count_range, ALL_COUNTS),
        ):
            if ends != everything:
                inside &= (values >= ends[0]) & (values <= ends[1])
        return inside

    @property
    def cells(self) -> np.ndarray:
        """The cells to evaluate as a bit set: uint64, shape (2,)."""
        bits = 0
        if self.count_blind:
            bits |= (1 << NUM_IOU) - 1
        if self.joint:
            bits |= (1 << NUM_CELLS) - (1 << NUM_IOU)
        return _words(bits)


WHOLE = Subset("all", count_blind=True)
LOCOUNT_SUBSETS = (
    *(Subset(name, area_range=(lo**2, hi**2)) for name, (lo, hi) in SCALE_SIDES.items()),
    *(Subset(name, count_range=ends) for name, ends in COUNT_RANGES.items()),
)
# COCO's own sizes, by the annotation's "area", blind to counts: the s, m and l of APs, APm and APl.
COCO_SIZES = tuple(
    Subset(name, area_range=ends, annotation_area=True, count_blind=True, joint=False)
    for name, ends in {"s": (0, 32**2), "m": (32**2, 96**2), "l": (96**2, 1e10)}.items()
)


def _words(bits: int) -> np.ndarray:
    return np.array([bits & (2**64 - 1), bits >> 64], dtype=np.uint64)


def _passed_cells() -> np.ndarray:
    """Cells a pair of boxes passes that reaches ``i`` IoU and ``j`` AC thresholds.

    Returns:
        uint64 of shape (NUM_IOU + 1, NUM_AC + 1, 2), the last axis a bit set.
    """
    table = np.zeros((NUM_IOU + 1, NUM_AC + 1, 2), dtype=np.uint64)
    for i in range(NUM_IOU + 1):
        row, bits = (1 << i) - 1, 0
        for j in range(NUM_AC + 1):
            bits |= row << (j * NUM_IOU)
            table[i, j] = _words(bits)
    return table


PASSED_CELLS = _passed_cells()
