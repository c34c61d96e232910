"""Draws docs/method.png: CLCNet on one stack of 56 cans, in base 2 with three stages.

    python docs/draw_method.py [OUTPUT.png]

Numbers of the count partition in the picture come from locount.counting.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch, Rectangle

from locount.counting import CountPartition

WIDTH, HEIGHT = 11.55, 5.3  # inches, which are the units of all coordinates
COUNT, COLUMNS, ROWS = 56, 8, 7
PARTITION = CountPartition(COUNT, base=2, num_stages=3)
IOUS = (0.5, 0.6, 0.7)

INK, MUTED, LINE, CARD = "#1f2933", "#66727f", "#c5ccd3", "#f6f8fa"
CLASS, BOX, NUMBER, TRUTH = "#7a5195", "#1f77b4", "#d9480f", "#2f9e44"
CAN, CAN_TOP, CAN_EDGE = "#f2b8a2", "#fbe3da", "#b5533c"
GLASS, GLASS_EDGE, SHELF, POST = "#a9c8a4", "#4f7a4a", "#b08968", "#8d6e52"

CARD_WIDTH, CARD_GAP, CARDS_LEFT = 1.95, 0.42, 2.43
SHELF_WIDTH = 1.9
CARD_BOTTOM, CARD_TOP = 0.62, 4.72


def text(ax: Axes, x: float, y: float, words: str, size=9.0, color=INK, **kwargs) -> None:
    kwargs = {"ha": "center", "va": "center", **kwargs}
    ax.text(x, y, words, fontsize=size, color=color, **kwargs)


def rectangle(ax: Axes, x, y, width, height, **kwargs) -> None:
    ax.add_patch(Rectangle((x, y), width, height, **{"fill": False, **kwargs}))


def rounded(ax: Axes, x, y, width, height, radius=0.08, **kwargs) -> None:
    style = f"round,pad=0,rounding_size={radius}"
    ax.add_patch(FancyBboxPatch((x, y), width, height, boxstyle=style, **kwargs))


def arrow(ax: Axes, start, end, color=INK) -> None:
    style = {"arrowstyle": "-|>", "mutation_scale": 11, "shrinkA": 0, "shrinkB": 0}
    ax.add_patch(FancyArrowPatch(start, end, color=color, linewidth=1.4, **style))


def stack(ax: Axes, x, y, width, height, columns=COLUMNS, rows=ROWS) -> None:
    """columns x rows cans that fill the rectangle."""
    w, h = width / columns, height / rows
    for row in range(rows):
        for column in range(columns):
            left, bottom = x + column * w, y + row * h
            rectangle(
                ax, left + 0.06 * w, bottom + 0.03 * h, 0.88 * w, 0.88 * h,
                fill=True, facecolor=CAN, edgecolor=CAN_EDGE, linewidth=0.5,
            )  # fmt: skip
            center = (left + w / 2, bottom + 0.91 * h)
            ax.add_patch(
                Ellipse(center, 0.88 * w, 0.16 * h, facecolor=CAN_TOP, edgecolor=CAN_EDGE, lw=0.5)
            )


def shelf(ax: Axes, x: float, y: float) -> tuple[list[float], ...]:
    """Two boards with two stacks and a bottle; returns their boxes as x, y, width, height."""
    for board in (y, y + 1.8):
        rectangle(ax, x, board - 0.09, SHELF_WIDTH, 0.09, fill=True, color=SHELF, linewidth=0)
    for post in (x, x + SHELF_WIDTH - 0.06):
        rectangle(ax, post, y - 0.25, 0.06, 3.6, fill=True, color=POST, linewidth=0)
    big = [x + 0.25, y, 1.4, 1.22]
    small = [x + 1.06, y + 1.8, 0.54, 0.54]
    bottle = [x + 0.33, y + 1.8, 0.34, 1.05]
    stack(ax, *big)
    stack(ax, *small, columns=3, rows=3)
    left, bottom = bottle[:2]
    rounded(ax, left, bottom, 0.34, 0.7, facecolor=GLASS, edgecolor=GLASS_EDGE, lw=0.7)
    rectangle(
        ax, left + 0.11, bottom + 0.68, 0.12, 0.37,
        fill=True, facecolor=GLASS, edgecolor=GLASS_EDGE, linewidth=0.7,
    )  # fmt: skip
    return big, small, bottle


def draw_input(ax: Axes) -> None:
    left = 0.12
    text(ax, left + SHELF_WIDTH / 2, 4.95, "Proposals", 11.5, weight="bold")
    big, small, bottle = shelf(ax, left, 1.05)
    shifts = ((-0.12, -0.08, 0.1, 0.2), (0.08, 0.1, 0.05, -0.25))
    for target in (big, small, bottle):
        share = target[2] / big[2]
        for shift in shifts:
            box = [value + share * change for value, change in zip(target, shift, strict=True)]
            rectangle(ax, *box, edgecolor=BOX, linewidth=0.9, linestyle=(0, (3, 2)))


def digits_of(stage: int) -> list[str]:
    """The base-2 digits of the count up to a stage, those of each stage together."""
    total = len(f"{PARTITION.num_bins[-1] - 1:b}")
    word, ends = f"{COUNT:0{total}b}", [len(f"{bins - 1:b}") for bins in PARTITION.num_bins]
    starts = [0, *ends]
    return [word[starts[i] : ends[i]] for i in range(stage + 1)]


def draw_bins(ax: Axes, x: float, y: float, width: float, stage: int) -> None:
    """All bins of a stage as a ruler, the one with the count filled."""
    num_bins, bin_index = PARTITION.num_bins[stage], PARTITION.encode(COUNT, stage)
    w = width / num_bins
    rectangle(ax, x, y, width, 0.2, fill=True, facecolor="white", edgecolor="none")
    for i in range(num_bins + 1):
        ax.plot([x + i * w] * 2, [y, y + 0.2], color=LINE, linewidth=0.6, solid_capstyle="butt")
    rectangle(ax, x, y, width, 0.2, edgecolor=MUTED, linewidth=0.8)
    rectangle(ax, x + bin_index * w, y, w, 0.2, fill=True, color=NUMBER, linewidth=0.8)
    text(ax, x, y - 0.12, "0", 7.5, MUTED)
    text(ax, x + width, y - 0.12, str(PARTITION.num_bins[-1] - 1), 7.5, MUTED)
    first, last = PARTITION.count_range(stage, bin_index)
    label = str(first) if first == last else f"{first} … {last}"
    middle = x + min((bin_index + 0.5) * w, width - 0.3)
    text(ax, middle, y + 0.31, label, 9.5, NUMBER, weight="bold")


def draw_stage(ax: Axes, stage: int) -> None:
    left = CARDS_LEFT + stage * (CARD_WIDTH + CARD_GAP)
    middle = left + CARD_WIDTH / 2
    text(ax, middle, 4.95, f"Stage {stage + 1}", 11.5, weight="bold")
    rounded(
        ax, left, CARD_BOTTOM, CARD_WIDTH, CARD_TOP - CARD_BOTTOM,
        facecolor=CARD, edgecolor=LINE, linewidth=1.0,
    )  # fmt: skip
    text(ax, middle, 4.5, f"trained at IoU ≥ {IOUS[stage]}", 9.5, MUTED)
    truth = [middle - 0.6, 3.1, 1.2, 1.05]
    stack(ax, *truth)
    slack = (0.18, 0.08, 0.0)[stage]
    rectangle(
        ax, truth[0] - slack, truth[1] - 0.4 * slack, 1.2 + 0.5 * slack, 1.05 + slack,
        edgecolor=BOX, linewidth=1.8,
    )  # fmt: skip
    for row, (name, color, words) in enumerate(
        (
            ("class", CLASS, "K + 1 scores"),
            ("box", BOX, "4 offsets"),
            ("count", NUMBER, f"{PARTITION.num_bins[stage]} bins"),
        )
    ):
        y = 2.72 - 0.33 * row
        rounded(ax, left + 0.14, y - 0.12, 0.64, 0.24, facecolor=color, edgecolor="none")
        text(ax, left + 0.46, y - 0.005, name, 9, "white", weight="bold")
        text(ax, left + 0.87, y, words, 9, MUTED, ha="left")
    draw_bins(ax, left + 0.2, 1.3, CARD_WIDTH - 0.4, stage)
    words = digits_of(stage)
    for i, word in enumerate(words):
        x = middle + 0.34 * (i - (len(words) - 1) / 2)
        new = i == stage
        text(
            ax, x, 0.86, word, 12, NUMBER if new else MUTED,
            family="monospace", weight="bold" if new else "normal",
        )  # fmt: skip


def draw_output(ax: Axes) -> None:
    left = WIDTH - SHELF_WIDTH - 0.12
    text(ax, left + SHELF_WIDTH / 2, 4.95, "Detections", 11.5, weight="bold")
    big, small, bottle = shelf(ax, left, 1.05)
    for box, count in ((big, COUNT), (small, 9), (bottle, 1)):
        rectangle(ax, *box, edgecolor=TRUTH, linewidth=1.8)
        x, y = box[0] + box[2] / 2, box[1] + box[3] + 0.16
        rounded(ax, x - 0.24, y - 0.12, 0.48, 0.24, facecolor=TRUTH, edgecolor="none")
        text(ax, x, y - 0.005, f"× {count}", 9, "white", weight="bold")


def main() -> None:
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("method.png")
    figure = plt.figure(figsize=(WIDTH, HEIGHT))
    ax = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, HEIGHT), aspect="equal")
    ax.axis("off")
    draw_input(ax)
    for stage in range(3):
        draw_stage(ax, stage)
    draw_output(ax)
    arrow(ax, (SHELF_WIDTH + 0.18, 2.9), (CARDS_LEFT - 0.06, 2.9))
    for stage in range(3):
        x = CARDS_LEFT + stage * (CARD_WIDTH + CARD_GAP) + CARD_WIDTH
        arrow(ax, (x + 0.06, 2.9), (x + CARD_GAP - 0.06, 2.9))
        if stage < 2:
            text(ax, x + CARD_GAP / 2, 3.26, "box", 9, BOX)
            text(ax, x + CARD_GAP / 2, 3.08, "bin", 9, NUMBER)
    text(
        ax, CARDS_LEFT + 1.5 * CARD_WIDTH + CARD_GAP, 0.3,
        "56 is 111000 in base 2: each stage reads two more digits, at a higher IoU. "
        "The last one's box and count are reported.",
        10,
    )  # fmt: skip
    figure.savefig(output, dpi=140, facecolor="white")


if __name__ == "__main__":
    main()
