import re
from pathlib import Path

import pytest
from detectron2.modeling import build_model

from locount.config import load_config
from locount.errors import InputError
from locount.modeling.box_options import check_box_options

CONFIGS = Path(__file__).parents[2] / "configs"


def test_default_options_and_all_terms_are_accepted(tiny_cfg):
    check_box_options(tiny_cfg)
    tiny_cfg.MODEL.BOX_LOSS.TERMS = ("balanced_l1", "ciou")
    tiny_cfg.MODEL.BOX_SAMPLING.STRATEGY = "iou_balanced"
    check_box_options(tiny_cfg)


@pytest.mark.parametrize(
    ("opts", "words"),
    [
        (("BOX_LOSS.TERMS", ("giou",)), ["MODEL.BOX_LOSS.TERMS", "balanced_l1 and ciou"]),
        (("BOX_LOSS.TERMS", ("ciou", "ciou")), ["MODEL.BOX_LOSS.TERMS", "each once"]),
        (("BOX_LOSS.APPLY_TO", ("head",)), ["MODEL.BOX_LOSS.APPLY_TO", "rpn and roi"]),
        (
            ("BOX_LOSS.TERMS", ("ciou",), "BOX_LOSS.APPLY_TO", ()),
            ["MODEL.BOX_LOSS.APPLY_TO is empty", "rpn and roi"],
        ),
        (("BOX_LOSS.WEIGHTS", (1.0,)), ["MODEL.BOX_LOSS.WEIGHTS has 1", "one weight per term"]),
        (
            ("BOX_LOSS.TERMS", ("ciou",), "BOX_LOSS.WEIGHTS", (0.0,)),
            ["MODEL.BOX_LOSS.WEIGHTS has 0.0", "above 0"],
        ),
        (("BOX_LOSS.BETA", 0.0), ["MODEL.BOX_LOSS.BETA is 0.0", "above 0"]),
        (
            ("BOX_LOSS.TERMS", ("ciou",), "PROPOSAL_GENERATOR.NAME", "RPN"),
            ['MODEL.PROPOSAL_GENERATOR.NAME is "RPN"', "BoxLossRPN", "MODEL.BOX_LOSS.APPLY_TO"],
        ),
        (
            ("BOX_LOSS.TERMS", ("ciou",), "ROI_HEADS.NAME", "StandardROIHeads"),
            ['MODEL.ROI_HEADS.NAME is "StandardROIHeads"', "CLCNetROIHeads or BoxLossROIHeads"],
        ),
        (
            ("BOX_LOSS.TERMS", ("ciou",), "RPN.BBOX_REG_LOSS_TYPE", "giou"),
            ['MODEL.RPN.BBOX_REG_LOSS_TYPE is "giou"', 'set it back to "smooth_l1"'],
        ),
        (
            ("BOX_SAMPLING.STRATEGY", "ohem"),
            ["MODEL.BOX_SAMPLING.STRATEGY", "random, iou_balanced"],
        ),
        (("BOX_SAMPLING.BINS", 0), ["MODEL.BOX_SAMPLING.BINS is 0", "at least 1"]),
        (("BOX_SAMPLING.FLOOR", 1.0), ["MODEL.BOX_SAMPLING.FLOOR is 1.0", "[0, 1)"]),
        (
            ("BOX_SAMPLING.STRATEGY", "iou_balanced", "ROI_HEADS.NAME", "StandardROIHeads"),
            ["MODEL.BOX_SAMPLING.STRATEGY", "StandardROIHeads", "BoxLossROIHeads"],
        ),
    ],
)
def test_options_that_cannot_work_name_their_keys(tiny_cfg, opts, words):
    for key, value in zip(opts[::2], opts[1::2], strict=True):
        tiny_cfg.merge_from_list([f"MODEL.{key}", value])
    with pytest.raises(InputError, match=".*".join(map(re.escape, words))):
        check_box_options(tiny_cfg)


def test_all_problems_are_listed(tiny_cfg):
    tiny_cfg.MODEL.BOX_LOSS.TERMS, tiny_cfg.MODEL.BOX_SAMPLING.BINS = ("giou",), 0
    with pytest.raises(InputError, match=r"(?s)BOX_LOSS.TERMS.*BOX_SAMPLING.BINS"):
        check_box_options(tiny_cfg)


@pytest.mark.parametrize("name", ["retinanet", "fcos", "reppoints", "yolov3", "ssd"])
def test_a_detector_that_would_ignore_an_option_is_not_built(name):
    opts = ["MODEL.BOX_LOSS.TERMS", ("ciou",), "MODEL.SOFT_NMS.METHOD", "linear"]
    opts += ["MODEL.BOX_SAMPLING.STRATEGY", "iou_balanced"]
    cfg = load_config(str(CONFIGS / f"Shelf/{name}_small.yaml"), opts)
    words = r"(?s)META_ARCHITECTURE.*BOX_LOSS.TERMS is \('ciou',\); set it to \(\).*BOX_SAMPLING.*"
    with pytest.raises(InputError, match=words + "SOFT_NMS.METHOD is 'linear'; set it to 'none'"):
        build_model(cfg)
