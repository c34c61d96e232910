"""Pictures of a result: the grid as a heat map, and precision-recall curves."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from locount.counting import AC_STEPS, AC_THRESHOLDS

from ..visualization.plotting import png
from .protocol import IOU_THRESHOLDS, RECALL_POINTS
from .result import EvaluationResult


def grid_heat_map(result: EvaluationResult) -> bytes:
    """APlc in each cell, as PNG."""
    figure = Figure(figsize=(7, 6), layout="constrained")
    axes = figure.add_subplot(
        title=f"APlc by threshold, mean {result.metrics['APlc']:.2f}",
        xlabel="counting accuracy (AC) threshold",
        ylabel="IoU threshold",
    )
    image = axes.imshow(result.grid, cmap="viridis", vmin=0, vmax=100, origin="lower")
    axes.set_xticks(range(len(AC_THRESHOLDS)), [f"{k / AC_STEPS:.2f}" for k in AC_THRESHOLDS])
    axes.set_yticks(range(len(IOU_THRESHOLDS)), [f"{t:.2f}" for t in IOU_THRESHOLDS])
    for (i, j), value in np.ndenumerate(result.grid):
        # viridis is dark up to about two thirds of its range
        color = "white" if np.isnan(value) or value < 65 else "black"
        text = "-" if np.isnan(value) else f"{value:.1f}"
        axes.text(j, i, text, ha="center", va="center", color=color, fontsize=8)
    figure.colorbar(image, label="APlc")
    return png(figure)


def precision_recall_curves(result: EvaluationResult) -> bytes:
    """Mean precision over categories at each recall: joint and blind to counts, as PNG."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot(
        title="Precision and recall, mean over categories",
        xlabel="recall",
        ylabel="precision",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    for i, (name, curve) in enumerate(result.curves.items()):
        stem, suffix = name.rstrip("0123456789"), name.removeprefix("APlc").removeprefix("AP")
        what = "IoU and AC" if stem == "APlc" else "IoU"
        thresholds = f"0.{suffix}" if suffix else "0.50 to 0.95"
        axes.plot(
            RECALL_POINTS,
            curve,
            "-" if stem == "APlc" else "--",
            color=f"C{i % 3}",
            label=f"{what} {thresholds}: {name} {result.metrics[name]:.1f}",
        )
    axes.grid(alpha=0.3)
    axes.legend()
    return png(figure)
