"""Several models under one budget: each is trained, evaluated and timed, and put into one table."""

from __future__ import annotations

import concurrent.futures
import hashlib
import math
import multiprocessing
import os
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog
from detectron2.engine import default_setup
from detectron2.utils.logger import setup_logger
from tabulate import tabulate
from torch import nn
from tqdm import tqdm

from ..checkpoint import load_weights
from ..config import changed, load_config, merge_options, named_keys
from ..config.merging import option_keys
from ..data import check_datasets, fill_num_classes, register_datasets
from ..errors import InputError
from ..files import locked_folder, to_csv, write_bytes, write_json
from ..messages import set_up_messages
from ..texts import read_json
from .trainer import Trainer

# Of the table. AR and ARlc are at the most detections that the config gives for an image; MAE-cv is
# of the number of products per image (docs/dense.md).
METRICS: tuple[str, ...] = ("AP", "AP50", "AP75", "AR", "APlc", "APlc50", "APlc75", "ARlc")
METRICS += ("APlc-IN", "APlc-MN", "APlc-LN", "MAE-cv")
# Keys that no row has of its own, and what decides instead.
GIVEN = {
    "SEED": "give --seeds",
    "DATASETS.TRAIN": "give --train",
    "DATASETS.TEST": "give --test",
    "SOLVER.MAX_ITER": "give --budget",
    "SOLVER.CHECKPOINT_PERIOD": "only the last weights are kept",
    "TEST.EVAL_PERIOD": "only the last weights are evaluated",
    "OUTPUT_DIR": "give --output",
}
# How many images the speed is measured on, after some to warm up.
TIMED_IMAGES, WARM_UP_IMAGES = 20, 3


@dataclass(frozen=True)
class Row:
    """One training: a config with options, and a seed.

    Attributes:
        name: of the config and its options, as :func:`distinct_names` gives it.
        opts: keys and values in turn.
    """

    name: str
    config_file: str
    opts: tuple[str, ...]
    seed: int

    @classmethod
    def parse(cls, text: str, seed: int, name: str | None = None) -> Row:
        """From ``CONFIG.yaml`` or ``CONFIG.yaml+KEY=VALUE+KEY=VALUE``."""
        config_file, *options = text.split("+")
        return cls(name or _name(text, 1), config_file, key_values(options), seed)


def parse_rows(texts: Sequence[str], seeds: Sequence[int]) -> list[Row]:
    """For each seed a row of each text, as for :meth:`Row.parse`."""
    names = distinct_names(texts)
    return [Row.parse(text, seed, names[text]) for seed in seeds for text in texts]


def key_values(options: Sequence[str]) -> tuple[str, ...]:
    """Keys and values in turn, of ``KEY=VALUE``.

    Raises:
        InputError: for another form, or a key that the comparison sets.
    """
    for option in options:
        key, equals, _ = option.partition("=")
        if not equals:
            raise InputError(
                f"{option!r} is not an option of a config: write KEY VALUE, or KEY=VALUE in a row"
            )
        if key in GIVEN:
            raise InputError(f"{option!r}: {key} is the same for all rows; {GIVEN[key]}")
    return tuple(part for option in options for part in option.split("=", 1))


def options(words: Sequence[str]) -> tuple[str, ...]:
    """Keys and values in turn, checked as in :func:`key_values`.

    Raises:
        InputError: for a key without a value, or one that the comparison sets.
    """
    return key_values([f"{key}={value}" for key, value in option_keys(words).items()])


def distinct_names(texts: Iterable[str]) -> dict[str, str]:
    """A short name of each ``CONFIG.yaml+KEY=VALUE…`` or ``KEY=VALUE+…``.

    Of a path and of each key it has the last part, or where texts would share a name as many of
    their last parts that they do not.
    """
    lengths = dict.fromkeys(texts, 1)
    while True:
        names = {text: _name(text, length) for text, length in lengths.items()}
        count = Counter(names.values())
        longer = {
            text: length + 1
            for text, length in lengths.items()
            if count[names[text]] > 1 and _name(text, length + 1) != names[text]
        }
        if not longer:
            return names
        lengths |= longer


def _name(text: str, length: int) -> str:
    return "+".join(_last_parts(part, length) for part in text.split("+"))


def _last_parts(text: str, length: int) -> str:
    """Of ``KEY=VALUE``, the last parts of the key; else of a path, without its ending."""
    key, equals, value = text.partition("=")
    if equals:
        return ".".join(key.split(".")[-length:]) + equals + value
    return "/".join(Path(os.path.abspath(text)).with_suffix("").parts[1:][-length:])


