"""The figures as text tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from tabulate import tabulate

from locount.counting import AC_STEPS, AC_THRESHOLDS

from .analysis.causes import ErrorAnalysis
from .analysis.count_statistics import CountStatistics
from .protocol import IOU_THRESHOLDS
from .result import EvaluationResult


def figure(value: float) -> str:
    """A figure with three digits, "-" if undefined."""
    return "-" if np.isnan(value) else f"{value:.3f}"


def _table(rows: Iterable[Sequence], headers: Sequence[str]) -> str:
    # disable_numparse: tabulate would drop the zeros at the end of 50.000
    align = ("left", *["right"] * (len(headers) - 1))
    return tabulate(rows, headers, tablefmt="pipe", disable_numparse=True, colalign=align)


def metrics_table(results: Sequence[EvaluationResult]) -> str:
    """One row for each metric, one column for each of ``results``, which differ in ``max_dets``."""
    rows = []
    for names in zip(*(result.metrics for result in results), strict=True):
        # AR150 of one column is AR100 of another
        name = names[0] if len(set(names)) == 1 else names[0].removesuffix(str(results[0].max_dets))
        rows.append([name, *(figure(r.metrics[n]) for r, n in zip(results, names, strict=True))])
    return _table(rows, ["metric", *(f"{r.max_dets} detections" for r in results)])


def grid_table(result: EvaluationResult) -> str:
    """APlc in each cell: IoU thresholds down, AC thresholds across."""
    headers = ["IoU \\ AC", *(f"{k / AC_STEPS:.2f}" for k in AC_THRESHOLDS)]
    rows = [
        [f"{t:.2f}", *map(figure, row)] for t, row in zip(IOU_THRESHOLDS, result.grid, strict=True)
    ]
    return _table(rows, headers)


def per_category_table(result: EvaluationResult) -> str:
    """One row for each category that has ground truth, in the order of their ids."""
    shown = [row for row in result.per_category if row["boxes"]]
    if not shown:
        return "No category has ground truth."
    headers = [key for key in shown[0] if key != "id"]
    return _table(
        [[figure(r[k]) if isinstance(r[k], float) else str(r[k]) for k in headers] for r in shown],
        headers,
    )


def errors_table(errors: ErrorAnalysis) -> str:
    """Points lost to each cause, and how many errors there are of it at IoU and AC 0.50."""
    rows = [
        [cause, figure(errors.lost[cause]), figure(errors.lost_at_50[cause]), str(number)]
        for cause, number in errors.errors_at_50.items()
    ]
    return _table(rows, ["cause repaired", "APlc gained", "APlc50 gained", "errors at 0.50"])


def count_errors_table(rows: Mapping[str, dict[str, float]], what: str) -> str:
    """Errors of the number of products per image.

    Args:
        rows: of :meth:`.count_errors.ImageCounts.errors`, by what they are of.
        what: heads the first column.
    """
    columns = ("MAE", "RMSE", "bias")
    body = [[name, *(figure(row[c]) for c in columns)] for name, row in rows.items()]
    return _table(body, [what, *columns])


def count_table(statistics: CountStatistics) -> str:
    """Statistics of the counts: all, the subsets, then each true count."""
    rows = {"all": statistics.total} | statistics.by_subset | statistics.by_count
    headers = list(statistics.total)
    body = [
        [str(n), *(figure(row[k]) if isinstance(row[k], float) else str(row[k]) for k in headers)]
        for n, row in rows.items()
    ]
    return _table(body, ["true count", *headers])
