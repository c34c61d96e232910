"""Images per second of detectors, as ratios to Faster R-CNN R50-FPN on the same image.

    python benchmarks/detectors.py [CONFIG.yaml+KEY=VALUE...] [--size SHORT LONG] [--rounds N]

Without configs, all of configs/SKU110K and configs/Locount. Each takes turns with Faster R-CNN, one
image at a time, and its ratio is the median of those of its rounds, with the smallest and the
largest. What is timed is the model, from the resized image to the detections. Images are resized as
each config says, or all as ``--size`` says, for a CPU; there box heads weigh more than in full
size, as the number of proposals stays, and an SSD still makes the square of its name.

Random weights do, and no file is downloaded: all work is the same for any weights but that of
non-maximum suppression, which depends on how many boxes score above the threshold. With random
weights those are none or all, by the architecture. So every detector gets one class and the
threshold 0, and all of its candidates (MODEL.RPN.POST_NMS_TOPK_TEST proposals, or the best of each
level) go into the suppression, as on a crowded shelf. The table has the number of detections that
are left. ``CONFIG.yaml+MODEL.WEIGHTS=FILE`` is a trained model, with its own classes and threshold.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from counting_overhead import Contestant
from detectron2.config import CfgNode
from detectron2.data.transforms import ResizeShortestEdge
from torch import nn

from locount.checkpoint import load_weights
from locount.config import load_config
from locount.data import read_image
from locount.data.config_checks import num_classes_option
from locount.training.comparison import Row

CONFIGS = Path(__file__).parents[1] / "configs"
REFERENCE = CONFIGS / "SKU110K/faster_rcnn_R_50_FPN.yaml"
WARM_UP = 2


def detector_config(row: Row) -> CfgNode:
    """The config of a row; without weights of its own, for random ones as the top of this says."""
    cfg = load_config(row.config_file, row.opts)
    if "MODEL.WEIGHTS" in row.opts:
        return cfg
    cfg.merge_from_list(
        [
            *("MODEL.WEIGHTS", "", "MODEL.TIMM.PRETRAINED", False),
            *("MODEL.TORCHVISION.PRETRAINED_BACKBONE", False),
            # As fast as frozen ones in a test, and can be fitted to random weights.
            *("MODEL.RESNETS.NORM", "BN", "MODEL.BACKBONE.FREEZE_AT", 0),
            *(num_classes_option(cfg), 1),
        ]
    )
    if "timm" in cfg.MODEL.BACKBONE.NAME:
        cfg.MODEL.TIMM.NORM = "BN"
    cfg.merge_from_list([num_classes_option(cfg).replace("NUM_CLASSES", "SCORE_THRESH_TEST"), 0.0])
    return cfg


class Detector(Contestant):
    """A model in a test and its image."""

    def __init__(self, row: Row, image: np.ndarray, size: tuple[int, int] | None):
        cfg = detector_config(row)
        super().__init__(cfg, cfg.MODEL.COUNT_HEAD.STRATEGY)
        height, width = image.shape[:2]
        short, long = size or (cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)
        resized = ResizeShortestEdge(short, long).get_transform(image).apply_image(image)
        tensor = torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1)))
        self.batch = [{"image": tensor, "height": height, "width": width}]
        if cfg.MODEL.WEIGHTS:
            load_weights(self.model, cfg.MODEL.WEIGHTS)
        else:
            fit_batch_norms(self.model, self.batch)
        for _ in range(WARM_UP):
            self.num_detections = len(self.predict(self.batch)[0]["instances"])

    def seconds_per_image(self) -> float:
        return self.seconds("predict", self.batch, time.perf_counter)


@torch.inference_mode()
def fit_batch_norms(model: nn.Module, batch: list[dict]) -> None:
    """Give batch norms the statistics of an image.

    With those of a new model activations grow from block to block, and the boxes, hundreds of image
    sizes away, would be cut to nothing.
    """
    model.eval()
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    model(batch)
    model.eval()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("configs", nargs="*", metavar="CONFIG.yaml+KEY=VALUE")
    parser.add_argument("--size", type=int, nargs=2, metavar=("SHORT", "LONG"))
    parser.add_argument("--photo", help="instead of noise of the size of a photo of SKU-110K")
    parser.add_argument("--rounds", type=int, default=10, help="times that each takes its turn")
    args = parser.parse_args(argv)
    logging.disable(logging.WARNING)

    noise = np.random.default_rng(0).integers(0, 256, (3264, 2448, 3), dtype=np.uint8)
    image = read_image(args.photo) if args.photo else noise
    leaves = [p for d in ("SKU110K", "Locount") for p in sorted((CONFIGS / d).glob("[!B]*.yaml"))]
    rows = [Row.parse(text, seed=0) for text in args.configs or map(str, leaves)]
    reference = Detector(Row.parse(str(REFERENCE), seed=0), image, args.size)
    print(f"{reference.device}, {torch.get_num_threads()} threads, {args.rounds} rounds")
    print("| config | image | detections | images/s | times Faster R-CNN R50-FPN |")
    print("|---|---|---|---|---|")
    for row in rows:
        detector = Detector(row, image, args.size)
        seconds = {reference: [], detector: []}
        for i in range(args.rounds):
            for contestant in (reference, detector) if i % 2 else (detector, reference):
                seconds[contestant].append(contestant.seconds_per_image())
        ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
        height, width = detector.batch[0]["image"].shape[1:]
        print(
            f"| {Path(row.config_file).parent.name}/{row.name} | {height} x {width} "
            f"| {detector.num_detections} | {1 / statistics.median(seconds[detector]):.2f} "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |",
            flush=True,
        )


if __name__ == "__main__":
    main()