@dataclass(frozen=True)
class Comparison:
    """What all rows have in common.

    Attributes:
        train, test: dataset names.
        iterations: the budget of each training. The config's steps are scaled to it, and its
            warm-up takes at most a third.
        opts: over every config, keys and values in turn.
        variants: options only for testing, ``KEY=VALUE+KEY=VALUE`` each: every trained model is
            evaluated with these as well.
        threads: for torch, in each training; 0 leaves the choice to torch.
    """

    train: str
    test: str
    iterations: int
    opts: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    threads: int = 0

    def config(self, row: Row, output_dir: str) -> CfgNode:
        """The config that trains a row."""
        opts = [*row.opts, *self.opts]
        cfg = load_config(row.config_file, opts)
        register_datasets((self.train, self.test))
        scale = self.iterations / cfg.SOLVER.MAX_ITER
        fill_num_classes(cfg, (self.train,), named_keys(row.config_file, opts))
        cfg.DATASETS.TRAIN, cfg.DATASETS.TEST = (self.train,), (self.test,)
        steps = sorted({round(step * scale) for step in cfg.SOLVER.STEPS})
        cfg.SOLVER.STEPS = tuple(step for step in steps if 0 < step < self.iterations)
        cfg.SOLVER.WARMUP_ITERS = min(cfg.SOLVER.WARMUP_ITERS, self.iterations // 3)
        cfg.SOLVER.MAX_ITER = self.iterations
        cfg.SOLVER.CHECKPOINT_PERIOD = self.iterations
        cfg.TEST.EVAL_PERIOD = 0
        cfg.SEED = row.seed
        cfg.OUTPUT_DIR = output_dir
        cfg.freeze()
        return cfg


def compare(
    rows: Sequence[Row], comparison: Comparison, output_dir: Path, jobs: int = 1
) -> list[dict]:
    """Train and evaluate every row, and write ``table.md`` and ``rows.csv``.

    Each row has a folder. One that ended before with the same config and data is not run again,
    and the table is rewritten after each. A row that diverges does not stop the others; the table
    says so.

    Args:
        jobs: rows that run at the same time, each in a process of its own, on one GPU after the
            other where there are several.

    Returns:
        For each row and variant, in the order of ``rows``: its name, seed, metrics, speed and
        size, and why it "diverged", or "".

    Raises:
        InputError: before anything is trained, for a config or data that can't be used.
    """
    twice = [key for key, n in Counter((r.name, r.seed) for r in rows).items() if n > 1]
    if twice:
        raise InputError(
            "named twice: " + ", ".join(f"{name} with seed {seed}" for name, seed in twice)
        )
    folders = {row: output_dir / row.name / f"seed{row.seed}" for row in rows}
    configs = {row: comparison.config(row, str(folders[row])) for row in rows}
    for cfg in configs.values():
        check_datasets(cfg, (comparison.train, comparison.test))
        for variant in comparison.variants:
            _varied(cfg, variant)
    data = [_data_fingerprint(name) for name in (comparison.train, comparison.test)]
    of = {
        row: {"config": cfg.dump(), "variants": list(comparison.variants), "data": data}
        for row, cfg in configs.items()
    }
    pool = concurrent.futures.ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_set_up_process,
        max_tasks_per_child=1,
    )
    with locked_folder(output_dir), pool:
        done = {row: _finished(folders[row], of[row]) for row in rows}
        waiting = [row for row in rows if done[row] is None]
        running = {
            pool.submit(_run_row, row, comparison, folders[row], of[row], i if jobs > 1 else 0): row
            for i, row in enumerate(waiting)
        }
        ended = concurrent.futures.as_completed(running)
        for future in tqdm(ended, total=len(waiting), desc="rows", unit="row"):
            done[running[future]] = future.result()
            _write_tables(done, output_dir)
        return _write_tables(done, output_dir)


def _set_up_process() -> None:
    """Messages as in the command, and an end with it: a row that trains on after its comparison was
    killed would write into a folder that is no longer locked."""
    set_up_messages()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _data_fingerprint(dataset: str) -> str:
    """Of annotations, and of names and sizes of photos."""
    records = list(DatasetCatalog.get(dataset))
    paths = [Path(record["file_name"]) for record in records]
    sizes = [path.stat().st_size if path.is_file() else None for path in paths]
    return hashlib.sha256(msgspec.json.encode([records, sizes], enc_hook=repr)).hexdigest()


def _varied(cfg: CfgNode, variant: str) -> CfgNode:
    """The config with the options of a variant, ``KEY=VALUE+KEY=VALUE`` or none."""
    varied = cfg.clone()
    varied.defrost()
    merge_options(varied, key_values(variant.split("+")) if variant else ())
    varied.freeze()
    return varied


def _finished(folder: Path, of: dict) -> list[dict] | None:
    """The results of a row that ended before; None if it has to run."""
    path = folder / "results.json"
    if not path.is_file():
        return None
    stored = read_json(path)
    if not isinstance(stored, dict) or stored.get("of") != of:
        return None
    # JSON has no NaN: an undefined metric is stored as null. Older results lack newer metrics.
    missing = dict.fromkeys(METRICS, math.nan) | {"diverged": ""}
    return [
        missing | {k: math.nan if v is None else v for k, v in r.items()} for r in stored["results"]
    ]


