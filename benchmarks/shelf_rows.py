"""Rows found from boxes, against the truth.

    python benchmarks/shelf_rows.py
    python benchmarks/shelf_rows.py --predictions output/predict --rows ROWS.csv
    python benchmarks/shelf_rows.py --groups LOCOUNT_ROOT --singles SKU110K_ROOT

Without options: rendered shelves, whose painter knows the row and the facings of each box. A row is
found if a row of its own has the same vertical extent by an IoU of 0.5. A box is in the right row
if its row is the one that has most boxes of the true row, each row taken once. Gaps of the true
rows and facings, from edge to edge of the photo, are compared with those of the rows found.

With --predictions (a folder of `locount predict`) and --rows (image,x1,y1,x2,y2 of hand-drawn
rows): extents are compared within the width of the hand-drawn row, and a row that goes on in the
next bay may be that of several hand-drawn ones side by side. The first, third, ... photos are those
that parameters were chosen on.

With --groups and --singles (one set of photos in two layouts): how many of the pairs of single
items that one box of a group holds are in one row.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from tabulate import tabulate

from locount.shelf.render import STYLES, render
from locount.shelf.rules import RULES
from locount.stock import count_facings, find_gaps, find_rows
from locount.stock.facings import BESIDE
from locount.stock.rows import _turns

SEED, SIZE = 171, (640, 360)


def right_boxes(true: np.ndarray, found: np.ndarray) -> int:
    table = np.zeros((true.max() + 1, found.max() + 1), int)
    np.add.at(table, (true, found), 1)
    right = 0
    while table.any():
        i, j = np.unravel_index(table.argmax(), table.shape)
        right += table[i, j]
        table[i], table[:, j] = 0, 0
    return right


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """IoU of two intervals."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return max(shared, 0) / (max(one[1], other[1]) - min(one[0], other[0]))


def extent(boxes: np.ndarray) -> tuple[float, float]:
    return boxes[:, 1].min(), boxes[:, 3].max()


def true_gaps(boxes, rows, facings) -> list[tuple[int, float, float]]:
    """Row, x1, x2 of what is free between the edges of the photo."""
    gaps = []
    for row in range(rows.max() + 1):
        own = boxes[rows == row]
        middles, items = own[:, [0, 2]].mean(axis=1), facings[rows == row]
        widths = (own[:, 2] - own[:, 0]) / items.clip(min=1)
        order = [i for i in middles.argsort() if items[i]]
        starts = np.sort(own[:, 0])
        ends = np.maximum.accumulate(np.append(0, own[own[:, 0].argsort(), 2]))
        for x1, x2 in zip(ends, np.append(starts, SIZE[0]), strict=True):
            left = [widths[i] for i in order if middles[i] < x1][-BESIDE:]
            right = [widths[i] for i in order if middles[i] > x2][:BESIDE]
            if x2 - x1 > np.median(left + right):
                gaps.append((row, x1, x2))
    return gaps


def rendered(images: int) -> list[dict]:
    table = []
    for style in STYLES:
        for rule in RULES:
            counts = defaultdict(int)
            for index in range(images):
                picture = render(SEED, index, *SIZE, style, rule)
                boxes, true = picture.boxes.astype(float), picture.rows
                if not len(boxes):
                    continue
                rows = find_rows(boxes)
                counts["photos"] += 1
                counts["boxes"] += len(boxes)
                counts["right"] += right_boxes(true, rows.row)
                counts["rows"] += true.max() + 1
                found = [extent(boxes[rows.row == r]) for r in range(len(rows))]
                for row in range(true.max() + 1):
                    ious = [overlap(extent(boxes[true == row]), f) for f in found]
                    if ious and max(ious) >= 0.5:
                        counts["found"] += 1
                        found.pop(int(np.argmax(ious)))
                counts["upright called turned"] += rows.turned
                counts["turned"] += find_rows(_turns(boxes)[0]).turned
                stacked = picture.counts if rule == "item" else None
                facings = count_facings(rows, picture.counts, picture.categories.tolist(), stacked)
                counts["facings"] += picture.facings.sum()
                counts["facings wrong"] += abs(facings - picture.facings).sum()
                gaps = find_gaps(boxes, rows, facings)
                truth = true_gaps(boxes, true, picture.facings)
                for gap in gaps:
                    x1, y1, x2, y2 = gap.box
                    counts["gaps real"] += any(
                        min(x2, b) - max(x1, a) > (x2 - x1) / 2
                        and overlap((y1, y2), extent(boxes[true == row])) > 0
                        for row, a, b in truth
                    )
                counts["gaps reported"] += len(gaps)
                for row, a, b in truth:
                    high, low = extent(boxes[true == row])
                    counts["gaps found"] += any(
                        min(g.box[2], b) - max(g.box[0], a) > (b - a) / 2
                        and overlap((g.box[1], g.box[3]), (high, low)) > 0
                        for g in gaps
                    )
                counts["gaps"] += len(truth)
            table.append(
                {
                    "style": style,
                    "rule": rule,
                    "boxes": counts["boxes"],
                    "rows found": counts["found"] / counts["rows"],
                    "boxes right": counts["right"] / counts["boxes"],
                    "facings wrong": counts["facings wrong"] / counts["facings"],
                    "gaps": counts["gaps"],
                    "gaps found": counts["gaps found"] / max(counts["gaps"], 1),
                    "gaps real": counts["gaps real"] / max(counts["gaps reported"], 1),
                    "turned told": counts["turned"] / counts["photos"],
                    "upright called turned": counts["upright called turned"] / counts["photos"],
                }
            )
    return table


