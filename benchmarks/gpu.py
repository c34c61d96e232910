"""What this project does on one GPU: the benchmarks of this folder in full size, in one go.

    python benchmarks/gpu.py [--toy] [--only [NAME ...]] [--minutes N --train OPTION ...]

* counting: training step, prediction, memory and host syncs of CLCNet beside Cascade R-CNN.
* precision: a training step in float32 and in half precision.
* dense: memory of a training step with 10 and with 1,000 boxes an image.
* predictor, predictor-amp: Predictor.stream, also in half precision, beside Detectron2's
  DefaultPredictor on rendered shelves, with the weights that come with the project.
* detectors: images per second of each architecture at the size of its config, random weights.

It takes minutes on a GPU. ``--toy`` is for a CPU: everything small, to see that it runs. After
``--train`` come the options of weights/train_products.py, as --packs and --groceries: it gets what
is left of the minutes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import counting_overhead
import dense_memory
import detectors
import inference
import mixed_precision
import torch

from locount.shelf.write import Series, make_shelf

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs"
# Minutes that a training takes to start, to time its steps and to evaluate.
AROUND_TRAINING = 1.5
CLCNET = ("--config-file", str(CONFIGS / "Locount/clcnet_s2_cls10_R_50_FPN_1x.yaml"))
DETECTORS = (
    "SKU110K/cascade_rcnn_R_101_FPN",
    "SKU110K/cascade_rcnn_R_101_BFP_balanced_l1",
    "SKU110K/retinanet_R_101_FPN",
    "SKU110K/faster_rcnn_SENet154_FPN",
    "SKU110K/yolov3_DarkNet53",
    "SKU110K/ppyolo_R_50_vd",
    "Locount/ssd512_VGG_16_1x",
    "Locount/fcos_cls_R_50_FPN_1x",
    "Locount/reppoints_cls_R_50_FPN_1x",
    "Locount/retinanet_cls_R_50_FPN_1x",
    "Locount/clcnet_s1_cls10_R_50_FPN_1x",
    "Locount/clcnet_s2_cls10_R_50_FPN_1x",
    "Locount/clcnet_s6_cls2_R_50_FPN_1x",
    "Locount/deformable_detr_cls_R_50_50e",
    "Locount/dfine_cls_R_50_72e",
)


def sections(toy: bool, photos: Sequence[str]) -> dict[str, tuple[Callable, list[str]]]:
    """Of each name the benchmark and its arguments."""
    if toy:
        step = ["--batch", "1", "--size", "64", "96", "--repeats", "1"]
        dense = ["--size", "256", "384", "--boxes", "300"]
        speed = [str(CONFIGS / "Shelf/fcos_cls_small.yaml"), "--size", "64", "96", "--rounds", "1"]
        rounds = ["--rounds", "1"]
    else:
        step = [*CLCNET, "--batch", "4", "--size", "800", "1333", "--repeats", "12"]
        dense = ["--boxes", "10", "1000"]
        speed = [*(str(CONFIGS / f"{name}.yaml") for name in DETECTORS), "--rounds", "8"]
        rounds = ["--rounds", "3"]
    return {
        "counting": (counting_overhead.main, step),
        "precision": (mixed_precision.main, step),
        "dense": (dense_memory.main, dense),
        "predictor": (inference.main, ["shelf", *photos, *rounds]),
        "predictor-amp": (inference.main, ["shelf", *photos, *rounds, "--amp"]),
        "detectors": (detectors.main, speed),
    }


def main(argv: Sequence[str] | None = None) -> None:
    names = list(sections(False, ()))
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--only", nargs="*", choices=names, default=names, metavar="NAME")
    parser.add_argument("--minutes", type=float, default=8, help="with --train (default: 8)")
    parser.add_argument("--train", nargs=argparse.REMAINDER, metavar="OPTION")
    args = parser.parse_args(argv)
    begin = time.perf_counter()
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(f"{device}, torch {torch.__version__}")
    with tempfile.TemporaryDirectory() as folder:
        make_shelf(Path(folder, "shelves"), "test", Series(2 if args.toy else 128, seed=5))
        photos = sorted(map(str, Path(folder).glob("shelves/Locount_ImagesTest/*")))
        for name, (benchmark, arguments) in sections(args.toy, photos).items():
            if name in args.only:
                start = time.perf_counter()
                print(f"\n## {name}\n", flush=True)
                benchmark(arguments)
                print(f"\n({time.perf_counter() - start:.0f} s)", flush=True)
    if args.train:
        left = args.minutes - (time.perf_counter() - begin) / 60 - AROUND_TRAINING
        command = [sys.executable, str(ROOT / "weights/train_products.py"), *args.train]
        if left <= 0:
            sys.exit(f"{args.minutes:g} minutes are over: train with {' '.join(command)}")
        subprocess.run([*command, "--minutes", f"{left:.2f}"], check=True)


if __name__ == "__main__":
    main()
