"""What counting costs: CLCNet against plain Cascade R-CNN, in alternation in one run.

    python benchmarks/counting_overhead.py [--config-file FILE] [--batch N] [--size H W]
        [--repeats N] [--cpu-time] [KEY VALUE ...]

Both are built from one config, with MODEL.COUNT_HEAD.STRATEGY as it is and "none", start from the
same random weights, and see the same batch of noise images with the boxes and counts of
synthetic_shelves.py. Each repeat is a training step and a prediction of both, the one that goes
first taking turns. The fastest repeat of each counts, since other work on the machine can only
slow it down; ``--cpu-time`` counts seconds of the processor instead of the wall. Peak memory, of
training steps, is taken from a process of each one's own, or from the GPU; of a GPU also how often
a training step makes the host wait for it.
"""

from __future__ import annotations

import argparse
import logging
import math
import multiprocessing
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.modeling import build_model
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from memory import peak_memory
from synthetic_shelves import HEIGHT, NUM_CATEGORIES, WIDTH, make_ground_truth

import locount.modeling  # noqa: F401, registers what configs name, in spawned processes too
from locount.config import load_config

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs/Shelf/clcnet_s2_cls10_small.yaml"
PLAIN, OURS = "Cascade R-CNN", "with counting"


def make_batch(cfg: CfgNode, num_images: int, size: tuple[int, int]) -> list[dict]:
    """Noise with the ground truth of shelves: what a mapper gives for training."""
    rng = np.random.default_rng(0)
    columns = make_ground_truth(rng, num_images)
    scale = np.tile([size[1] / WIDTH, size[0] / HEIGHT], 2)
    batch = []
    for i in range(num_images):
        here = columns["image"] == i
        box = torch.from_numpy((columns["bbox"][here] * scale).astype(np.float32))
        box[:, 2:] += box[:, :2]
        instances = Instances(size, gt_boxes=Boxes(box))
        classes = columns["category"][here] * cfg.MODEL.ROI_HEADS.NUM_CLASSES // NUM_CATEGORIES
        instances.gt_classes = torch.from_numpy(classes)
        instances.gt_counts = torch.from_numpy(columns["count"][here])
        image = torch.from_numpy(rng.integers(0, 256, (3, *size), dtype=np.uint8))
        batch.append({"image": image, "height": size[0], "width": size[1], "instances": instances})
    return batch


class Contestant:
    """A model with its optimizer."""

    def __init__(self, cfg: CfgNode, strategy: str):
        cfg = cfg.clone()
        cfg.MODEL.COUNT_HEAD.STRATEGY = strategy
        self.device = torch.device(cfg.MODEL.DEVICE)
        self.model = build_model(cfg)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1e-4, momentum=0.9)

    def seconds(self, task: str, batch: list[dict], clock: Callable[[], float]) -> float:
        torch.manual_seed(0)  # both sample the same regions
        self._wait()
        start = clock()
        getattr(self, task)(batch)
        self._wait()
        return clock() - start

    def train(self, batch: list[dict]) -> None:
        self.model.train()
        with EventStorage():
            losses = self.model(batch)
        self.optimizer.zero_grad()
        sum(losses.values()).backward()
        self.optimizer.step()

    @torch.inference_mode()
    def predict(self, batch: list[dict]) -> list[dict]:
        self.model.eval()
        return self.model(batch)

    @property
    def num_parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def memory_of_training(cfg: CfgNode, strategy: str, batch: list[dict]) -> int:
    """Bytes at the peak of three training steps; on the CPU of the whole process."""
    contestant = Contestant(cfg, strategy)
    for _ in range(3):
        contestant.train(batch)
    if contestant.device.type == "cuda":
        return torch.cuda.max_memory_allocated(contestant.device)
    return peak_memory()


def num_syncs(contestant: Contestant, batch: list[dict]) -> int:
    """How often the host waits for the GPU in a training step."""
    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        contestant.train(batch)
    torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in caught)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--config-file", default=str(CONFIG))
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--size", type=int, nargs=2, default=(256, 448), metavar=("H", "W"))
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--cpu-time", action="store_true")
    parser.add_argument("opts", nargs="*", metavar="KEY VALUE")
    args = parser.parse_args(argv)
    clock = time.process_time if args.cpu_time else time.perf_counter
    logging.disable(logging.INFO)

    size = tuple(args.size)
    cfg = load_config(args.config_file, args.opts)
    cfg.MODEL.WEIGHTS = ""
    strategies = {PLAIN: "none", OURS: cfg.MODEL.COUNT_HEAD.STRATEGY}
    contestants = {name: Contestant(cfg, strategy) for name, strategy in strategies.items()}
    contestants[PLAIN].model.load_state_dict(contestants[OURS].model.state_dict(), strict=False)

    batch = make_batch(cfg, args.batch, size)
    seconds = {(task, name): math.inf for task in ("train", "predict") for name in contestants}
    for repeat in range(args.repeats):
        for task in ("train", "predict"):
            for name in (PLAIN, OURS) if repeat % 2 else (OURS, PLAIN):
                taken = contestants[name].seconds(task, batch, clock)
                seconds[task, name] = min(seconds[task, name], taken)

    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        memory = {
            name: pool.apply(memory_of_training, (cfg, strategy, batch))
            for name, strategy in strategies.items()
        }
    print(f"{'':24}{PLAIN:>16}{OURS:>16}{'ratio':>9}")
    for task in ("train", "predict"):
        plain, ours = seconds[task, PLAIN], seconds[task, OURS]
        print(f"{task + ', s a batch':24}{plain:16.3f}{ours:16.3f}{ours / plain:9.3f}")
    integers = [
        ("parameters", contestants[PLAIN].num_parameters, contestants[OURS].num_parameters),
        ("peak memory, MiB", memory[PLAIN] >> 20, memory[OURS] >> 20),
    ]
    if contestants[OURS].device.type == "cuda":
        syncs = {name: num_syncs(contestant, batch) for name, contestant in contestants.items()}
        integers.append(("host syncs a step", syncs[PLAIN], syncs[OURS]))
    for what, plain, ours in integers:
        print(f"{what:24}{plain:16,}{ours:16,}{ours / plain:9.3f}")


if __name__ == "__main__":
    main()
