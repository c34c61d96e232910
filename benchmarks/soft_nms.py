"""What soft-NMS costs beside NMS, on detections of one image in random places.

    python benchmarks/soft_nms.py

Each is timed in turn, in time of the processor, and the median of nine counts.
"""

from __future__ import annotations

import statistics
import time
from functools import partial

import torch
from detectron2.layers import batched_nms
from detectron2.structures import Boxes, Instances
from tabulate import tabulate

from locount.modeling import SoftNMS

THRESHOLD = 0.5
REPEATS = 9


def make_detections(num: int, num_classes: int) -> Instances:
    corner = torch.rand(num, 2) * torch.tensor([1333.0, 800.0])
    return Instances(
        (800, 1333),
        pred_boxes=Boxes(torch.cat([corner, corner + 30 + 60 * torch.rand(num, 2)], dim=1)),
        scores=0.05 + 0.95 * torch.rand(num),
        pred_classes=torch.randint(num_classes, (num,)),
    )


def main() -> None:
    torch.set_num_threads(1)
    rows = []
    for num, num_classes in ((300, 1), (1000, 1), (1000, 10), (5000, 140)):
        d = make_detections(num, num_classes)
        ways = {
            "nms": lambda d: batched_nms(d.pred_boxes.tensor, d.scores, d.pred_classes, THRESHOLD)
        }
        for method in ("linear", "gaussian"):
            ways[method] = partial(
                SoftNMS(method),
                iou_threshold=THRESHOLD,
                score_threshold=0.05,
                max_detections=300,
            )
        seconds = {name: [] for name in ways}
        for _ in range(REPEATS):
            for name, way in ways.items():
                start = time.process_time()
                way(d)
                seconds[name].append(time.process_time() - start)
        median = {name: statistics.median(found) for name, found in seconds.items()}
        row = {"boxes": num, "classes": num_classes, "NMS": f"{1e3 * median['nms']:.1f} ms"}
        for method in ("linear", "gaussian"):
            row[method] = f"{1e3 * median[method]:.1f} ms"
            row[f"{method} / NMS"] = f"{median[method] / median['nms']:.1f}"
        rows.append(row)
    print(tabulate(rows, headers="keys", tablefmt="pipe", disable_numparse=True))


if __name__ == "__main__":
    main()
