"""The joint evaluation against other evaluators' plain COCO, on the full synthetic set, in one run.

    pip install "locount[bench]"
    python benchmarks/evaluation.py [--images N] [--linear] [--repeats N] [--skip PEER ...]

Every contestant is a process of its own, in turn, ours with kernels compiled before: seconds of the
whole process and of its processors; to start (imports, and loading of the kernels), load and
evaluate; and peak memory. Of each its median run; pycocotools, which takes minutes, runs once. The
ratio is that of whole processes, a peer's over ours of the same round, the median of the rounds.
``--linear`` prints ours for growing numbers of images, and of detections per image.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from memory import peak_memory

FULL_SIZE = 16372
OURS = ["ours: COCO alone", "ours: joint grid", "ours: joint grid, subsets, COCO"]
COMMAND = "locount evaluate --json"  # everything: joint grid, subsets, COCO
# The module of each, and the name of its evaluation there.
PEERS = {
    "pycocotools": ("pycocotools", "COCOeval"),
    "faster-coco-eval": ("faster_coco_eval", "COCOeval_faster"),
    "ultrafast-pycocotools": ("ultrafast_pycocotools", "COCOeval"),
    "hotcoco": ("hotcoco", "COCOeval"),
}


def run_peer(name: str, gt: Path, dt: Path) -> dict[str, float]:
    """COCO AP at 1, 10 and 150 detections by a peer."""
    begin = time.perf_counter()
    module, evaluation_name = PEERS[name]
    if name == "pycocotools":
        from pycocotools import coco as api
        from pycocotools import cocoeval as module
    else:
        api = module = importlib.import_module(module)
    Evaluation = getattr(module, evaluation_name)  # noqa: N806
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        coco = api.COCO(str(gt))
        results = coco.loadRes(str(dt))
        loaded = time.perf_counter()
        evaluation = Evaluation(coco, results, "bbox")
        evaluation.params.maxDets = [1, 10, 150]
        evaluation.evaluate()
        evaluation.accumulate()
    done = time.perf_counter()
    precision = np.asarray(evaluation.eval["precision"])[:, :, :, 0, -1]
    return {
        "start": start - begin,
        "load": loaded - start,
        "evaluate": done - loaded,
        "AP": 100 * precision[precision > -1].mean(),
    }


def run_ours(name: str, gt: Path, dt: Path) -> dict[str, float]:
    begin = time.perf_counter()
    from locount.evaluation import evaluate_detections, match, score_matches
    from locount.evaluation.protocol import Subset
    from locount.evaluation.reading import read_detections, read_ground_truth
    from locount.evaluation.result import summarize

    one_image = {"images": [{"id": 1}], "categories": [{"id": 1}], "annotations": []}
    evaluate_detections(one_image, [])
    start = time.perf_counter()
    ground_truth = read_ground_truth(gt)
    detections = read_detections(dt, ground_truth)
    loaded = time.perf_counter()
    matcher = match(ground_truth, detections, 150)
    if name == OURS[2]:
        result = score_matches(matcher, 150)
    else:
        whole = Subset("all", count_blind=name == OURS[0], joint=name == OURS[1])
        scores = matcher.score(whole, max_dets=150, keep_precision=True)
        result = summarize(ground_truth, [scores], 150)
    done = time.perf_counter()
    times = {"start": start - begin, "load": loaded - start, "evaluate": done - loaded}
    return times | result.metrics


def run_command(gt: Path, dt: Path) -> dict[str, float]:
    from locount.cli.main import main

    with contextlib.redirect_stdout(io.StringIO()) as printed:
        main(["evaluate", str(gt), str(dt), "--json"])
    return json.loads(printed.getvalue())["metrics"]


def measure(name: str, gt: Path, dt: Path, repeats: int = 1) -> dict[str, float]:
    """The median run by total time: seconds, metrics and peak memory in GB."""
    return median_run([_measure_once(name, gt, dt) for _ in range(repeats)])


def _measure_once(name: str, gt: Path, dt: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--contestant", name, str(gt), str(dt)]
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(done.stdout) | {"process": seconds, "cpu": cpu}


def median_run(runs: list[dict[str, float]]) -> dict[str, float]:
    return sorted(runs, key=lambda run: run["process"])[len(runs) // 2]


def contestant(name: str, gt: Path, dt: Path) -> None:
    if name == COMMAND:
        run = run_command(gt, dt)
    else:
        run = (run_ours if name in OURS else run_peer)(name, gt, dt)
    run["memory"] = peak_memory() / 2**30
    print(json.dumps(run))


def generate(folder: Path, *options: object) -> tuple[Path, Path]:
    script = Path(__file__).with_name("synthetic_shelves.py")
    subprocess.run([sys.executable, script, folder, *map(str, options)], check=True)
    return folder / "gt.json", folder / "dt.json"


def time_compilation(folder: Path) -> tuple[float, float]:
    """Seconds of a first call, with an empty cache, and of one that finds it filled."""
    # Just as large that everything is compiled that a large set needs.
    gt, dt = generate(folder / "tiny", "--images", 500)
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / "numba")}
    command = [sys.executable, __file__, "--contestant", COMMAND, str(gt), str(dt)]
    times = []
    for _ in range(2):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        times.append(time.perf_counter() - start)
    measure(COMMAND, gt, dt)  # fills the usual cache
    return times[0], times[1]


def compare(folder: Path, images: int, repeats: int, skip: list[str]) -> None:
    first, second = time_compilation(folder)
    print(f"First run after installation, compiling: {first:.1f} s; the next: {second:.1f} s.\n")
    gt, dt = generate(folder / "full", "--images", images)
    slow, *peers = PEERS
    contestants = {name: (name, dt) for name in [COMMAND, *OURS, *peers] if name not in skip}
    contestants[f"{COMMAND}; npz"] = (COMMAND, dt.with_suffix(".npz"))
    # In turn, so that a machine whose speed drifts treats all alike.
    rounds = []
    for _ in range(repeats):
        runs = {label: measure(name, gt, file) for label, (name, file) in contestants.items()}
        rounds.append(runs)
    runs = {label: median_run([r[label] for r in rounds]) for label in contestants}
    if slow not in skip:
        runs[slow] = measure(slow, gt, dt)
    print("| | process | CPU | start | load | evaluate | peak memory | process over ours | CPU |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, run in runs.items():
        parts = [f"{run[k]:.2f} s" if k in run else "" for k in ("start", "load", "evaluate")]
        ratios = [_ratio(rounds, name, key, run, runs) for key in ("process", "cpu")]
        row = [name, f"{run['process']:.2f} s", f"{run['cpu']:.2f} s", *parts]
        print("| " + " | ".join([*row, f"{run['memory']:.2f} GB", *ratios]) + " |")
    print(f"\nThe others are compared with {COMMAND}. AP where it is COCO's:")
    print(", ".join(f"{run['AP']:.10f}" for run in runs.values() if run["AP"] == run["AP"]))


def _ratio(rounds: list[dict], name: str, key: str, run: dict, runs: dict) -> str:
    pairs = [r[name][key] / r[COMMAND][key] for r in rounds if name in r]
    return f"{statistics.median(pairs) if pairs else run[key] / runs[COMMAND][key]:.2f}"


def linear(folder: Path) -> None:
    """Print what ours takes for growing numbers of images, and of detections per image."""
    full, images = 104, 4000
    growing = [(n, full) for n in (2000, 4000, 8000, 16000)]
    growing += [(images, n) for n in (62, 125, 250, 500)]
    print("| images | per image | detections | load npz | evaluate | per detection | peak memory |")
    print("|---|---|---|---|---|---|---|")
    for num_images, per_image in growing:
        options = ("--images", num_images, "--detections-per-image", per_image)
        gt, dt = generate(folder / f"{num_images}x{per_image}", *options)
        run = measure(OURS[2], gt, dt.with_suffix(".npz"), repeats=3)
        total = num_images * per_image
        row = [f"{num_images:,}", str(per_image), f"{total:,}"]
        row += [f"{run['load']:.2f} s", f"{run['evaluate']:.2f} s"]
        row += [f"{1e6 * run['evaluate'] / total:.2f} µs", f"{run['memory']:.2f} GB"]
        print("| " + " | ".join(row) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=FULL_SIZE)
    parser.add_argument("--repeats", type=int, default=3, help="of all but pycocotools")
    parser.add_argument("--skip", nargs="*", default=[], choices=list(PEERS))
    parser.add_argument("--linear", action="store_true")
    parser.add_argument(
        "--contestant", nargs=3, metavar=("NAME", "GT", "DT"), help=argparse.SUPPRESS
    )
    args = parser.parse_args()
    if args.contestant:
        name, gt, dt = args.contestant
        contestant(name, Path(gt), Path(dt))
        return
    wanted = {name: module for name, (module, _) in PEERS.items() if name not in args.skip}
    missing = [name for name, module in wanted.items() if not importlib.util.find_spec(module)]
    if missing:
        parser.error(f"pip install {' '.join(missing)} first, or --skip {' '.join(missing)}")
    with tempfile.TemporaryDirectory() as folder:
        if args.linear:
            linear(Path(folder))
        else:
            compare(Path(folder), args.images, args.repeats, args.skip)


if __name__ == "__main__":
    main()
