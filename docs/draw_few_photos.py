"""Draws docs/few_photos.png: AP and APlc against the number of photos that were trained on.

    python docs/draw_few_photos.py [OUTPUT.png]

The figures are those of the table in docs/results.md, "How many photos of one's own?".
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
HEADER = "| photos | start |"
# "from …", as the table has it; from weak to strong.
COLORS = {"nothing": "#66727f", "ImageNet": "#1f77b4", "groceries and rendered shelves": "#d9480f"}


def read_table(text: str) -> dict[str, list[dict[str, float]]]:
    """The rows of the table by what was started from; a mean with its deviation is the mean."""
    table = text[text.index(HEADER) :].split("\n\n")[0]
    head, _, *lines = (
        [cell.strip() for cell in s.strip("|").split("|")] for s in table.split("\n")
    )
    rows = defaultdict(list)
    for line in lines:
        row = dict(zip(head, line, strict=True))
        rows[row.pop("start")].append({key: float(text.split()[0]) for key, text in row.items()})
    return rows


def draw(rows: dict[str, list[dict[str, float]]], output: Path) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(8.4, 3.2), layout="constrained")
    for ax, name in zip(panels, ("AP", "APlc"), strict=True):
        for start, color in COLORS.items():
            x, y = ([row[key] for row in rows[start]] for key in ("photos", name))
            ax.plot(x, y, "o-", color=color, label=f"from {start}")
        ax.set(xscale="log", xlabel="photos trained on", ylim=0, title=name)
        ticks = sorted({int(row["photos"]) for some in rows.values() for row in some})
        ax.set_xticks(ticks, ticks, minor=False)
        ax.minorticks_off()
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, fontsize=8, loc="lower right")
    figure.savefig(output, dpi=110)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "few_photos.png"
    draw(read_table((HERE / "results.md").read_text(encoding="utf-8")), target)
