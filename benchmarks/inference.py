"""Images per second of the predictor beside Detectron2's DefaultPredictor, from the same files.

python benchmarks/inference.py WEIGHTS PHOTO... [--engines torch onnx openvino]
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from detectron2.engine import DefaultPredictor
from detectron2.structures import Instances

from locount.data import read_image
from locount.export.engines import ENGINES
from locount.inference import Predictor
from locount.model_choice import open_config


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weights", help="a model file, or products or shelf")
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--rounds", type=int, default=3, help="times that each takes its turn")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--amp", action="store_true")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=["torch"])
    args = parser.parse_args(argv)

    cfg = open_config(None, args.weights)
    theirs = DefaultPredictor(cfg)
    options = {"batch_size": args.batch_size, "amp": args.amp, "tiles": "none"}
    ours = {engine: Predictor(cfg, engine=engine, **options) for engine in args.engines}

    def default_predictor(photos: Sequence[str]) -> list[Instances]:
        return [theirs(read_image(photo))["instances"].to("cpu") for photo in photos]

    def predictor(engine: str, photos: Sequence[str]) -> list[Instances]:
        return [prediction["instances"] for prediction in ours[engine].stream(photos)]

    contestants = {"DefaultPredictor": default_predictor}
    for engine in args.engines:
        contestants[f"Predictor, {engine}"] = functools.partial(predictor, engine)
    seconds = {name: [] for name in contestants}
    detections = {}
    for contestant in contestants.values():
        contestant(args.photos[:2])
    # In turn, so that a slow minute of the machine is everyone's.
    for _ in range(args.rounds):
        for name, contestant in contestants.items():
            elapsed, detections[name] = _timed(contestant, args.photos)
            seconds[name].append(elapsed)

    print(f"{len(args.photos)} photos, {cfg.MODEL.DEVICE}, {torch.get_num_threads()} threads")
    print("| | images/s |\n|---|---|")
    for name, times in seconds.items():
        print(f"| {name} | {len(args.photos) / statistics.median(times):.2f} |")
    base, *others = contestants
    for name in others:
        ratios = [a / b for a, b in zip(seconds[base], seconds[name], strict=True)]
        print(f"{name}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
        _compare(detections[base], detections[name])


def _timed(function: Callable, photos: Sequence[str]) -> tuple[float, list[Instances]]:
    start = time.perf_counter()
    detections = function(photos)
    return time.perf_counter() - start, detections


def _compare(theirs: list[Instances], ours: list[Instances]) -> None:
    differing, box, score = 0, 0.0, 0.0
    for a, b in zip(theirs, ours, strict=True):
        fields = ["pred_classes", *(["pred_counts"] if a.has("pred_counts") else [])]
        if len(a) != len(b) or not all(torch.equal(a.get(f), b.get(f)) for f in fields):
            differing += 1
        elif len(a):
            box = max(box, float((a.pred_boxes.tensor - b.pred_boxes.tensor).abs().max()))
            score = max(score, float((a.scores - b.scores).abs().max()))
    number = int(np.sum([len(a) for a in theirs]))
    print(
        f"{number} detections; {differing} photos where their number, order, a class or a count "
        f"differs; elsewhere boxes differ by at most {box:.2g} pixels, scores by {score:.2g}"
    )


if __name__ == "__main__":
    main()