def _run_row(row: Row, comparison: Comparison, folder: Path, of: dict, gpu: int) -> list[dict]:
    """Train, evaluate and time one row.

    Args:
        of: what the results are stored with, for :func:`_finished`.
        gpu: a number; the GPUs are dealt out in turn.
    """
    if comparison.threads:
        torch.set_num_threads(comparison.threads)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, for a process; its log is in the folder
    cfg = comparison.config(row, str(folder))
    if cfg.MODEL.DEVICE == "cuda":
        torch.cuda.set_device(gpu % torch.cuda.device_count())  # "cuda" is that one from now on
    names = {"": row.name} | {
        variant: f"{row.name} → {name}"
        for variant, name in distinct_names(comparison.variants).items()
    }
    undefined = dict.fromkeys((*METRICS, "images/s", "parameters", "training s"), math.nan)
    with locked_folder(folder):
        default_setup(cfg, None)
        setup_logger(cfg.OUTPUT_DIR, name="locount")
        start = time.perf_counter()
        diverged = _train(cfg)
        seconds = time.perf_counter() - start
        results = []
        for variant, name in names.items():
            figures = undefined if diverged else _tested(_varied(cfg, variant), seconds)
            results.append({"model": name, "seed": row.seed, **figures, "diverged": diverged})
        write_json(folder / "results.json", {"of": of, "results": results})
    return results


def _train(cfg: CfgNode) -> str:
    """Why a training diverged; "" if it did not."""
    try:
        # Tested afterwards, where the options of the test are known.
        trainer = Trainer(changed(cfg, "DATASETS.TEST", ()))
        trainer.resume_or_load(resume=False)
        trainer.train()
    except FloatingPointError as error:
        return str(error)
    return ""


def _tested(cfg: CfgNode, seconds: float) -> dict[str, float]:
    """Metrics, speed, size and time of what was trained."""
    model = Trainer.build_model(cfg)
    load_weights(model, os.path.join(cfg.OUTPUT_DIR, "model_final.pth"))
    results = Trainer.test(cfg, model)
    figures = {**results["bbox"], **results["count"]}
    recalls = {name: f"{name}{cfg.TEST.DETECTIONS_PER_IMAGE}" for name in ("AR", "ARlc")}
    return {
        **{name: figures[recalls.get(name, name)] for name in METRICS},
        "images/s": _images_per_second(cfg, model),
        "parameters": sum(p.numel() for p in model.parameters()),
        "training s": seconds,
    }


@torch.inference_mode()
def _images_per_second(cfg: CfgNode, model: nn.Module) -> float:
    """Of only the model, one image at a time: one over the median time of an image."""
    model.eval()
    loader = Trainer.build_test_loader(cfg, cfg.DATASETS.TEST[0])
    seconds = []
    for _, batch in zip(range(TIMED_IMAGES + WARM_UP_IMAGES), loader, strict=False):
        start = time.perf_counter()
        model(batch)
        if torch.device(cfg.MODEL.DEVICE).type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return 1 / statistics.median(seconds[WARM_UP_IMAGES:] or seconds)


def _write_tables(done: dict[Row, list[dict] | None], output_dir: Path) -> list[dict]:
    results = [result for found in done.values() if found for result in found]
    if results:
        write_bytes(output_dir / "rows.csv", to_csv(results, list(results[0])))
        write_bytes(output_dir / "table.md", f"{markdown(results)}\n".encode())
    return results


def markdown(results: Sequence[dict]) -> str:
    """Means over the seeds, and after ± the standard deviation where there are several.

    Rows that diverged are left out of the means, and listed below.
    """
    by_model: dict[str, list[dict]] = {}
    for result in results:
        by_model.setdefault(result["model"], []).append(result)
    table = []
    for model, found in by_model.items():
        ended = [r for r in found if not r["diverged"]]
        diverged = f", {len(found) - len(ended)} diverged" if len(found) > len(ended) else ""
        table.append(
            {
                "model": model,
                "seeds": f"{len(ended)}{diverged}",
                **{name: _mean_and_spread([r[name] for r in ended]) for name in METRICS},
                "images/s": _mean([r["images/s"] for r in ended]),
                "M parameters": _mean([r["parameters"] / 1e6 for r in ended]),
            }
        )
    lines = [tabulate(table, headers="keys", tablefmt="github", disable_numparse=True)]
    lines += [
        f"\n{r['model']}, seed {r['seed']}, diverged: {r['diverged']}"
        for r in results
        if r["diverged"]
    ]
    return "\n".join(lines)


def _mean(values: Sequence[float]) -> str:
    return "-" if not values or any(map(math.isnan, values)) else f"{statistics.mean(values):.1f}"


def _mean_and_spread(values: Sequence[float]) -> str:
    mean = _mean(values)
    return f"{mean} ± {statistics.stdev(values):.1f}" if mean != "-" and len(values) > 1 else mean
