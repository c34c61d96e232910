"""What photos with many boxes take after the model: milliseconds of the processor for each photo.

    python benchmarks/many_boxes.py

The boxes are in a grid on photos of 4096 x 2304 pixels, in 17 categories.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from detectron2.structures import Boxes, Instances
from tabulate import tabulate

from locount.class_names import Classes
from locount.evaluation import evaluate_detections
from locount.inference.inventory import write_tables
from locount.inference.journal import Entry, Journal
from locount.inference.prediction import Prediction
from locount.inference.tiles import Tiling, merge
from locount.visualization.drawing import draw_prediction

WIDTH, HEIGHT, PHOTOS = 4096, 2304, 20
CLASSES = Classes(
    names=tuple(f"category {i}" for i in range(17)), groups=("",) * 17, ids=tuple(range(17))
)


def main() -> None:
    torch.set_num_threads(1)
    rows = [row(number) for number in (300, 1000, 3000)]
    print(tabulate(rows, headers="keys", tablefmt="pipe", floatfmt=".0f"))


def row(number: int) -> dict[str, float]:
    photos = [Prediction(str(i), boxes_in_a_raster(number, seed=i), CLASSES) for i in range(PHOTOS)]
    pixels = np.full((HEIGHT, WIDTH, 3), 128, dtype=np.uint8)
    regions = Tiling((640, 360)).regions(HEIGHT, WIDTH)
    views = [in_view(photos[0].instances, region) for region in regions.tolist()]
    entries = [Entry.of(p, i, (0, 0), None) for i, p in enumerate(photos, 1)]
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "journal.jsonl", {})
        milliseconds = {
            "boxes": number,
            f"merging {len(regions)} tiles": spent(lambda: merge(views, regions, (HEIGHT, WIDTH))),
            "parts left out": spent(lambda: photos[0].without_parts(0.7)),
            "picture": spent(lambda: draw_prediction(photos[0], pixels)),
            "journal": spent(lambda: [journal.add(entry) for entry in entries]) / PHOTOS,
            "tables": spent(lambda: write_tables(journal, CLASSES, Path(folder))) / PHOTOS,
        }
        journal.close()
    truth, results = coco(entries)
    evaluate_detections(truth, results, number)  # compiles
    milliseconds["evaluation"] = spent(lambda: evaluate_detections(truth, results, number)) / PHOTOS
    return milliseconds


def boxes_in_a_raster(number: int, seed: int) -> Instances:
    random = torch.Generator().manual_seed(seed)
    columns = int(np.ceil(np.sqrt(number * WIDTH / HEIGHT)))
    place = torch.arange(number)
    cell = torch.tensor([WIDTH / columns, HEIGHT / np.ceil(number / columns)])
    corner = torch.stack([place % columns, place // columns], dim=1) * cell
    return Instances(
        (HEIGHT, WIDTH),
        pred_boxes=Boxes(torch.cat([corner + 1, corner + cell - 2], dim=1).float()),
        scores=torch.rand(number, generator=random).sort(descending=True).values,
        pred_classes=torch.randint(17, (number,), generator=random),
        pred_counts=torch.randint(1, 40, (number,), generator=random),
    )


def in_view(instances: Instances, region: list[int]) -> Instances:
    """What a tile shows."""
    x1, y1, x2, y2 = region
    boxes = Boxes(instances.pred_boxes.tensor - torch.tensor([x1, y1, x1, y1]))
    boxes.clip((y2 - y1, x2 - x1))
    shown = {**instances.get_fields(), "pred_boxes": boxes}
    return Instances((y2 - y1, x2 - x1), **shown)[boxes.nonempty()]


def coco(entries: list[Entry]) -> tuple[dict, list[dict]]:
    results = [
        {
            "image_id": entry.image_id,
            "category_id": detection.category_id,
            "bbox": list(detection.bbox),
            "count": detection.count,
            "score": detection.score,
        }
        for entry in entries
        for detection in entry.detections
    ]
    annotations = [
        {**result, "id": i, "iscrowd": 0, "area": result["bbox"][2] * result["bbox"][3]}
        for i, result in enumerate(results)
    ]
    images = [{"id": entry.image_id, "width": WIDTH, "height": HEIGHT} for entry in entries]
    categories = [{"id": i, "name": n} for i, n in zip(CLASSES.ids, CLASSES.names, strict=True)]
    return {"images": images, "annotations": annotations, "categories": categories}, results


def spent(work: Callable) -> float:
    start = time.process_time()
    work()
    return 1e3 * (time.process_time() - start)


if __name__ == "__main__":
    main()
