"""Draws docs/few_photos.png: AP and APlc against the number of photos that were trained on.

    python docs/draw_few_photos.py [OUTPUT.png]

The figures are those of the table in docs/results.md, "How many photos of one's own?".
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).parent
HEADER = "| photos | start |"
# By what was started from, as the table names it.
COLORS = {"ImageNet": "#1f77b4", "groceries and rendered shelves": "#d9480f"}


def read_table(text: str) -> list[dict[str, str]]:
    table = text[text.index(HEADER) :].split("\n\n")[0]
    head, _, *rows = ([cell.strip() for cell in s.strip("|").split("|")] for s in table.split("\n"))
    return [dict(zip(head, row, strict=True)) for row in rows]


def draw(rows: list[dict[str, str]], output: Path) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(8.4, 3.2), layout="constrained")
    for ax, name in zip(panels, ("AP", "APlc"), strict=True):
        for start, color in COLORS.items():
            points = [(int(r["photos"]), float(r[name])) for r in rows if r["start"] == start]
            ax.plot(*zip(*points, strict=True), "o-", color=color, label=f"from {start}")
        ax.set(xscale="log", xlabel="photos trained on", ylim=(0, None), title=name)
        ticks = sorted({int(row["photos"]) for row in rows})
        ax.set_xticks(ticks, ticks)
        ax.minorticks_off()
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    panels[0].legend(frameon=False, fontsize=8, loc="lower right")
    figure.savefig(output, dpi=110)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "few_photos.png"
    draw(read_table((HERE / "results.md").read_text(encoding="utf-8")), target)
