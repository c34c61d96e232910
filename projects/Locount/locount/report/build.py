"""From the files of a run to the page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from ..counting import AC_STEPS, AC_THRESHOLDS, COUNT_RANGES, SCALE_SIDES
from ..data.formats.locount.categories import LOCOUNT_CLASSES
from ..evaluation import EvaluationResult, match, score_matches
from ..evaluation.analysis.causes import analyze_errors
from ..evaluation.analysis.count_statistics import (
    CountStatistics,
    count_statistics,
    subset_confusion,
)
from ..evaluation.analysis.pairs import blind_matches
from ..evaluation.analysis.reliability import Reliability
from ..evaluation.protocol import IOU_THRESHOLDS, RECALL_POINTS
from ..visualization.charts import LineChart, Series, count_chart, line_chart
from .cases import best_cases, worst_counts, worst_misses
from .galleries import Gallery, Pictures
from .paper import paper_figures, paper_method
from .run_folder import Evaluation, RunFolder, read_run_folder
from .shelf_page import environment
from .shelves import report_shelves
from .training_curves import training_curves

# Of all galleries together, so that the page stays below 10 MB, and of one.
MAX_EXAMPLES, MAX_GALLERY = 72, 6


@dataclass(frozen=True)
class BuiltReport:
    """A page, and what is missing from it.

    Attributes:
        problems: what could not be read and is therefore missing from the page, which says so too.
    """

    html: str
    problems: list[str]


def build_report(
    run_dir: Path, dataset: str | None = None, photo_root: Path | None = None
) -> BuiltReport:
    """The report of a run as one page that needs no other file.

    Args:
        run_dir: OUTPUT_DIR of `train_net.py`, after training or ``--eval-only``.
        dataset: only the evaluations of this one.
        photo_root: show only photos of this folder; without it all that the results name.

    Raises:
        InputError: for a folder without results, and for results that can't be evaluated.
    """
    run = read_run_folder(run_dir, dataset)
    num_examples = max(1, min(MAX_GALLERY, MAX_EXAMPLES // (3 * len(run.evaluations))))
    views = [
        _view(run, evaluation, f"dataset-{i}", num_examples, photo_root)
        for i, evaluation in enumerate(run.evaluations, 1)
    ]
    method = paper_method(run.cfg)
    templates = environment()
    templates.filters["figure"] = _figure
    html = templates.get_template("page.html.jinja").render(
        run=run,
        views=views,
        method=method,
        paper=paper_figures(method),
        curves=list(training_curves(run.log)),
        iou_thresholds=IOU_THRESHOLDS.tolist(),
        ac_thresholds=[k / AC_STEPS for k in AC_THRESHOLDS],
        subsets=(*SCALE_SIDES, *COUNT_RANGES),
        count_ranges=COUNT_RANGES,
    )
    return BuiltReport(html, run.notes + [p for view in views for p in view.problems])


def _view(
    run: RunFolder,
    evaluation: Evaluation,
    anchor: str,
    num_examples: int,
    photo_root: Path | None,
) -> SimpleNamespace:
    """What the page shows of one evaluation. Figures are in percent, NaN where undefined."""
    max_dets = run.cfg.TEST.DETECTIONS_PER_IMAGE
    matcher = match(evaluation.ground_truth, evaluation.detections, max_dets)
    gt, dt = matcher.gt, matcher.dt
    result = score_matches(matcher, max_dets)
    counts = count_statistics(matcher, max_dets=max_dets)
    matches = blind_matches(matcher, max_dets=max_dets)
    pred_counts, gt_counts = dt.counts[matches.dt], gt.counts[matches.gt]

    hits = np.zeros(len(dt))
    hits[matches.dt] = 1
    reliability = Reliability.of(dt.scores, hits)

    score = run.cfg.PREDICT.SCORE
    pictures = Pictures(matcher, evaluation.photos(), score, photo_root)
    sure = matches.above(dt.scores, score)
    galleries = [
        Gallery(title, text, pictures.examples(choose(matcher, sure), num_examples))
        for title, text, choose in (
            (
                "Worst misses",
                f"Boxes that no detection of score {score:g} or more found: most items first.",
                worst_misses,
            ),
            ("Worst counts", "Found boxes whose count is furthest off.", worst_counts),
            ("Best cases", "Found boxes with the right count: most items first.", best_cases),
        )
    ]
    num_shelves = -(-num_examples // 2)
    # Not of test-time augmentation; and the config of a training names what it began with.
    calibrated = not evaluation.kind and run.last_checkpoint is None
    shelves = report_shelves(pictures, run.cfg, num_shelves, calibrated)
    modified = datetime.fromtimestamp(evaluation.detections.stat().st_mtime)
    return SimpleNamespace(
        title=evaluation.title,
        anchor=anchor,
        date=f"{modified:%Y-%m-%d %H:%M}",
        is_locount=gt.category_names == LOCOUNT_CLASSES,
        num_images=len(gt.image_ids),
        num_boxes=int((~gt.crowd).sum()),
        num_items=int(gt.counts[~gt.crowd].sum()),
        num_detections=len(dt),
        result=result,
        precision_recall=_precision_recall(result),
        reliability=_reliability(reliability),
        reliability_error=100 * reliability.error,
        errors=analyze_errors(matcher, max_dets=max_dets),
        count_chart=count_chart(pred_counts, gt_counts, COUNT_RANGES),
        confusion=subset_confusion(pred_counts, gt_counts, gt.counts[matches.missed]),
        counts=counts,
        categories=_categories(result, counts),
        galleries=galleries,
        shelves=shelves,
        problems=[*pictures.problems.values(), *shelves.problems],
    )


def _precision_recall(result: EvaluationResult) -> LineChart:
    series = [
        Series(name, RECALL_POINTS.tolist(), curve.tolist(), i % 3, not name.startswith("APlc"))
        for i, (name, curve) in enumerate(result.curves.items())
    ]
    return line_chart(series, x_label="recall", y_label="precision", x_range=(0, 1), y_range=(0, 1))


def _reliability(reliability: Reliability) -> LineChart:
    x, y = reliability.scores.tolist(), reliability.shares.tolist()
    series = [Series("found", x, y), Series("as good as the score says", [0, 1], [0, 1], 1, True)]
    return line_chart(
        series,
        x_label="score",
        y_label="share on an object",
        x_range=(0, 1),
        y_range=(0, 1),
    )


def _categories(result: EvaluationResult, counts: CountStatistics) -> list[dict]:
    """Rows of the table by category, of those with ground truth: figures, then counting."""
    counted = {row["id"]: row for row in counts.by_category}
    undefined = dict.fromkeys(("exact", "MAE"), math.nan)
    rows = []
    for row in result.per_category:
        if row["boxes"]:
            counting = counted.get(row["id"], undefined)
            figures = {key: value for key, value in row.items() if key != "id"}
            rows.append(figures | {key: counting[key] for key in undefined})
    return rows


def _figure(value: float, digits: int = 1) -> str:
    """A figure for people; a dash where it is undefined."""
    return "–" if math.isnan(value) else f"{value:.{digits}f}"
