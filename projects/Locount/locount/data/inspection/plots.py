"""Pictures of the statistics, as PNG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...counting import SCALE_SIDES
from ...visualization.plotting import png
from .boxes import BoxTable
from .statistics import Statistics

# Of a plot with a bar for each category; the CSV has them all.
MAX_BARS = 60
MAX_BINS = 50


def distributions(statistics: Mapping[str, Statistics], tables: Mapping[str, BoxTable]) -> bytes:
    """Counts, sizes, boxes per image and items per image, as shares of each dataset.

    Args:
        statistics, tables: by name of the dataset.
    """
    figure = Figure(figsize=(12, 8), layout="constrained")
    axes = figure.subplots(2, 2).ravel()
    sides = {name: np.sqrt(table.area) for name, table in tables.items()}
    _histogram(axes[0], {name: table.count for name, table in tables.items()}, "count of a box")
    _histogram(axes[1], sides, "side of a square of the box's area (pixels)")
    for border in {side for ends in SCALE_SIDES.values() for side in ends}:
        if 0 < border < np.inf:
            axes[1].axvline(border, color="grey", linestyle=":")
    axes[0].set(yscale=_scale(map(len, sides.values())), ylabel="% of boxes")
    axes[1].set(ylabel="% of boxes")
    for panel, key in ((axes[2], "boxes"), (axes[3], "items")):
        values = {n: np.array([row[key] for row in s.images]) for n, s in statistics.items()}
        _histogram(panel, values, f"{key} in an image")
        panel.set(ylabel="% of images")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center")
    return png(figure)


def _scale(numbers: Iterable[int]) -> str:
    """Matplotlib warns of a logarithmic scale without a positive number."""
    return "log" if any(numbers) else "linear"


def _histogram(axes: Axes, samples: Mapping[str, np.ndarray], label: str) -> None:
    values = np.concatenate(list(samples.values()))
    low, high = (values.min(), values.max()) if len(values) else (0, 1)
    if np.issubdtype(values.dtype, np.integer):
        # Whole numbers: every bar holds equally many of them, and has them in its middle.
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        step = int(high - low) // MAX_BINS + 1
        edges = np.arange(low, high + step + 1, step) - 0.5
    else:
        edges = np.linspace(0, max(high, 1), MAX_BINS + 1)
    for name, sample in samples.items():
        shares = 100 * np.histogram(sample, edges)[0] / max(len(sample), 1)
        axes.stairs(shares, edges, label=name, fill=len(samples) == 1)
    axes.set(xlabel=label)


def categories(statistics: Mapping[str, Statistics]) -> bytes:
    """Boxes and items of each category, those with the most boxes first."""
    names: dict[str, int] = {}
    for one in statistics.values():
        for row in one.categories:
            names[row["name"]] = names.get(row["name"], 0) + row["boxes"]
    shown = sorted(names, key=lambda name: -names[name])[:MAX_BARS]
    left_out = len(names) - len(shown)
    title = f"the {len(shown)} categories of the most boxes, {left_out} more in categories.csv"

    figure = Figure(figsize=(12, 2 + 0.25 * len(shown)), layout="constrained")
    figure.suptitle(title if left_out else "all categories")
    panels = figure.subplots(1, 2, sharey=True)
    thickness = 0.8 / len(statistics)
    for axes, key in zip(panels, ("boxes", "items"), strict=True):
        for i, (name, one) in enumerate(statistics.items()):
            values = {row["name"]: row[key] for row in one.categories}
            heights = np.arange(len(shown)) + (i - (len(statistics) - 1) / 2) * thickness
            axes.barh(heights, [values.get(n, 0) for n in shown], thickness, label=name)
        axes.set(xlabel=f"{key} (log scale)", xscale=_scale(names.values()))
        axes.set_xlim(left=0.8)  # so that one box has a bar
        axes.grid(axis="x", alpha=0.3)
    panels[0].set_yticks(range(len(shown)), shown)
    panels[0].invert_yaxis()
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center")
    return png(figure)
