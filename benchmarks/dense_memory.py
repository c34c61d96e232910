"""Peak memory of a training step on an image full of objects: anchors matched whole and in chunks.

    python benchmarks/dense_memory.py [--size H W] [--boxes N ...]

A Cascade R-CNN with a small backbone, a step on one image with boxes in random places. "Whole" is
Detectron2's RPN, "in chunks" is ChunkedRPN; both start from the same weights. Each runs in a
process of its own, and its memory is the most that this process had, on a GPU the most that torch
took; "before" is a process that has the model and the image and stops there. Times are seconds of
the processor.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from pathlib import Path

from memory import peak_memory
from tabulate import tabulate

CONFIG = Path(__file__).parents[1] / "configs" / "Base-RCNN-FPN.yaml"
OPTIONS = {
    "MODEL.WEIGHTS": "",
    "MODEL.BACKBONE.NAME": "build_timm_fpn_backbone",
    "MODEL.TIMM.NAME": "resnet10t",
    "MODEL.FPN.OUT_CHANNELS": 16,
    "MODEL.ROI_BOX_HEAD.FC_DIM": 16,
    "MODEL.ROI_HEADS.NUM_CLASSES": 1,
}
GENERATORS = {"whole": "RPN", "in chunks": "ChunkedRPN"}


def step(
    generator: str, num_boxes: int, size: tuple[int, int], num_steps: int
) -> tuple[int, float]:
    """Peak memory of this process in bytes, and seconds of the steps."""
    import torch
    from detectron2.modeling import build_model
    from detectron2.structures import Boxes, Instances
    from detectron2.utils.events import EventStorage

    from locount.config import load_config

    torch.set_num_threads(1)
    torch.manual_seed(0)
    height, width = size
    options = OPTIONS | {"MODEL.PROPOSAL_GENERATOR.NAME": generator}
    model = build_model(load_config(str(CONFIG), list(chain.from_iterable(options.items()))))
    corner = torch.rand(num_boxes, 2) * torch.tensor([width - 40, height - 60])
    boxes = torch.cat([corner, corner + torch.tensor([40, 60])], dim=1)
    objects = Instances(
        size, gt_boxes=Boxes(boxes), gt_classes=torch.zeros(num_boxes, dtype=torch.int64)
    )
    image = {"image": torch.zeros(3, *size), "height": height, "width": width, "instances": objects}
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    start = time.process_time()
    for _ in range(num_steps):
        with EventStorage():
            sum(model([image]).values()).backward()
    seconds = time.process_time() - start
    if model.device.type == "cuda":
        return torch.cuda.max_memory_allocated(), seconds
    return peak_memory(), seconds


def in_new_process(*arguments) -> tuple[int, float]:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(step, *arguments).result()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs=2, default=(800, 1333), help="height and width")
    parser.add_argument("--boxes", type=int, nargs="+", default=[10, 100, 1000])
    args = parser.parse_args(argv)
    rows = []
    for num_boxes in args.boxes:
        size = tuple(args.size)
        before, _ = in_new_process("RPN", num_boxes, size, 0)
        found = {
            name: in_new_process(generator, num_boxes, size, 1)
            for name, generator in GENERATORS.items()
        }
        (whole, whole_seconds), (chunks, chunks_seconds) = found.values()
        rows.append(
            {
                "boxes": num_boxes,
                "before": f"{before / 1e9:.2f} GB",
                "whole": f"{whole / 1e9:.2f} GB",
                "in chunks": f"{chunks / 1e9:.2f} GB",
                "ratio of the step's memory": f"{(whole - before) / (chunks - before):.2f}",
                "ratio of its time": f"{whole_seconds / chunks_seconds:.2f}",
            }
        )
    print(tabulate(rows, headers="keys", tablefmt="pipe", disable_numparse=True))


if __name__ == "__main__":
    main()
