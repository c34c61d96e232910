"""`locount compare` on drawn photos; the figures themselves are the evaluator's."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from locount.errors import InputError
from locount.training.comparison import Comparison, Row, compare, key_values, markdown

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
    row = Row.parse("configs/a.yaml+MODEL.COUNT_HEAD.MATCHING=ignore+SEED=3", seed=1)
    assert row.name == "a+MATCHING=ignore+SEED=3"
    assert row.opts == ("MODEL.COUNT_HEAD.MATCHING", "ignore", "SEED", "3")
    values = ("MODEL.COUNT_HEAD.LOSS_WEIGHT=0.1", "MODEL.WEIGHTS=out/model_final.pth")
    names = [Row.parse(f"a.yaml+{value}", seed=0).name for value in values]
    assert names == ["a+LOSS_WEIGHT=0.1", "a+WEIGHTS=out/model_final.pth"]


def test_an_option_without_a_value_says_how_to_write_it():
    with pytest.raises(InputError, match="KEY=VALUE"):
        key_values(["MODEL.COUNT_HEAD.MATCHING"])


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
        {"model": "a", "seed": seed, **dict.fromkeys(names, ap), **rest}
        for seed, ap in ((0, 10.0), (1, 14.0))
    ]
    results[0]["APlc-LN"] = float("nan")  # no such ground truth
    # Mean 12; deviations 2 and 2, so the sample's standard deviation is the root of 8 / 1.
    cells = re.split(r" *\| *", markdown(results).splitlines()[2].strip("| "))
    assert cells == ["a", "2", *["12.0 ± 2.8"] * 10, "-", "12.0 ± 2.8", "2.0", "1.5"]


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
    rows.append(Row.parse(f"{CONFIG}+MODEL.COUNT_HEAD.STRATEGY=none", seed=0))
    second = compare(rows, comparison, tmp_path)
    assert weights.stat().st_mtime_ns == before
    np.testing.assert_equal(second[:2], first)  # NaN equals NaN
    assert len(second) == 4
    assert second[2]["parameters"] < first[0]["parameters"]
    with open(tmp_path / "rows.csv") as file:
        assert [row["model"] for row in csv.DictReader(file)] == [r["model"] for r in second]
