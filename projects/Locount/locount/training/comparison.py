"""Several models under one budget: each is trained, evaluated and timed, and one table tells."""

from __future__ import annotations

import concurrent.futures
import math
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog
from detectron2.engine import default_setup
from detectron2.utils.logger import setup_logger
from tabulate import tabulate
from torch import nn
from tqdm import tqdm

from ..checkpoint import load_weights
from ..config import load_config
from ..data import check_datasets, register_datasets
from ..data.checks import num_classes_option
from ..errors import InputError
from ..files import to_csv, write_bytes, write_json
from .trainer import Trainer

# Of the table. AR and ARlc are at the most detections that the config gives for an image; MAE-cv is
# of the number of products per image (docs/dense.md).
METRICS = ("AP", "AP50", "AP75", "AR", "APlc", "APlc50", "APlc75", "ARlc")
METRICS += ("APlc-IN", "APlc-MN", "APlc-LN", "MAE-cv")
# How many images the speed is measured on, after some to warm up.
TIMED_IMAGES, WARM_UP_IMAGES = 20, 3


@dataclass(frozen=True)
class Row:
    """One training: a config with options, and a seed.

    Attributes:
        name: of the config and its options, unique in a table but for the seed.
        opts: keys and values in turn.
    """

    name: str
    config_file: str
    opts: tuple[str, ...]
    seed: int

    @classmethod
    def parse(cls, text: str, seed: int) -> Row:
        """From ``CONFIG.yaml`` or ``CONFIG.yaml+KEY=VALUE+KEY=VALUE``."""
        config_file, *options = text.split("+")
        name = "+".join([Path(config_file).stem, *map(_short, options)])
        return cls(name, config_file, key_values(options), seed)


def key_values(options: Sequence[str]) -> tuple[str, ...]:
    """Keys and values in turn, of ``KEY=VALUE``."""
    for option in options:
        if "=" not in option:
            raise InputError(f"{option!r} is no option of a config: write KEY=VALUE")
    return tuple(part for option in options for part in option.split("=", 1))


def _short(option: str) -> str:
    """``KEY=VALUE`` without the nodes that the key stands in."""
    key, equals, value = option.partition("=")
    return key.rpartition(".")[2] + equals + value


