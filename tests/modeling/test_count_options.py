import re
from pathlib import Path

import pytest
from detectron2.config import get_cfg

from locount import add_locount_config
from locount.modeling.count_options import check_cascade_config

CONFIGS = Path(__file__).parents[2] / "configs"


def cfg_of(*opts, path="Locount/clcnet_s2_cls10_R_50_FPN_1x.yaml"):
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.merge_from_file(str(CONFIGS / path))
    cfg.merge_from_list(list(opts))
    return cfg


def test_the_papers_config_is_accepted():
    check_cascade_config(cfg_of())


@pytest.mark.parametrize(
    ("opts", "words"),
    [
        (
            ("MODEL.ROI_BOX_CASCADE_HEAD.IOUS", (0.5, 0.6, 0.7)),
            [
                "MODEL.ROI_BOX_CASCADE_HEAD.IOUS has 3",
                "MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS has 2",
            ],
        ),
        (
            ("MODEL.ROI_HEADS.IOU_THRESHOLDS", [0.6]),
            ["MODEL.ROI_HEADS.IOU_THRESHOLDS is [0.6]", "[0.5, 0.7]"],
        ),
        (
            ("MODEL.COUNT_HEAD.STRATEGY", "guess"),
            ["MODEL.COUNT_HEAD.STRATEGY", "classification, regression, none"],
        ),
        (
            ("MODEL.COUNT_HEAD.MATCHING", "both"),
            ["MODEL.COUNT_HEAD.MATCHING", "iou, ignore, negative"],
        ),
        (
            ("MODEL.COUNT_HEAD.LOSS", "focal"),
            ["MODEL.COUNT_HEAD.LOSS", "cross_entropy, cumulative_link"],
        ),
        (("MODEL.COUNT_HEAD.BALANCE", "mean"), ["MODEL.COUNT_HEAD.BALANCE", "none, inverse_sqrt"]),
        (
            ("MODEL.COUNT_HEAD.STRATEGY", "regression", "MODEL.COUNT_HEAD.LOSS", "cumulative_link"),
            ['MODEL.COUNT_HEAD.LOSS is "cumulative_link"', 'set it to "cross_entropy"'],
        ),
        (
            ("MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG", False),
            ["MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG"],
        ),
        (
            ("MODEL.COUNT_HEAD.MAX_COUNT", 9),
            [
                "MODEL.COUNT_HEAD.MAX_COUNT (9)",
                "MODEL.COUNT_HEAD.BASE (10)",
                "MODEL.ROI_BOX_CASCADE_HEAD.IOUS (2)",
            ],
        ),
    ],
)
def test_a_config_that_cannot_work_names_its_keys(opts, words):
    with pytest.raises(ValueError, match=".*".join(map(re.escape, words))):
        check_cascade_config(cfg_of(*opts))


def test_all_problems_are_listed():
    opts = ("MODEL.COUNT_HEAD.STRATEGY", "guess", "MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG", False)
    with pytest.raises(ValueError, match=r"(?s)STRATEGY.*CLS_AGNOSTIC_BBOX_REG"):
        check_cascade_config(cfg_of(*opts))


def test_too_many_stages_do_not_matter_without_counting():
    check_cascade_config(
        cfg_of("MODEL.COUNT_HEAD.MAX_COUNT", 9, "MODEL.COUNT_HEAD.STRATEGY", "none")
    )


def test_the_1x_schedule_is_12_epochs_of_locount():
    cfg = cfg_of()
    epoch = 34022 / cfg.SOLVER.IMS_PER_BATCH
    assert 12 * epoch == cfg.SOLVER.MAX_ITER
    assert tuple(cfg.SOLVER.STEPS) == (8 * epoch, int(11 * epoch))
