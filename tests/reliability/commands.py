"""Every command that writes: how it is run, how it goes on, and what it must have written then."""

import csv
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]
SHELF_CONFIG = ROOT / "configs/Shelf/clcnet_s2_cls10_small.yaml"
SMALL = {
    "INPUT.MIN_SIZE_TRAIN": "(64,)",
    "INPUT.MIN_SIZE_TEST": "64",
    "SOLVER.IMS_PER_BATCH": "2",
    "DATALOADER.NUM_WORKERS": "0",
    "MODEL.RPN.POST_NMS_TOPK_TRAIN": "20",
    "MODEL.RPN.POST_NMS_TOPK_TEST": "20",
    "MODEL.DEVICE": "cpu",
}
TRAINED = {
    **SMALL,
    "SOLVER.WARMUP_ITERS": "0",
    "SOLVER.STEPS": "(5,)",
    "SOLVER.MAX_ITER": "4",
    "SOLVER.CHECKPOINT_PERIOD": "2",
    "TEST.EVAL_PERIOD": "0",
    "SEED": "1",
}


@dataclass(frozen=True)
class Command:
    """
    Attributes:
        argv: the command line that writes to a path.
        results: of a path, what was written as far as it must be the same in each run.
        more: what the command line has besides where something is there already.
        whole: its path is there only when all is.
    """

    argv: Callable[[Path], list[str]]
    results: Callable[[Path], object]
    more: tuple[str, ...] = ()
    whole: bool = False

    def again(self, out):
        return [*self.argv(out), *self.more]


def commands(photos, model, slim, num_photos=3):
    """
    Args:
        photos: a dataset in Locount layout with splits train and test.
        model: a folder with config.yaml and model.pth.
        slim: that model in one file, which says what its categories are.
    """
    config, weights = str(model / "config.yaml"), str(model / "model.pth")
    shelves = [str(path) for path in sorted((photos / "Locount_ImagesTest").iterdir())]
    train, test = f"locount:{photos}:train", f"locount:{photos}:test"
    options = {**TRAINED, "DATASETS.TRAIN": f"('{train}',)", "DATASETS.TEST": "()"}
    return {
        "predict": Command(
            lambda out: [
                *("predict", *shelves[:num_photos], "--config-file", config, "--weights", weights),
                *("--output", str(out)),
            ],
            predictions,
        ),
        "train": Command(
            lambda out: [
                *("train", "--config-file", str(SHELF_CONFIG), "--resume"),
                *(word for option in options.items() for word in option),
                *("OUTPUT_DIR", str(out)),
            ],
            lambda out: parameters(out / "model_final.pth"),
        ),
        "convert": Command(
            lambda out: ["convert", str(photos), str(out), "--from", "locount", "--to", "coco"],
            tree,
            whole=True,
        ),
        "check-data --fix": Command(
            lambda out: ["check-data", train, "--fix", str(out)],
            tree,
            whole=True,
        ),
        "make-shelf": Command(
            lambda out: ["make-shelf", str(out), "--images", "2", "--split", "train"], tree
        ),
        "restock": Command(
            lambda out: ["restock", train, str(out), "--photos", "3"], tree, whole=True
        ),
        "compare": Command(
            lambda out: [
                *("compare", str(SHELF_CONFIG), "--train", train, "--test", test, "--budget", "2"),
                *("--seeds", "0", "1", "--output", str(out)),
                *("--opts", *(word for option in SMALL.items() for word in option)),
            ],
            metrics,
        ),
        "slim": Command(
            lambda out: ["slim", weights, str(out), "--config-file", config],
            lambda out: parameters(out),
        ),
        "calibrate": Command(
            lambda out: [
                *("calibrate", *map(str, results(slim.parent)), "--weights", str(slim)),
                *("--output", str(out)),
            ],
            lambda out: (parameters(out), torch.load(out, weights_only=True)["calibration"]),
        ),
        "planogram make": Command(
            lambda out: ["planogram", "make", test, "--output", str(out / "plan.csv")],
            tree,
        ),
        "rows": Command(lambda out: ["rows", test, "--output", str(out)], tree),
    }


def results(folder):
    """Of 20 photos the ground truth and detections, which are one too few on every other one."""
    box = {"category_id": 1, "bbox": [0, 0, 9, 9]}
    truth = {
        "images": [{"id": i} for i in range(20)],
        "categories": [{"id": i, "name": str(i)} for i in (1, 2)],
        "annotations": [{**box, "image_id": i, "count": 3} for i in range(20)],
    }
    found = [{**box, "image_id": i, "score": 0.8, "count": 3 - i % 2} for i in range(20)]
    paths = folder / "gt.json", folder / "dt.json"
    for path, content in zip(paths, (truth, found), strict=True):
        path.write_text(json.dumps(content))
    return paths


def tree(folder):
    """The files below a folder, by their content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".unfinished-" not in path.name
    }


def predictions(folder):
    names = ("predictions.json", "images.json", "inventory.csv", "totals.csv")
    pictures = [path for path in (folder / "pictures").iterdir() if path.stat().st_size]
    return [(folder / name).read_bytes() for name in names], sorted(p.name for p in pictures)


def parameters(path):
    weights = torch.load(path, weights_only=True)["model"]
    return {name: weight.double().sum().item() for name, weight in weights.items()}


def metrics(folder):
    with open(folder / "rows.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert (folder / "table.md").is_file()
    return sorted((row["model"], row["seed"], row["AP"], row["APlc"]) for row in rows)


def unfinished(out):
    """What killed processes left in and beside a path."""
    places = [*out.parent.iterdir(), *out.rglob("*")]
    return [path for path in places if ".unfinished-" in path.name]
