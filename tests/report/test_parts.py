import math
from pathlib import Path

import numpy as np
import pytest

from locount.config import load_config
from locount.counting import COUNT_RANGES
from locount.evaluation import match
from locount.evaluation.analysis.pairs import blind_matches
from locount.report.cases import best_cases, worst_counts, worst_misses
from locount.report.galleries import TILE, window
from locount.report.paper import paper_figures, paper_method
from locount.report.training_curves import training_curves
from locount.visualization.charts import Series, count_chart, line_chart, ticks


def matcher(truth, found):
    """Of one image and category; boxes of 10 x 10 at x, with a count, and a score in front."""
    gt = {
        "images": [{"id": 1}],
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [x, 0, 10, 10], "count": n} for x, n in truth
        ],
    }
    dt = [
        {"image_id": 1, "category_id": 1, "bbox": [x, 0, 10, 10], "score": s, "count": n}
        for x, s, n in found
    ]
    return match(gt, dt, 150)


# At 0 right, at 20 by two off, at 40 by one off, at 60 missed.
MATCHER = matcher(
    [(0, 3), (20, 4), (40, 1), (60, 9)], [(0, 0.9, 3), (20, 0.4, 6), (40, 0.8, 2), (90, 0.7, 1)]
)

CONFIGS = Path(__file__).parents[2] / "configs"


def test_cases_come_worst_or_best_first():
    matches = blind_matches(MATCHER, max_dets=150)
    counts = MATCHER.gt.counts
    assert [counts[c.gt] for c in worst_misses(MATCHER, matches)] == [9]
    assert [counts[c.gt] for c in worst_counts(MATCHER, matches)] == [4, 1]
    assert [counts[c.gt] for c in best_cases(MATCHER, matches)] == [3]


def test_what_only_a_doubtful_detection_found_is_missed_above_its_score():
    matches = blind_matches(MATCHER, max_dets=150).above(MATCHER.dt.scores, 0.5)
    counts = MATCHER.gt.counts
    assert [counts[c.gt] for c in worst_misses(MATCHER, matches)] == [9, 4]
    assert [counts[c.gt] for c in worst_counts(MATCHER, matches)] == [1]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 0.3, [0, 0.1, 0.2, 0.3]),
        (0, 51033, [0, 20000, 40000]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_are_round_numbers_within_the_range(low, high, expected):
    assert ticks(low, high) == expected


def test_a_line_breaks_where_a_value_is_not_a_number():
    chart = line_chart([Series("", [0, 1, 2, 3], [1, math.nan, 0.5, 0])], x_label="x")
    assert chart.lines[0].path.count("M") == 2
    # 0 stands on the axis below, the largest value at the top.
    tops = [y for _, y in chart.lines[0].dots]
    assert tops[0] == chart.frame.top
    assert tops[-1] == chart.frame.height - chart.frame.bottom


def test_charts_without_values_are_empty():
    assert line_chart([Series("", [], [])], x_label="x").lines[0].path == ""
    none = np.zeros(0, np.int64)
    assert count_chart(none, none, COUNT_RANGES).bubbles == []


def test_bubbles_have_the_area_of_their_numbers():
    # Four boxes of 2 said right, one of 5 said to be 4: half the radius.
    pred, true = np.array([2, 2, 2, 2, 4]), np.array([2, 2, 2, 2, 5])
    right, wrong = count_chart(pred, true, COUNT_RANGES).bubbles
    assert right.exact
    assert not wrong.exact
    assert right.radius == 2 * wrong.radius


def test_stages_share_a_chart_and_the_last_line_of_an_iteration_counts():
    log = [{"iteration": 19, "loss_cls_stage0": 1.0, "loss_cls_stage1": 2.0, "total_loss": 3.0}]
    total, cls = training_curves(log)
    assert (total.title, cls.title) == ("total_loss", "loss_cls")
    assert [line.name for line in cls.chart.lines] == ["stage 1", "stage 2"]
    assert list(training_curves([])) == []


def test_counting_is_drawn_with_a_cascade_and_without():
    titles = ["Right count bin, share", "Mean counting accuracy (AC)"]
    cascade = [{"iteration": 19, "stage1/count/accuracy": 0.5, "stage1/count/ac": 0.7}]
    single = [{"iteration": 19, "count/accuracy": 0.5, "count/ac": 0.7}]
    for log, name in ((cascade, "stage 2"), (single, "detector")):
        curves = list(training_curves(log))
        assert [c.title for c in curves] == titles
        assert [[line.name for line in c.chart.lines] for c in curves] == [[name], [name]]


@pytest.mark.parametrize(
    "box", [(10, 10, 30, 40), (0, 0, 4, 4), (0, 0, 200, 10), (100, 20, 101, 150), (0, 0, 200, 150)]
)
def test_a_window_holds_its_box_and_lies_in_the_photo(box):
    x1, y1, x2, y2 = window(box, 200, 150)
    assert 0 <= x1 <= box[0]
    assert 0 <= y1 <= box[1]
    assert box[2] <= x2 <= 200
    assert box[3] <= y2 <= 150


def test_a_window_has_the_shape_of_a_tile():
    x1, y1, x2, y2 = window((300, 300, 400, 340), 1000, 1000)
    assert (x2 - x1) / (y2 - y1) == pytest.approx(TILE[0] / TILE[1])


@pytest.mark.parametrize(
    ("config", "method", "ap_lc"),
    [
        ("clcnet_s2_cls10_R_50_FPN_1x", "CLCNet-s(2)-cls(10)", 43.5),
        ("clcnet_s3_reg_R_50_FPN_1x", "CLCNet-s(3)-reg", 42.1),
        ("cascade_rcnn_R_50_FPN_1x", "Cascade R-CNN", 40.9),
        ("faster_rcnn_R_50_FPN_1x", "Faster R-CNN", 39.7),
        ("retinanet_R_50_FPN_1x", "RetinaNet", 37.1),
        ("ssd512_VGG_16_1x", "SSD", 27.9),
    ],
)
def test_configs_stand_beside_their_row_of_the_paper(config, method, ap_lc):
    assert paper_method(load_config(str(CONFIGS / f"Locount/{config}.yaml"))) == method
    assert paper_figures(method)["APlc"] == ap_lc


def test_other_methods_have_no_row():
    counting = load_config(str(CONFIGS / "Locount/retinanet_cls_R_50_FPN_1x.yaml"))
    assert paper_method(counting) is None
    assert paper_figures("another") == paper_figures(None) == {}
