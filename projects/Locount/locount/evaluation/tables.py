"""The figures as text tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from tabulate import tabulate

from locount.counting import AC_STEPS, AC_THRESHOLDS
from locount.errors import printable

from .protocol import IOU_THRESHOLDS
from .result import EvaluationResult

if TYPE_CHECKING:
    # Compiled loops take time to load.
    from .analysis.bootstrap import Differences
    from .analysis.causes import ErrorAnalysis
    from .analysis.count_statistics import CountStatistics

NUM_SUSPECTS = 20  # that a table shows


def figure(value: float) -> str:
    """A figure with three digits, "-" if undefined."""
    return "-" if np.isnan(value) else f"{value:.3f}"


def table(rows: Iterable[Sequence], headers: Sequence[str]) -> str:
    """Text on the left, and then numbers; those that are floats as :func:`figure`."""
    body = [[figure(v) if isinstance(v, float) else str(v) for v in row] for row in rows]
    # disable_numparse: tabulate would drop the zeros at the end of 50.000
    align = ("left", *["right"] * (len(headers) - 1))
    return tabulate(body, headers, tablefmt="pipe", disable_numparse=True, colalign=align)


def metrics_table(results: Sequence[EvaluationResult]) -> str:
    """One row for each metric, one column for each of ``results``, which differ in ``max_dets``."""
    rows = []
    for names in zip(*(result.metrics for result in results), strict=True):
        # AR150 of one column is AR100 of another
        name = names[0] if len(set(names)) == 1 else names[0].removesuffix(str(results[0].max_dets))
        rows.append([name, *(r.metrics[n] for r, n in zip(results, names, strict=True))])
    return table(rows, ["metric", *(f"{r.max_dets} detections" for r in results)])


def grid_table(result: EvaluationResult) -> str:
    """APlc in each cell: IoU thresholds down, AC thresholds across."""
    headers = ["IoU \\ AC", *(f"{k / AC_STEPS:.2f}" for k in AC_THRESHOLDS)]
    grid = result.grid.tolist()
    return table([[f"{t:.2f}", *row] for t, row in zip(IOU_THRESHOLDS, grid, strict=True)], headers)


def per_category_table(result: EvaluationResult) -> str:
    """One row for each category that has ground truth, in the order of their ids."""
    shown = [row for row in result.per_category if row["boxes"]]
    if not shown:
        return "No category has ground truth."
    headers = [key for key in shown[0] if key != "id"]
    return table([[row[key] for key in headers] for row in shown], headers)


def errors_table(errors: ErrorAnalysis) -> str:
    """Points lost to each cause, and how many errors it makes at IoU and AC 0.50."""
    rows = [
        [cause, errors.lost[cause], errors.lost_at_50[cause], number]
        for cause, number in errors.errors_at_50.items()
    ]
    return table(rows, ["cause repaired", "APlc gained", "APlc50 gained", "errors at 0.50"])


def count_errors_table(rows: Mapping[str, dict[str, float]], what: str) -> str:
    """Errors of the number of products per image.

    Args:
        rows: of :meth:`.count_errors.ImageCounts.errors`, by what they are of.
        what: heads the first column.
    """
    columns = ("MAE", "RMSE", "bias")
    return table(
        [[name, *(row[c] for c in columns)] for name, row in rows.items()], [what, *columns]
    )


def count_table(statistics: CountStatistics) -> str:
    """Statistics of the counts: all, the subsets, then each true count."""
    rows = {"all": statistics.total} | statistics.by_subset | statistics.by_count
    headers = list(statistics.total)
    body = [[str(n), *(row[key] for key in headers)] for n, row in rows.items()]
    return table(body, ["true count", *headers])


def differences_table(differences: Differences) -> str:
    """A heading, and a row for each figure."""
    body = [list(row.values()) for row in differences.figures]
    what = f"{100 * differences.level:g} % intervals of {differences.draws} draws"
    head = f"Differences from the other detections; {what}"
    if differences.undefined:
        head += f", {differences.undefined} of them without ground truth and left out"
    columns = ["figure", "DT", "other", "DT - other", "from", "to"]
    return f"{head}:\n{table(body, columns)}"


def suspects_table(suspects: Sequence[dict]) -> str:
    """How many there are of each kind, and the first ones."""
    if not suspects:
        return "No annotation is suspect."
    kinds = Counter(suspect["kind"] for suspect in suspects).most_common()
    head = f"{len(suspects)} suspect annotations ({', '.join(f'{k}: {n}' for k, n in kinds)})"
    if len(suspects) > NUM_SUSPECTS:
        head += f", the first {NUM_SUSPECTS}"
    columns = ("score", "image_id", "kind", "annotation", "category", "why")
    body = [
        [figure(s["score"]), *("-" if s[c] is None else printable(str(s[c])) for c in columns[1:])]
        for s in suspects[:NUM_SUSPECTS]
    ]
    return f"{head}:\n{tabulate(body, columns, tablefmt='pipe', disable_numparse=True)}"