@dataclass(frozen=True)
class Comparison:
    """What all rows have in common.

    Attributes:
        train, test: dataset names.
        iterations: the budget of each training. The config's steps are scaled to it, and its
            warm-up takes at most a third.
        opts: over every config, keys and values in turn.
        variants: options for testing alone, ``KEY=VALUE+KEY=VALUE`` each: every trained model is
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
        cfg = load_config(row.config_file, [*row.opts, *self.opts])
        register_datasets((self.train, self.test))
        scale = self.iterations / cfg.SOLVER.MAX_ITER
        option = num_classes_option(cfg)
        if option is not None:
            num_classes = len(MetadataCatalog.get(self.train).thing_classes)
            cfg.merge_from_list([option, num_classes])
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
    and the table is written anew after each.

    Args:
        jobs: rows that run at the same time, each in a process of its own.

    Returns:
        For each row and variant, in the order of ``rows``: its name, seed, metrics, speed and size.

    Raises:
        InputError: before anything is trained, for a config or data that can't be used.
    """
    twice = {(r.name, r.seed) for r in rows if rows.count(r) > 1}
    if twice:
        raise InputError(f"named twice: {', '.join(sorted(name for name, _ in twice))}")
    folders = {row: output_dir / row.name / f"seed{row.seed}" for row in rows}
    configs = {row: comparison.config(row, str(folders[row])) for row in rows}
    for cfg in configs.values():
        check_datasets(cfg, (comparison.train, comparison.test))
    done = {row: _finished(folders[row], configs[row], comparison) for row in rows}
    waiting = [row for row in rows if done[row] is None]
    with concurrent.futures.ProcessPoolExecutor(
        jobs, mp_context=multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        running = {pool.submit(_run_row, row, comparison, folders[row]): row for row in waiting}
        for future in tqdm(
            concurrent.futures.as_completed(running), total=len(waiting), desc="rows", unit="row"
        ):
            done[running[future]] = future.result()
            _write_tables(done, output_dir)
    return _write_tables(done, output_dir)


def _fingerprint(cfg: CfgNode, comparison: Comparison) -> dict:
    return {"config": cfg.dump(), "variants": list(comparison.variants)}


def _finished(folder: Path, cfg: CfgNode, comparison: Comparison) -> list[dict] | None:
    """The results of a row that ended before; None if it has to run."""
    path = folder / "results.json"
    if not path.is_file():
        return None
    stored = msgspec.json.decode(path.read_bytes())
    if stored["of"] != _fingerprint(cfg, comparison):
        return None
    # JSON has no NaN: an undefined metric is stored as null. Older results lack newer metrics.
    missing = dict.fromkeys(METRICS, math.nan)
    return [
        missing | {k: math.nan if v is None else v for k, v in r.items()} for r in stored["results"]
    ]


def _run_row(row: Row, comparison: Comparison, folder: Path) -> list[dict]:
    if comparison.threads:
        torch.set_num_threads(comparison.threads)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, for a process; its log is in the folder
    cfg = comparison.config(row, str(folder))
    default_setup(cfg, None)
    setup_logger(cfg.OUTPUT_DIR, name="locount")
    train_cfg = cfg.clone()
    train_cfg.defrost()
    train_cfg.DATASETS.TEST = ()  # tested below, where the options of the test are known
    train_cfg.freeze()
    start = time.perf_counter()
    trainer = Trainer(train_cfg)
    trainer.resume_or_load(resume=False)
    trainer.train()
    seconds = time.perf_counter() - start
    results = []
    for variant in ("", *comparison.variants):
        test_cfg = cfg.clone()
        test_cfg.merge_from_list(list(key_values(variant.split("+")) if variant else ()))
        model = Trainer.build_model(test_cfg)
        load_weights(model, os.path.join(cfg.OUTPUT_DIR, "model_final.pth"))
        results_by_task = Trainer.test(test_cfg, model)
        figures = {**results_by_task["bbox"], **results_by_task["count"]}
        shown = "+".join(map(_short, variant.split("+")))
        results.append(
            {
                "model": f"{row.name} → {shown}" if variant else row.name,
                "seed": row.seed,
                **_metrics(figures, cfg.TEST.DETECTIONS_PER_IMAGE),
                "images/s": _images_per_second(test_cfg, model),
                "parameters": sum(p.numel() for p in model.parameters()),
                "training s": seconds,
            }
        )
    write_json(folder / "results.json", {"of": _fingerprint(cfg, comparison), "results": results})
    return results


def _metrics(figures: dict[str, float], max_dets: int) -> dict[str, float]:
    names = {"AR": f"AR{max_dets}", "ARlc": f"ARlc{max_dets}"}
    return {name: figures[names.get(name, name)] for name in METRICS}


@torch.inference_mode()
def _images_per_second(cfg: CfgNode, model: nn.Module) -> float:
    """Of the model alone, one image at a time: one over the median time of an image."""
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
    """Means over the seeds, and behind ± the standard deviation where there are several."""
    by_model: dict[str, list[dict]] = {}
    for result in results:
        by_model.setdefault(result["model"], []).append(result)
    table = [
        {
            "model": model,
            "seeds": len(found),
            **{name: _mean_and_spread([r[name] for r in found]) for name in METRICS},
            "images/s": f"{statistics.mean(r['images/s'] for r in found):.1f}",
            "M parameters": f"{found[0]['parameters'] / 1e6:.1f}",
        }
        for model, found in by_model.items()
    ]
    return tabulate(table, headers="keys", tablefmt="github", disable_numparse=True)


def _mean_and_spread(values: Sequence[float]) -> str:
    if any(map(math.isnan, values)):
        return "-"
    mean = f"{statistics.mean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean
