"""Files and options that a config can't take say which key, and what to write."""

import re
from pathlib import Path

import pytest
import yaml

from locount.config import load_config, named_keys
from locount.errors import InputError

CONFIGS = Path(__file__).parents[2] / "configs"
CONFIG = str(CONFIGS / "Locount/clcnet_s2_cls10_R_50_FPN_1x.yaml")


def refused(config_file, *opts):
    with pytest.raises(InputError) as caught:
        load_config(str(config_file), opts)
    return str(caught.value)


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("MODEL.COUNT_HAED.BASE", "MODEL.COUNT_HEAD.BASE"),
        ("MODEL.ROI_HEADS.NUM_CLASS", "MODEL.ROI_HEADS.NUM_CLASSES"),
        ("SOLVER.BASELR", "SOLVER.BASE_LR"),
    ],
)
def test_a_misspelt_key_names_the_nearest(key, near):
    message = refused(CONFIG, key, 1)
    assert message == f"{key} is not a key of the config; the nearest one is {near}."


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("MODEL.COUNT_HEAD.LOSS_WEIGHT", "much", "'much'; it must be a number at least 0"),
        ("MODEL.COUNT_HEAD.BASE", "2.5", "'2.5'; it must be a whole number at least 2"),
        ("MODEL.EMA.ENABLED", "perhaps", "'perhaps'; it must be True or False"),
        ("SOLVER.MAX_ITER", "many", "'many'; it must be a whole number"),
        ("SOLVER.STEPS", "5", "'5'; it must be a list"),
        ("SOLVER.BASE_LR", True, "True; it must be a number"),
        ("MODEL.COUNT_HEAD", "none", "is a node: give values to its keys, STRATEGY, "),
    ],
)
def test_a_value_of_another_type_names_key_value_and_type(key, value, words):
    message = refused(CONFIG, key, value)
    assert message.startswith(key)
    assert words in message
    assert "\n" not in message


def test_a_whole_number_is_a_number():
    cfg = load_config(CONFIG, ["MODEL.COUNT_HEAD.LOSS_WEIGHT", "1", "SOLVER.BASE_LR", 2])
    assert (cfg.MODEL.COUNT_HEAD.LOSS_WEIGHT, cfg.SOLVER.BASE_LR) == (1.0, 2.0)


def test_a_key_without_a_value_is_an_error():
    assert "'SOLVER.MAX_ITER' has no value" in refused(CONFIG, "SEED", 1, "SOLVER.MAX_ITER")


def test_a_file_is_named_with_all_that_is_wrong_in_it(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("MODEL: {COUNT_HEAD: {BASE: two, STRATEGI: none}}\n")
    message = refused(path)
    assert message.startswith(f"{path}: 2 keys")
    assert "BASE is 'two'" in message
    assert "MODEL.COUNT_HEAD.STRATEGI is not a key" in message


def test_a_config_of_an_earlier_version_says_what_to_write_instead(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "MODEL:\n"
        "  BOX_LOSS: {TERMS: [ciou], WEIGHTS: [12.0], APPLY_TO: [roi]}\n"
        "  BOX_SAMPLING: {STRATEGY: iou_balanced}\n"
        "  REPPOINTS: {TRANSFORM: minmax}\n"
        "AUGMENTATION: {COPY_PASTE: 2}\n"
    )
    message = refused(path)
    assert message.count("MODEL.BOX_LOSS is gone") == 1
    for words in (
        "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE",
        "MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_WEIGHT",
        "MODEL.BOX_SAMPLING is gone: delete it",
        "MODEL.REPPOINTS.TRANSFORM is gone: delete it",
        "AUGMENTATION.COPY_PASTE is gone: delete it",
    ):
        assert words in message


def test_a_config_yaml_of_an_earlier_version_works_where_what_is_gone_did_nothing(tmp_path, caplog):
    path = tmp_path / "config.yaml"
    path.write_text(
        "MODEL:\n"
        "  PROPOSAL_GENERATOR: {NAME: BoxLossRPN}\n"
        "  ROI_HEADS: {NAME: BoxLossROIHeads}\n"
        "  BOX_LOSS: {TERMS: [], WEIGHTS: [], APPLY_TO: [rpn, roi], ALPHA: 0.5}\n"
        "  BOX_SAMPLING: {STRATEGY: random, BINS: 3, FLOOR: 0.0}\n"
        "  REPPOINTS: {NUM_CLASSES: 140, TRANSFORM: moment}\n"
        "AUGMENTATION: {COPY_PASTE: 0}\n"
    )
    with caplog.at_level("INFO"):
        cfg = load_config(str(path))
    assert cfg.MODEL.PROPOSAL_GENERATOR.NAME == "ChunkedRPN"
    assert cfg.MODEL.ROI_HEADS.NAME == "FasterRCNNROIHeads"
    assert "MODEL.ROI_HEADS.NAME: BoxLossROIHeads is now called FasterRCNNROIHeads" in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        *("", "just text", "MODEL: [", "[]", "A: !!python/object:os.system {}", "A: 1\nA: 2"),
        *("_BASE_: nowhere.yaml", "_BASE_: config.yaml", "_BASE_: [1]", "_BASE_: {a: b}"),
        *("_BASE_: http://localhost/a.yaml", "_BASE_: [a.yaml, detectron2://a.yaml]"),
        "MODEL: &m\n  A: *m",
    ],
)
def test_a_file_that_is_no_config_is_named(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    message = refused(path)
    assert str(path) in message
    assert "\n" not in message


def test_a_file_that_is_missing_is_named(tmp_path):
    assert f"{tmp_path / 'a.yaml'} is not a file" in refused(tmp_path / "a.yaml")


def test_what_is_written_can_be_read(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(load_config(CONFIG, ["MODEL.DEVICE", "cpu"]).dump())
    again = load_config(str(path)).dump()
    assert yaml.safe_load(again) == yaml.safe_load(path.read_text())


def test_named_keys_are_those_of_the_file_of_its_base_and_of_the_options():
    named = named_keys(CONFIG, ["SEED", 3])
    assert {"SEED", "MODEL.COUNT_HEAD.BASE", "MODEL.RPN.SMOOTH_L1_BETA"} <= named
    assert "MODEL.ROI_HEADS.NUM_CLASSES" not in named
    assert not any(re.match(r"MODEL\.FCOS|_BASE_", key) for key in named)
