"""The geometry of the page's charts; ``charts.html.jinja`` turns it into SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

# Points of a line; more can't be seen at the width of a chart.
MAX_POINTS = 200
# A line of so few points has a dot on each.
MAX_DOTS = 30


@dataclass(frozen=True)
class Series:
    """A line of a chart. NaNs leave gaps.

    Attributes:
        color: number of the color, from 0 on.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    color: int = 0
    dashed: bool = False


@dataclass(frozen=True)
class Tick:
    at: float
    text: str


@dataclass(frozen=True)
class Frame:
    """The axes of a chart, in units of its view box; the plot lies between the margins."""

    width: int
    height: int
    left: int
    top: int
    right: int
    bottom: int
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    x_label: str
    y_label: str


@dataclass(frozen=True)
class Line:
    name: str
    color: int
    dashed: bool
    path: str
    dots: list[tuple[float, float]]


@dataclass(frozen=True)
class LineChart:
    frame: Frame
    lines: list[Line]


@dataclass(frozen=True)
class Bubble:
    x: float
    y: float
    radius: float
    text: str
    exact: bool


@dataclass(frozen=True)
class BubbleChart:
    """Predicted over true counts, a bubble for each pair.

    Attributes:
        diagonal: the ends of the line of right counts, x1, y1, x2, y2.
        borders: x of the lines between subsets, and the names of the subsets with their middles.
    """

    frame: Frame
    bubbles: list[Bubble]
    diagonal: tuple[float, float, float, float]
    borders: list[float]
    subsets: list[Tick]


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """About ``about`` round numbers from ``low`` to ``high``, which is more."""
    step = 10 ** math.floor(math.log10((high - low) / about))
    step *= next(m for m in (1, 2, 5, 10) if (high - low) / (m * step) <= about)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Multiplied, not added up, and rounded: 0.30000000000000004 is not a label.
    return [round(i * step, 12) for i in range(first, last + 1)]


def line_chart(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str = "",
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    size: tuple[int, int] = (440, 300),
) -> LineChart:
    """Lines over axes that start at 0 unless told otherwise; long ones become means of pieces."""
    series = [_shortened(s) for s in series]
    x_low, x_high = x_range or _range(v for s in series for v in s.x)
    y_low, y_high = y_range or _range(v for s in series for v in s.y)
    (width, height), left, top, right, bottom = size, 46, 10, 10, 40

    x, y = _axis(x_low, x_high, left, width - right), _axis(y_low, y_high, height - bottom, top)
    frame = Frame(
        *(width, height, left, top, right, bottom),
        [Tick(x(v), _number(v)) for v in ticks(x_low, x_high)],
        [Tick(y(v), _number(v)) for v in ticks(y_low, y_high)],
        *(x_label, y_label),
    )
    lines = []
    for s in series:
        pieces, pen = [], "M"
        for a, b in zip(s.x, s.y, strict=True):
            if math.isfinite(b):
                pieces.append(f"{pen}{x(a)} {y(b)}")
            pen = "L" if math.isfinite(b) else "M"
        dots = [(x(a), y(b)) for a, b in zip(s.x, s.y, strict=True) if math.isfinite(b)]
        lines.append(
            Line(s.name, s.color, s.dashed, "".join(pieces), dots if len(dots) <= MAX_DOTS else [])
        )
    return LineChart(frame, lines)


def count_chart(
    pred_counts: np.ndarray, gt_counts: np.ndarray, ranges: dict[str, tuple[int, int]]
) -> BubbleChart:
    """Predicted against true counts, both on logarithmic axes: a bubble's area is how many boxes.

    Args:
        ranges: the subsets by true count, adjoining, first and last included.
    """
    pairs, numbers = np.unique(np.stack([gt_counts, pred_counts]), axis=1, return_counts=True)
    side, left, top, right, bottom = 440, 46, 22, 10, 40
    low, high = 0.7, max(15.0, 1.3 * float(pairs.max(initial=1)))

    x = _axis(low, high, left, side - right, math.log)
    y = _axis(low, high, side - bottom, top, math.log)
    powers = [m * 10**k for k in range(math.ceil(math.log10(high))) for m in (1, 2, 5)]
    shown = [v for v in powers if v <= high]
    starts = [max(low, first - 0.5) for first, _ in ranges.values()]
    ends = [*starts[1:], high]
    largest = numbers.max(initial=1)
    return BubbleChart(
        Frame(
            *(side, side, left, top, right, bottom),
            [Tick(x(v), _number(v)) for v in shown],
            [Tick(y(v), _number(v)) for v in shown],
            *("true count", "predicted count"),
        ),
        [
            Bubble(
                *(x(true), y(pred), round(max(2.0, 16 * math.sqrt(n / largest)), 1)),
                f"true {true}, predicted {pred}: {n} box{'es' if n > 1 else ''}",
                true == pred,
            )
            for (true, pred), n in sorted(
                zip(pairs.T.tolist(), numbers.tolist(), strict=True), key=lambda item: -item[1]
            )
        ],
        (x(low), y(low), x(high), y(high)),
        [x(start) for start in starts[1:]],
        [
            Tick((x(start) + x(end)) / 2, name)
            for name, start, end in zip(ranges, starts, ends, strict=True)
        ],
    )


def _axis(
    low: float, high: float, start: float, end: float, scale: Callable[[float], float] = float
) -> Callable[[float], float]:
    """From a value to where it is drawn: ``low`` at ``start``, ``high`` at ``end``."""
    length = scale(high) - scale(low)
    return lambda value: round(start + (scale(value) - scale(low)) / length * (end - start), 1)


def _shortened(series: Series) -> Series:
    if len(series.x) <= MAX_POINTS:
        return series
    x, y = (
        [float(np.mean(part)) for part in np.array_split(np.asarray(values, float), MAX_POINTS)]
        for values in (series.x, series.y)
    )
    return Series(series.name, x, y, series.color, series.dashed)


def _range(values: Iterable[float]) -> tuple[float, float]:
    finite = [v for v in values if math.isfinite(v)]
    low, high = min(0.0, *finite, 0.0), max(0.0, *finite, 0.0)
    return low, high if high > low else low + 1


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
