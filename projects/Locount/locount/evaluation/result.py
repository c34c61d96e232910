"""From scores per category and cell to the named metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from locount.counting import AC_STEPS, AC_THRESHOLDS

from .annotations import GroundTruth
from .matching.engine import SubsetScores
from .protocol import NUM_AC, NUM_IOU

# Suffix of the metrics at one threshold, and its place among those of IoU and those of AC alike.
QUOTED = {name: AC_THRESHOLDS.index(AC_STEPS * int(name) // 100) for name in ("50", "75")}


@dataclass(frozen=True)
class EvaluationResult:
    """The joint evaluation of one set of detections. Everything but ``precision`` is in 0 to 100,
    NaN if undefined.

    Attributes:
        max_dets: detections per image and category that counted.
        metrics: the figures by name, plain floats: ``AP AP50 AP75 AR150`` blind to counts; ``APlc
            APlc50 APlc75 ARlc150`` joint; ``APlc-SS`` and so on for the subsets. The number in AR
            is ``max_dets``.
        grid: APlc of each cell, IoU thresholds down, AC thresholds across: shape (10, 10).
        per_category: a dict for each category: its id, name, number of boxes and figures.
        precision: mean over categories of the precision in [0, 1] at the 101 recall points; axis 0
            the AC threshold (place 0 blind to counts, then 0.50 to 0.95), axis 1 the IoU threshold.
    """

    max_dets: int
    metrics: dict[str, float]
    grid: np.ndarray
    per_category: list[dict]
    precision: np.ndarray

    @property
    def curves(self) -> dict[str, np.ndarray]:
        """Precision at each recall point, as the figure of the same name averages it: ``APlc
        APlc50 APlc75 AP AP50 AP75``.
        """
        blind, joint = self.precision[0], self.precision[1:]
        return {
            "APlc": joint.mean(axis=(0, 1)),
            **{f"APlc{name}": joint[i, i] for name, i in QUOTED.items()},
            "AP": blind.mean(axis=0),
            **{f"AP{name}": blind[i] for name, i in QUOTED.items()},
        }


def summarize(gt: GroundTruth, scores: Sequence[SubsetScores], max_dets: int) -> EvaluationResult:
    """The figures of an evaluation from its scores.

    Args:
        scores: of the whole set, with precision, then of the subsets to report.
    """
    whole, *parts = scores
    metrics = dict(_coco_metrics(whole, max_dets))
    for part in parts:
        if part.subset.count_blind:
            metrics[f"AP{part.subset.name}"] = mean_percent(part.average_precision[:, 0])
            metrics[f"AR{part.subset.name}"] = mean_percent(part.recall[:, 0])
    metrics |= precision_figures(whole.average_precision, joint=True)
    metrics[f"ARlc{max_dets}"] = mean_percent(whole.recall[:, 1:])
    joint = [part for part in parts if part.subset.joint]
    metrics |= {
        f"APlc-{part.subset.name}": mean_percent(part.average_precision[:, 1:]) for part in joint
    }
    metrics |= {f"ARlc-{part.subset.name}": mean_percent(part.recall[:, 1:]) for part in joint}
    counted = whole.num_gt > 0
    no_curve = np.full((1 + NUM_AC, NUM_IOU, whole.precision.shape[-1]), np.nan)
    return EvaluationResult(
        max_dets=max_dets,
        metrics=metrics,
        grid=np.array(
            [[mean_percent(cell) for cell in row] for row in whole.average_precision[:, 1:].T]
        ),
        per_category=list(_per_category(gt, whole, max_dets)),
        precision=whole.precision[counted].mean(axis=0) if counted.any() else no_curve,
    )


def mean_percent(values: np.ndarray) -> float:
    """Mean in percent without the NaNs of categories that have no ground truth; NaN if none has."""
    values = values[~np.isnan(values)]
    return 100 * float(values.mean()) if values.size else float("nan")


def precision_figures(ap: np.ndarray, *, joint: bool) -> dict[str, float]:
    """``APlc APlc50 APlc75``, or ``AP AP50 AP75`` blind to counts, in percent.

    Args:
        ap: in [0, 1], of every cell: (..., J, I).
    """
    stem, cells = ("APlc", ap[..., 1:, :]) if joint else ("AP", ap[..., :1, :])
    at = {name: cells[..., i if joint else 0, i] for name, i in QUOTED.items()}
    return {stem: mean_percent(cells)} | {stem + n: mean_percent(v) for n, v in at.items()}


def _coco_metrics(whole: SubsetScores, max_dets: int) -> Iterator[tuple[str, float]]:
    # Axes in pycocotools' order, IoU, recall, category: so numpy's mean has the same last bit.
    precision = np.moveaxis(whole.precision[whole.num_gt > 0, 0], 0, -1)

    def mean(values):
        return 100 * float(np.ascontiguousarray(values).mean()) if values.size else float("nan")

    yield "AP", mean(precision)
    for name, i in QUOTED.items():
        yield f"AP{name}", mean(precision[i])
    yield f"AR{max_dets}", mean(whole.recall[whole.num_gt > 0, 0].T)


def _per_category(gt: GroundTruth, whole: SubsetScores, max_dets: int) -> Iterator[dict]:
    for k, (category_id, name) in enumerate(
        zip(gt.category_ids.tolist(), gt.category_names, strict=True)
    ):
        ap = whole.average_precision[k]
        yield {
            "id": category_id,
            "name": name,
            "boxes": int(whole.num_gt[k]),
            **precision_figures(ap[None], joint=False),
            f"AR{max_dets}": mean_percent(whole.recall[k, 0]),
            **precision_figures(ap[None], joint=True),
            f"ARlc{max_dets}": mean_percent(whole.recall[k, 1:]),
        }


def merge_metrics(results: Sequence[EvaluationResult]) -> dict[str, float]:
    """All figures at the largest ``max_dets``; at every other one AR and ARlc as in COCO's table,
    and AP as "AP@" and the number, so that COCO's own AP is "AP@100".
    """
    *others, largest = sorted(results, key=lambda result: result.max_dets)
    merged: dict[str, float] = {}
    for name, value in largest.metrics.items():
        for stem in ("AR", "ARlc"):
            if name == f"{stem}{largest.max_dets}":
                merged |= {f"{stem}{r.max_dets}": r.metrics[f"{stem}{r.max_dets}"] for r in others}
        merged[name] = value
        if name == "AP":
            merged |= {f"AP@{r.max_dets}": r.metrics["AP"] for r in others}
    return merged
