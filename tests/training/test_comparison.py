"""`locount compare` on drawn photos; the figures themselves are the evaluator's."""

import csv
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from locount.data import register_datasets
from locount.errors import InputError
from locount.training.comparison import (
    METRICS,
    Comparison,
    Row,
    _data_fingerprint,
    _run_row,
    compare,
    key_values,
    markdown,
    options,
    parse_rows,
)

CONFIG = Path(__file__).parents[2] / "configs/Shelf/clcnet_s2_cls10_small.yaml"
SMALL = (
    "INPUT.MIN_SIZE_TRAIN=(64,)",
    "INPUT.MIN_SIZE_TEST=64",
    "SOLVER.IMS_PER_BATCH=2",
    "DATALOADER.NUM_WORKERS=0",
    "MODEL.RPN.POST_NMS_TOPK_TRAIN=20",
    "MODEL.RPN.POST_NMS_TOPK_TEST=20",
)


def test_options_make_another_row_of_the_same_config():
    row = Row.parse("configs/a.yaml+MODEL.COUNT_HEAD.MATCHING=ignore+VERSION=2", seed=1)
    assert row.name == "a+MATCHING=ignore+VERSION=2"
    assert row.opts == ("MODEL.COUNT_HEAD.MATCHING", "ignore", "VERSION", "2")
    values = ("MODEL.COUNT_HEAD.LOSS_WEIGHT=0.1", "MODEL.WEIGHTS=out/model_final.pth")
    names = [Row.parse(f"a.yaml+{value}", seed=0).name for value in values]
    assert names == ["a+LOSS_WEIGHT=0.1", "a+WEIGHTS=out/model_final.pth"]


def test_an_option_without_a_value_says_how_to_write_it():
    with pytest.raises(InputError, match="KEY=VALUE"):
        key_values(["MODEL.COUNT_HEAD.MATCHING"])


def test_options_are_pairs_of_words():
    assert options(["A.B", "x=1", "D", "3"]) == ("A.B", "x=1", "D", "3")
    with pytest.raises(InputError, match=r"'D' has no value"):
        options(["A.B", "1", "D"])
    with pytest.raises(InputError, match="give --seeds"):
        options(["SEED", "1"])


def test_names_are_as_long_as_it_takes_to_tell_rows_apart():
    texts = [
        "configs/A/r.yaml",
        "configs/B/r.yaml",
        "configs/s.yaml+MODEL.RPN.BATCH=512",
        "configs/s.yaml+MODEL.ROI.BATCH=512",
        "configs/s.yaml+MODEL.ROI.BATCH=256",
    ]
    names = ["A/r", "B/r", "configs/s+RPN.BATCH=512", "configs/s+ROI.BATCH=512", "s+BATCH=256"]
    assert [row.name for row in parse_rows(texts, [0])] == names


@pytest.mark.parametrize("texts", [["a.yaml", "a.yaml"], ["a.yaml", "./a.yaml"]])
def test_a_row_that_is_named_twice_is_an_error(texts, tmp_path):
    comparison = Comparison("shelf:1:1", "shelf:1:2", iterations=1)
    with pytest.raises(InputError, match=r"named twice: a with seed 0"):
        compare([Row.parse(text, seed=0) for text in texts], comparison, tmp_path)


@pytest.mark.parametrize(
    ("option", "cure"), [("SEED=3", "--seeds"), ("SOLVER.MAX_ITER=9", "--budget")]
)
def test_what_is_the_same_for_all_rows_is_no_option(option, cure):
    with pytest.raises(InputError, match=cure):
        Row.parse(f"a.yaml+{option}", seed=0)


def test_the_fingerprint_knows_annotations_and_photos(photos, tmp_path):
    shutil.copytree(photos, tmp_path, dirs_exist_ok=True)
    name = f"locount:{tmp_path}:train"
    register_datasets([name])
    before = _data_fingerprint(name)
    assert _data_fingerprint(name) == before
    (tmp_path / "Locount_GtTxtsTrain/0.txt").write_text("4,8,20,40,cup,3\n")
    other_annotation = _data_fingerprint(name)
    assert other_annotation != before
    with open(tmp_path / "Locount_ImagesTrain/0.jpg", "ab") as file:
        file.write(b" ")
    assert _data_fingerprint(name) != other_annotation


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("MODEL.SOFT_NMS.METHOD=hard", r"METHOD is 'hard'; it must be one of 'none', 'linear'"),
        ("MODEL.SOFT_NMS.METHODS=linear", "the nearest one is MODEL.SOFT_NMS.METHOD"),
        ("MODEL.SOFT_NMS.SIGMA=0.3", "nothing reads it"),
        ("MODEL.FCOS.NUM_CONVS=2", "has a meaning for CountingFCOS"),
    ],
)
def test_options_for_testing_are_checked_before_anything_is_trained(
    photos, tmp_path, variant, message
):
    comparison = Comparison(
        f"locount:{photos}:train", f"locount:{photos}:test", 2, variants=(variant,)
    )
    with pytest.raises(InputError, match=message):
        compare([Row.parse(str(CONFIG), seed=0)], comparison, tmp_path)
    assert not any(tmp_path.iterdir())


def test_the_schedule_is_scaled_to_the_budget(photos):
    comparison = Comparison(f"locount:{photos}:train", f"locount:{photos}:test", iterations=60)
    cfg = comparison.config(Row.parse(str(CONFIG), seed=5), "out")
    # The config's 500 and 580 of 600 iterations; its warm-up of 100 is more than a third of 60.
    assert (cfg.SOLVER.MAX_ITER, cfg.SOLVER.STEPS, cfg.SOLVER.WARMUP_ITERS) == (60, (50, 58), 20)
    assert (cfg.MODEL.ROI_HEADS.NUM_CLASSES, cfg.SEED) == (2, 5)