def hand_drawn(folder: Path, file: Path) -> list[dict]:
    drawn = defaultdict(list)
    for line in csv.DictReader(file.open()):
        drawn[line["image"]].append([float(line[key]) for key in ("x1", "y1", "x2", "y2")])
    images = json.loads((folder / "images.json").read_text())["images"]
    boxes_of = defaultdict(list)
    for box in json.loads((folder / "predictions.json").read_text()):
        x, y, w, h = box["bbox"]
        boxes_of[box["image_id"]].append((x, y, x + w, y + h))
    table = []
    for half, name in ((0, "chosen on"), (1, "others")):
        counts = defaultdict(int)
        for image in sorted(images, key=lambda image: image["file_name"])[half::2]:
            truth = np.array(drawn[Path(image["file_name"]).name])
            boxes = np.array(boxes_of[image["id"]]).reshape(-1, 4)
            rows = find_rows(boxes)
            middle = (boxes[:, :2] + boxes[:, 2:]) / 2
            inside = (middle[:, None] > truth[None, :, :2]) & (middle[:, None] < truth[None, :, 2:])
            inside = inside.all(axis=2)
            counts["rows"] += len(truth)
            counts["with a box"] += inside.any(axis=0).sum()
            taken: list[tuple[int, np.ndarray]] = []
            for row in truth:
                beside = (middle[:, 0] > row[0]) & (middle[:, 0] < row[2])
                free = [
                    r
                    for r in set(rows.row[beside].tolist())
                    if not any(r == t and min(row[2], o[2]) > max(row[0], o[0]) for t, o in taken)
                ]
                ious = [overlap(row[1::2], extent(boxes[beside & (rows.row == r)])) for r in free]
                if ious and max(ious) >= 0.5:
                    counts["found"] += 1
                    taken.append((free[int(np.argmax(ious))], row))
            one = inside.sum(axis=1) == 1
            counts["boxes"] += one.sum()
            for place in range(len(truth)):
                found = rows.row[one & inside[:, place]]
                counts["right"] += np.bincount(found).max(initial=0) if len(found) else 0
            counts["pure"] += (
                right_boxes(inside[one].argmax(axis=1), rows.row[one]) if one.any() else 0
            )
            counts["turned"] += rows.turned
            counts["photos"] += 1
        table.append(
            {
                "photos": name,
                "rows": counts["rows"],
                "of them with a box": counts["with a box"] / counts["rows"],
                "found": counts["found"] / counts["rows"],
                "boxes": counts["boxes"],
                "with most of their row": counts["right"] / counts["boxes"],
                "in the right row": counts["pure"] / counts["boxes"],
                "called turned": counts["turned"] / counts["photos"],
            }
        )
    return table


def packs(groups: str, singles: str) -> list[dict]:
    from locount.data.formats.registry import source_of

    table = []
    for split in ("train", "test"):
        counts = defaultdict(int)
        records = source_of(f"sku110k:{singles}:{split}").load()
        single = {int(Path(r["file_name"]).stem.split("_")[1]): r for r in records}
        for record in source_of(f"locount:{groups}:{split}").load():
            other = single[int(Path(record["file_name"]).stem)]
            boxes = np.array([a["bbox"] for a in other["annotations"]], float).reshape(-1, 4)
            rows = find_rows(boxes)
            group_rows = find_rows(np.array([a["bbox"] for a in record["annotations"]], float))
            middle = (boxes[:, :2] + boxes[:, 2:]) / 2
            counts["rows of singles"] += len(rows)
            counts["rows of groups"] += len(group_rows)
            for annotation in record["annotations"]:
                x1, y1, x2, y2 = annotation["bbox"]
                inside = ((middle > (x1, y1)) & (middle < (x2, y2))).all(axis=1)
                n = inside.sum()
                counts["pairs"] += n * (n - 1) // 2
                together = np.bincount(rows.row[inside], minlength=1)
                counts["together"] += (together * (together - 1) // 2).sum()
        table.append(
            {
                "split": split,
                "pairs in one box": counts["pairs"],
                "in one row": counts["together"] / counts["pairs"],
                "rows of groups": counts["rows of groups"],
                "rows of singles": counts["rows of singles"],
            }
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--predictions", type=Path)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--groups")
    parser.add_argument("--singles")
    args = parser.parse_args()
    if args.predictions:
        table = hand_drawn(args.predictions, args.rows)
    elif args.groups:
        table = packs(args.groups, args.singles)
    else:
        table = rendered(args.images)
    print(tabulate(table, "keys", tablefmt="github", floatfmt=".3f"))


if __name__ == "__main__":
    main()
