"""What a detection transformer that counts costs beside CLCNet, by queries and objects.

    python benchmarks/detr.py [--size H W]

configs/Photos with random weights, one photo of noise: seconds of the processor of a training step
and of a prediction, each the least of three, and the most memory that the process has had beyond
that of the model. Each row runs in a process of its own, with one thread.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from memory import peak_memory
from tabulate import tabulate

PHOTOS = Path(__file__).parents[1] / "configs/Photos"
# Config, queries (None: it has none) and objects on the photo.
ROWS = (
    ("clcnet_s2_cls10_lite0", None, 10),
    ("dfine_cls_lite0", 100, 10),
    ("dfine_cls_lite0", 900, 10),
    ("clcnet_s2_cls10_lite0", None, 1000),
    ("dfine_cls_lite0", 900, 1000),
)
REPEATS = 3


def measure(
    config: str, num_queries: int | None, num_objects: int, size: tuple[int, int]
) -> tuple[float, float, int]:
    """Seconds of a training step and of a prediction, and bytes."""
    import torch
    from detectron2.modeling import build_model
    from detectron2.structures import Boxes, Instances
    from detectron2.utils.events import EventStorage

    from locount.config import load_config

    torch.set_num_threads(1)
    torch.manual_seed(0)
    opts = ["MODEL.DEVICE", "cpu", "MODEL.ROI_HEADS.NUM_CLASSES", 1, "MODEL.DETR.NUM_CLASSES", 1]
    if num_queries is not None:
        opts += ["MODEL.DETR.NUM_QUERIES", num_queries]
    model = build_model(load_config(str(PHOTOS / f"{config}.yaml"), opts))
    height, width = size
    corner = torch.rand(num_objects, 2) * torch.tensor([width - 40, height - 60])
    objects = Instances(size, gt_boxes=Boxes(torch.cat([corner, corner + 40], dim=1)))
    objects.gt_classes = torch.zeros(num_objects, dtype=torch.int64)
    objects.gt_counts = torch.ones(num_objects, dtype=torch.int64)
    batch = [{"image": torch.randint(256, (3, *size), dtype=torch.uint8), "instances": objects}]
    before = peak_memory()

    def step() -> None:
        with EventStorage():
            sum(model(batch).values()).backward()

    trained = _least_seconds(step)
    memory = peak_memory() - before
    model.eval()
    with torch.no_grad():
        predicted = _least_seconds(lambda: model(batch))
    return trained, predicted, memory


def _least_seconds(run) -> float:
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return min(seconds)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, default=(448, 672), help="height and width")
    args = parser.parse_args(argv)
    table = []
    for config, queries, objects in ROWS:
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            found = pool.submit(measure, config, queries, objects, tuple(args.size)).result()
        trained, predicted, memory = found
        table.append(
            {
                "config": config,
                "queries": queries or "-",
                "objects": objects,
                "training step": f"{trained:.2f} s",
                "prediction": f"{predicted:.2f} s",
                "memory of a step": f"{memory / 1e6:.0f} MB",
            }
        )
    print(tabulate(table, headers="keys", tablefmt="pipe", disable_numparse=True))


if __name__ == "__main__":
    main()