def test_mean_and_standard_deviation_over_seeds():
    rest = {"images/s": 2.0, "parameters": 1_500_000}
    names = ("AP", "AP50", "AP75", "AR", "APlc", "APlc50", "APlc75", "ARlc")
    names += ("APlc-IN", "APlc-MN", "APlc-LN", "MAE-cv")
    results = [
        {"model": "a", "seed": seed, **dict.fromkeys(names, ap), **rest, "diverged": ""}
        for seed, ap in ((0, 10.0), (1, 14.0))
    ]
    results[0]["APlc-LN"] = float("nan")  # no such ground truth
    # Mean 12; deviations 2 and 2, so the sample's standard deviation is the root of 8 / 1.
    cells = re.split(r" *\| *", markdown(results).splitlines()[2].strip("| "))
    assert cells == ["a", "2", *["12.0 ± 2.8"] * 10, "-", "12.0 ± 2.8", "2.0", "1.5"]


def test_rows_that_diverged_are_left_out_of_the_means_and_listed():
    figures = {**dict.fromkeys(METRICS, 10.0), "images/s": 2.0, "parameters": 1_500_000}
    missing = dict.fromkeys(figures, math.nan)
    results = [
        {"model": "a", "seed": 0, **figures, "diverged": ""},
        {"model": "a", "seed": 1, **missing, "diverged": "It broke."},
        {"model": "b", "seed": 0, **missing, "diverged": "It broke, too."},
    ]
    _, _, first, second, *rest = markdown(results).splitlines()
    assert re.split(r" *\| *", first.strip("| "))[:3] == ["a", "1, 1 diverged", "10.0"]
    assert re.split(r" *\| *", second.strip("| ")) == ["b", "0, 1 diverged", *["-"] * 14]
    assert [line for line in rest if line] == [
        "a, seed 1, diverged: It broke.",
        "b, seed 0, diverged: It broke, too.",
    ]


def test_rows_are_dealt_to_the_gpus(monkeypatch, tmp_path):
    class StartedError(Exception):
        pass

    def default_setup(*_):
        raise StartedError

    chosen = []
    cfg = SimpleNamespace(MODEL=SimpleNamespace(DEVICE="cuda"))
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # a row closes that of its process
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(Comparison, "config", lambda *_: cfg)
    monkeypatch.setattr("locount.training.comparison.default_setup", default_setup)
    comparison = Comparison("shelf:1:1", "shelf:1:2", iterations=1)
    for number in range(3):
        with pytest.raises(StartedError):
            _run_row(Row.parse("a.yaml", seed=0), comparison, tmp_path, {}, number)
    assert chosen == [0, 1, 0]


@pytest.mark.slow
def test_a_row_that_diverges_stops_no_other(photos, tmp_path):
    comparison = Comparison(
        f"locount:{photos}:train", f"locount:{photos}:test", 3, opts=key_values(SMALL)
    )
    broken = f"{CONFIG}+SOLVER.BASE_LR=1e30+SOLVER.CLIP_GRADIENTS.ENABLED=False"
    rows = parse_rows([broken, str(CONFIG)], seeds=[0])
    first = compare(rows, comparison, tmp_path)
    assert [bool(result["diverged"]) for result in first] == [True, False]
    assert "Training broke at iteration" in (tmp_path / "table.md").read_text()
    assert not math.isnan(first[1]["AP"])
    np.testing.assert_equal(compare(rows, comparison, tmp_path), first)  # NaN equals NaN


@pytest.mark.slow
def test_a_row_that_ended_is_not_run_again(photos, tmp_path):
    comparison = Comparison(
        f"locount:{photos}:train",
        f"locount:{photos}:test",
        iterations=2,
        opts=key_values(SMALL),
        variants=("MODEL.COUNT_HEAD.RANKING=joint",),
    )
    rows = [Row.parse(str(CONFIG), seed=0)]
    first = compare(rows, comparison, tmp_path)
    assert [r["model"] for r in first] == [CONFIG.stem, f"{CONFIG.stem} → RANKING=joint"]
    weights = tmp_path / CONFIG.stem / "seed0/model_final.pth"
    before = weights.stat().st_mtime_ns
    rows.append(Row.parse(f"{CONFIG}+MODEL.COUNT_HEAD.BASE=2", seed=0))
    second = compare(rows, comparison, tmp_path)
    assert weights.stat().st_mtime_ns == before
    np.testing.assert_equal(second[:2], first)  # NaN equals NaN
    assert len(second) == 4
    assert second[2]["parameters"] < first[0]["parameters"]
    with open(tmp_path / "rows.csv") as file:
        assert [row["model"] for row in csv.DictReader(file)] == [r["model"] for r in second]


_KILLED = """
import multiprocessing, os, threading
from locount.training.comparison import _set_up_process

def row():
    _set_up_process()
    print(os.getpid(), flush=True)
    threading.Event().wait()

if __name__ == "__main__":
    multiprocessing.get_context("spawn").Process(target=row).start()
    threading.Event().wait()
"""


@pytest.mark.slow  # two new processes load torch
def test_a_row_ends_with_a_comparison_that_was_killed(tmp_path):
    (tmp_path / "killed.py").write_text(_KILLED)
    command = [sys.executable, str(tmp_path / "killed.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as comparison:
        row = int(comparison.stdout.readline())
        comparison.kill()
        try:
            # The output is at its end when the last process that could write to it has ended.
            assert comparison.communicate(timeout=60) == ("", None)
        except subprocess.TimeoutExpired:
            os.kill(row, signal.SIGKILL)
            raise
