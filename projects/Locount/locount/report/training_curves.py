"""Charts of a training from the lines of metrics.json."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from ..visualization.charts import LineChart, Series, line_chart

_STAGE = re.compile(r"^(.*?)_?stage(\d+)/?(.*)$")
_COUNT_FIGURES = {"accuracy": "Right count bin, share", "ac": "Mean counting accuracy (AC)"}
_TEST_FIGURES = ("AP", "AP50", "APlc", "APlc50")
_SIZE = (440, 240)


class Curves(NamedTuple):
    title: str
    chart: LineChart


def training_curves(log: list[dict]) -> Iterator[Curves]:
    """Losses, test figures, counting figures and the learning rate, as far as the log has them.

    Stages of a cascade share a chart; what a detector without a cascade logs has one line.
    """
    keys = list(dict.fromkeys(key for line in log for key in line))
    losses: dict[str, list[tuple[str, str]]] = {}
    for key in sorted(key for key in keys if "loss" in key):
        title, name = _title_and_line(key, "loss")
        losses.setdefault(title, []).append((key, name))
    if "total_loss" in losses:
        yield _curves("total_loss", losses.pop("total_loss"), log)
    for dataset in dict.fromkeys(key.removesuffix("bbox/APlc") for key in keys if _is_test(key)):
        members = [(f"{dataset}bbox/{name}", name) for name in _TEST_FIGURES]
        yield _curves(f"Test figures, percent {dataset.strip('/')}".strip(), members, log)
    for figure, title in _COUNT_FIGURES.items():
        members = [
            (key, line)
            for key, (quantity, line) in ((k, _title_and_line(k, "detector")) for k in sorted(keys))
            if quantity == f"count/{figure}"
        ]
        if members:
            yield _curves(title, members, log)
    for title, members in losses.items():
        yield _curves(title, members, log)
    if "lr" in keys:
        yield _curves("Learning rate", [("lr", "learning rate")], log)


def _title_and_line(key: str, line: str) -> tuple[str, str]:
    """The key without its stage, and the name of the stage; ``line`` if it has none."""
    found = _STAGE.match(key)
    return (found[1] + found[3], f"stage {int(found[2]) + 1}") if found else (key, line)


def _is_test(key: str) -> bool:
    return key == "bbox/APlc" or key.endswith("/bbox/APlc")


def _curves(title: str, members: list[tuple[str, str]], log: list[dict]) -> Curves:
    series = []
    for color, (key, name) in enumerate(members):
        points = [
            (line["iteration"] + 1, line[key])
            for line in log
            if isinstance(line.get(key), (int, float)) and math.isfinite(line[key])
        ]
        x, y = zip(*points, strict=True) if points else ((), ())
        series.append(Series(name, x, y, color))
    return Curves(title, line_chart(series, x_label="iteration", size=_SIZE))
