"""A whole evaluation of files: figures, tables and result files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from locount.files import to_csv, to_json, write_bytes

from .analysis.image_counts import ImageCounts
from .annotations import Detections
from .api import match, score_matches
from .matching.engine import Matcher
from .reading import EvaluationInputError, read_ground_truth
from .result import EvaluationResult, merge_metrics

if TYPE_CHECKING:
    from .analysis.bootstrap import Differences
    from .analysis.causes import ErrorAnalysis
    from .analysis.count_statistics import CountStatistics


@dataclass(frozen=True)
class Report:
    """Everything known of one set of detections.

    Attributes:
        results: for each ``max_dets``, ascending.
        errors, counts: at the largest ``max_dets``; None unless asked for.
        image_counts: errors of the number of "boxes" and of "items", the sum of their counts, per
            image at the least "score" asked for; None if none was.
        differences, suspects: from another system, and of annotations, at the largest ``max_dets``;
            None unless asked for.
    """

    results: list[EvaluationResult]
    errors: ErrorAnalysis | None
    counts: CountStatistics | None
    image_counts: dict | None
    differences: Differences | None
    suspects: list[dict] | None

    def as_dict(self) -> dict:
        """Plain data: what metrics.json and ``--json`` hold.

        "metrics" is that of :func:`.result.merge_metrics`.
        """
        last = self.results[-1]
        data = {
            "max_dets": last.max_dets,
            "metrics": merge_metrics(self.results),
            "metrics_at": {str(result.max_dets): result.metrics for result in self.results},
            "grid": last.grid.tolist(),
            "per_category": last.per_category,
        }
        if self.errors:
            errors = asdict(self.errors)
            data["errors"] = {k: errors[k] for k in ("lost", "lost_at_50", "errors_at_50")}
        if self.counts:
            counts = asdict(self.counts)
            by_count = {str(n): row for n, row in counts["by_count"].items()}
            data["counts"] = counts | {"by_count": by_count}
        if self.image_counts:
            data["image_counts"] = self.image_counts
        if self.differences:
            data["differences"] = asdict(self.differences)
        if self.suspects is not None:
            data["suspects"] = self.suspects
        return data

    def tables(self) -> str:
        from . import tables

        last = self.results[-1]
        parts = [
            tables.metrics_table(self.results),
            f"APlc by threshold, {last.max_dets} detections:\n{tables.grid_table(last)}",
            f"By category, {last.max_dets} detections:\n{tables.per_category_table(last)}",
        ]
        if self.errors:
            parts.append(
                f"Causes of errors, each repaired separately:\n{tables.errors_table(self.errors)}"
            )
        if self.counts:
            parts.append(f"Counts of boxes matched at IoU 0.50:\n{tables.count_table(self.counts)}")
        if self.image_counts:
            rows = {name: self.image_counts[name] for name in ("boxes", "items")}
            table = tables.count_errors_table(rows, "number of")
            parts.append(f"Per image, score {self.image_counts['score']} and above:\n{table}")
        if self.differences:
            parts.append(tables.differences_table(self.differences))
        if self.suspects is not None:
            parts.append(tables.suspects_table(self.suspects))
        return "\n\n".join(parts)


def evaluate_files(
    gt: str | PathLike,
    dt: str | PathLike,
    max_dets: Iterable[int],
    *,
    coco_sizes: bool = False,
    with_errors: bool = False,
    score: float | None = None,
    other: str | PathLike | None = None,
    draws: int | None = None,
    with_suspects: bool = False,
) -> Report:
    """Evaluate at several ``max_dets``.

    Args:
        dt: as for :func:`.api.evaluate_detections`; so is ``other``.
        with_errors: add the analyses of errors and counts.
        score: add the errors of the number of products per image when this score or more counts.
        other: add the differences from these detections, by :func:`.bootstrap.compare_systems`.
        draws: of that; None is its default.
        with_suspects: add :func:`.suspects.find_suspects` of ``score``, or of its default.

    Raises:
        EvaluationInputError: as :func:`.api.evaluate_detections`.
    """
    max_dets = sorted(set(max_dets))
    if max_dets[0] < 1:
        raise EvaluationInputError(f"max_dets must be 1 or more, not {max_dets[0]}")
    matcher = match(gt, dt, max_dets[-1])
    errors = counts = None
    if with_errors:
        # Only here: each compiled loop takes time to load.
        from .analysis.causes import analyze_errors
        from .analysis.count_statistics import count_statistics

        errors = analyze_errors(matcher, max_dets=max_dets[-1])
        counts = count_statistics(matcher, max_dets=max_dets[-1])
    differences = suspects = None
    if other is not None:
        from .analysis import bootstrap

        differences = bootstrap.compare_systems(
            matcher,
            match(matcher.gt, other, max_dets[-1]),
            draws=bootstrap.DRAWS if draws is None else draws,
        )
    if with_suspects:
        from .analysis.suspects import CONFIDENT, find_suspects

        suspects = find_suspects(matcher, CONFIDENT if score is None else score)
    return Report(
        results=[score_matches(matcher, n, coco_sizes=coco_sizes) for n in max_dets],
        errors=errors,
        counts=counts,
        image_counts=None if score is None else _image_counts(matcher, score),
        differences=differences,
        suspects=suspects,
    )


def _image_counts(matcher: Matcher, score: float) -> dict:
    return {"score": score} | {
        name: ImageCounts.of(matcher.gt, matcher.dt, items=name == "items").errors(score)
        for name in ("boxes", "items")
    }


def write_report(report: Report, folder: Path) -> None:
    """Write metrics.json, per_category.csv, grid.png and precision_recall.png; where there are any,
    differences.csv and suspects.csv.
    """
    # Only here: matplotlib takes a second to import.
    from .plots import grid_heat_map, precision_recall_curves

    last = report.results[-1]
    columns = list(last.per_category[0]) if last.per_category else ["id", "name"]
    files = {
        "metrics.json": to_json(report.as_dict()),
        "per_category.csv": to_csv(last.per_category, columns),
        "grid.png": grid_heat_map(last),
        "precision_recall.png": precision_recall_curves(last),
    }
    if report.differences:
        rows = report.differences.figures
        files["differences.csv"] = to_csv(rows, list(rows[0]))
    if report.suspects is not None:
        from .analysis.suspects import COLUMNS

        files["suspects.csv"] = to_csv(report.suspects, COLUMNS)
    for name, data in files.items():
        write_bytes(folder / name, data)


def self_test(path: str | PathLike) -> tuple[bool, str]:
    """Evaluate ground truth as its own detections, all of score 1.

    Returns:
        Whether every figure that is defined is 100, and a line that says so.

    Raises:
        EvaluationInputError: as :func:`.api.evaluate_detections`.
    """
    gt = read_ground_truth(path)
    own = gt.take(np.flatnonzero(~gt.crowd))
    dt = Detections(
        image=own.image,
        category=own.category,
        boxes=own.boxes,
        counts=own.counts,
        scores=np.ones(len(own)),
    )
    # enough that none is cut off
    metrics = score_matches(match(gt, dt, max(1, len(dt))), max(1, len(dt))).metrics
    values = np.array([v for v in metrics.values() if not np.isnan(v)])
    what = f"{path}: {len(own)} boxes as their own detections"
    if not len(values):
        return False, f"{what}: nothing to score, because there is no box"
    if np.abs(values - 100).max() < 1e-9:
        return True, f"{what} score 100 in all {len(values)} figures"
    keys = np.column_stack([own.image, own.category, own.boxes])
    repeated = len(keys) - len(np.unique(keys, axis=0))
    empty = int((own.box_areas == 0).sum())
    return False, (
        f"{what} score as low as {values.min():.3f}; {empty} boxes have no area and never match, "
        f"{repeated} repeat another of the same image and category and may take its place"
    )
