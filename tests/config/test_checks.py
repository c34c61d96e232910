"""Each key by its description, and the keys against each other; the tables hold for all configs."""

import re
from inspect import getsource
from pathlib import Path

import msgspec
import pytest
import yaml
from detectron2.config import get_cfg
from detectron2.modeling import ROI_HEADS_REGISTRY, StandardROIHeads, build_model

from locount import add_locount_config
from locount.config import check_config, load_config
from locount.config.architectures import READ_ALWAYS, READ_WITH, READS, registries
from locount.config.checks import allowed, get, project_keys
from locount.config.merging import flatten
from locount.config.nodes import NODES
from locount.errors import InputError
from locount.training import Trainer

CONFIGS = Path(__file__).parents[2] / "configs"
CLCNET = "Locount/clcnet_s2_cls10_R_50_FPN_1x"
FASTER = "Locount/faster_rcnn_R_50_FPN_1x"


def load(path, *opts):
    return load_config(str(CONFIGS / f"{path}.yaml"), ["MODEL.DEVICE", "cpu", *opts])


def refused(path, *opts):
    with pytest.raises(InputError) as caught:
        load(path, *opts)
    return str(caught.value)


def test_every_default_is_in_its_range_and_every_key_is_described():
    cfg = get_cfg()
    add_locount_config(cfg)
    check_config(cfg)
    for node, struct in NODES.items():
        assert struct.__doc__, node
        source = "".join(getsource(c) for c in struct.mro() if c.__module__ == struct.__module__)
        described = re.findall(r'^    (\w+): .*\n(?:    \W.*\n)*?    """', source, re.M)
        described += ["ENABLED", "CLS_LOSS_WEIGHT"]
        assert set(struct.__struct_fields__) <= {*described}, node


def test_detectron2s_nodes_keep_their_keys_and_only_the_solver_gets_some():
    cfg, plain = get_cfg(), get_cfg()
    add_locount_config(cfg)
    before, now = dict(flatten(plain)), dict(flatten(cfg))
    assert {key: now[key] for key in before} == before
    new = {key.rpartition(".")[0] for key in now.keys() - before.keys()}
    assert new == set(NODES)
    assert new & {key.rpartition(".")[0] for key in before} == {"SOLVER"}


def test_a_config_of_detectron2_with_the_projects_keys_does_not_count():
    cfg = get_cfg()
    add_locount_config(cfg)
    assert cfg.MODEL.ROI_HEADS.NAME == "Res5ROIHeads"
    assert cfg.MODEL.COUNT_HEAD.STRATEGY == "none"


@pytest.mark.parametrize(
    ("path", "key", "value", "words"),
    [
        (CLCNET, "MODEL.COUNT_HEAD.STRATEGY", "guess", "'none', 'classification', 'regression'"),
        (CLCNET, "MODEL.COUNT_HEAD.LOSS_WEIGHT", -1.0, "a number at least 0"),
        (CLCNET, "MODEL.COUNT_HEAD.BASE", 1, "a whole number at least 2"),
        (CLCNET, "MODEL.SOFT_NMS.SIGMA", 0.0, "a number above 0"),
        (CLCNET, "MODEL.EMA.DECAY", 1.5, "a number at least 0 and below 1"),
        (CLCNET, "PREDICT.SCORE", 7.0, "a number at least 0 and at most 1"),
        (CLCNET, "AUGMENTATION.POLICY", "v9", "one of 'none', 'v0'"),
        (CLCNET, "EVALUATION.MAX_DETS", [0], "a list, each a whole number at least 1"),
        ("Locount/fcos_R_50_FPN_1x", "MODEL.FCOS.PRIOR_PROB", 0.0, "above 0 and below 1"),
        ("Locount/fcos_R_50_FPN_1x", "MODEL.FCOS.NUM_CONVS", -1, "at least 0"),
        ("Locount/fcos_R_50_FPN_1x", "MODEL.FCOS.NORM", "BNN", "'GN', 'BN', 'SyncBN'"),
        (
            "Locount/reppoints_R_50_FPN_1x",
            "MODEL.REPPOINTS.IOU_THRESHOLDS",
            [0.5],
            "a list of 2, each a number above 0 and at most 1",
        ),
        ("Shelf/yolov3_small", "MODEL.YOLO.SCALE_XY", 0.5, "at least 1 and at most 2"),
        ("Shelf/ssd_small", "MODEL.TORCHVISION.NAME", "ssd3", "'ssd512_vgg16'"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_is_allowed(path, key, value, words):
    message = refused(path, key, value)
    assert message.startswith(f"{key} is {value!r}; it must be ")
    assert words in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("path", "key", "value", "words"),
    [
        (CLCNET, "SOLVER.LR_SCHEDULER_NAME", "Cosine", "one of 'WarmupMultiStepLR', 'Warmup"),
        (CLCNET, "SOLVER.CLIP_GRADIENTS.CLIP_TYPE", "all", "'value', 'norm', 'full_model'"),
        (CLCNET, "SOLVER.BASE_LR", float("nan"), "a number at least 0"),
        (CLCNET, "MODEL.PIXEL_STD", [1.0, 0.0, 1.0], "each a number above 0"),
        (CLCNET, "MODEL.RPN.IN_FEATURES", ["p9"], "which are p2, p3, p4, p5, p6"),
        (CLCNET, "MODEL.RPN.IN_FEATURES", None, "a list"),
        (CLCNET, "MODEL.RPN.BBOX_REG_WEIGHTS", ("a",), "a list like [1.0"),
        (CLCNET, "MODEL.FPN.IN_FEATURES", ["layer1"], "'res2', 'res3'"),
        (CLCNET, "MODEL.ANCHOR_GENERATOR.SIZES", [[32], [64]], "one for each of the 5"),
        (CLCNET, "MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS", [[]], "numbers above 0"),
        (CLCNET, "MODEL.ROI_HEADS.NMS_THRESH_TEST", 1.5, "at most 1"),
        (CLCNET, "MODEL.ROI_MASK_HEAD.CONV_DIM", 0, "at least 1"),
        (CLCNET, "MODEL.COUNT_HEAD.MAX_COUNT", 10**8, "at least 1 and at most 2000"),
    ],
)
def test_a_key_of_detectron2_is_checked_when_the_config_is_loaded(path, key, value, words):
    message = refused(path, key, value)
    assert message.startswith(f"{key} is {value!r}")
    assert words in message
    assert "\n" not in message


def test_nesterov_needs_momentum():
    message = refused(CLCNET, "SOLVER.NESTEROV", True, "SOLVER.MOMENTUM", 0.0)
    assert "SOLVER.OPTIMIZER is 'SGD' and SOLVER.MOMENTUM is 0.0: " in message


def test_bins_that_would_not_fit_into_memory_are_refused():
    message = refused(CLCNET, "MODEL.COUNT_HEAD.MAX_COUNT", 1000, "MODEL.COUNT_HEAD.BASE", 1000)
    assert "1000000 bins" in message
    assert "MODEL.COUNT_HEAD.BASE (1000)" in message


def test_what_only_building_shows_is_one_line():
    cfg = load(CLCNET, "MODEL.FPN.NORM", "GN", "MODEL.FPN.OUT_CHANNELS", 40)
    with pytest.raises(InputError, match=r"no model can be built of it \(\w+Error: .*num_groups"):
        Trainer.build_model(cfg)


def test_all_problems_are_listed():
    message = refused(CLCNET, "PREDICT.SCORE", 7.0, "MODEL.COUNT_HEAD.BALANCE", "mean")
    assert re.search(r"\n  MODEL.COUNT_HEAD.BALANCE is 'mean'.*\n  PREDICT.SCORE is 7.0", message)


@pytest.mark.parametrize(
    ("path", "opts", "where"),
    [
        (FASTER, ("MODEL.COUNT_HEAD.STRATEGY", "classification"), "CLCNetROIHeads"),
        (FASTER, ("MODEL.COUNT_HEAD.LOSS_WEIGHT", 1.0), "CLCNetROIHeads"),
        (FASTER, ("MODEL.BFP.LEVEL", 1), "build_bfp_backbone"),
        (FASTER, ("MODEL.TIMM.NAME", "resnet18"), "build_timm_fpn_backbone"),
        (CLCNET, ("MODEL.FCOS.NUM_CONVS", 2), "CountingFCOS"),
        (CLCNET, ("MODEL.YOLO.SPP", True), "YOLO"),
        ("Locount/retinanet_cls_R_50_FPN_1x", ("MODEL.COUNT_HEAD.MATCHING", "ignore"), "CLCNet"),
        ("Locount/fcos_R_50_FPN_1x", ("MODEL.SOFT_NMS.METHOD", "linear"), "FasterRCNNROIHeads"),
        ("Shelf/yolov3_small", ("MODEL.COUNT_HEAD.STRATEGY", "regression"), "CountingRetinaNet"),
        ("Shelf/ssd_small", ("MODEL.COUNT_HEAD.STRATEGY", "regression"), "CountingFCOS"),
        ("Shelf/ssd_small", ("MODEL.TIMM.NAME", "resnet18"), "build_timm_fpn_backbone"),
    ],
)
def test_a_key_that_the_model_does_not_read_is_named_with_where_it_has_a_meaning(path, opts, where):
    message = refused(path, *opts)
    assert message.startswith(f"{opts[0]} is {opts[1]!r}, but is not read by ")
    assert f"leave it at {project_keys()[opts[0]].default!r}" in message
    assert where in message.partition("It has a meaning for")[2]


def test_detectron2s_own_heads_do_not_read_the_counting():
    with pytest.raises(InputError, match=r"is not read by .*StandardROIHeads"):
        load(CLCNET, "MODEL.ROI_HEADS.NAME", "StandardROIHeads")


def test_heads_of_somebody_else_may_read_anything():
    @ROI_HEADS_REGISTRY.register()
    class HeadsOfSomebodyElse(StandardROIHeads):
        pass

    load(CLCNET, "MODEL.ROI_HEADS.NAME", "HeadsOfSomebodyElse")


def test_matching_has_no_meaning_with_one_stage():
    s1 = CLCNET.replace("s2", "s1")
    message = refused(s1, "MODEL.COUNT_HEAD.MATCHING", "ignore")
    assert "MODEL.COUNT_HEAD.MATCHING is 'ignore'" in message
    assert "MODEL.ROI_BOX_CASCADE_HEAD.IOUS" in message
    load(CLCNET, "MODEL.COUNT_HEAD.MATCHING", "ignore")


@pytest.mark.parametrize(
    ("opts", "words"),
    [
        (
            ("MODEL.ROI_BOX_CASCADE_HEAD.IOUS", (0.5, 0.6, 0.7)),
            ["MODEL.ROI_BOX_CASCADE_HEAD.IOUS is (0.5, 0.6, 0.7)", "BBOX_REG_WEIGHTS is", "each"],
        ),
        (
            ("MODEL.ROI_HEADS.IOU_THRESHOLDS", [0.6]),
            ["MODEL.ROI_HEADS.IOU_THRESHOLDS is [0.6]", "(0.5, 0.7)"],
        ),
        (
            ("MODEL.COUNT_HEAD.STRATEGY", "regression", "MODEL.COUNT_HEAD.LOSS", "cumulative_link"),
            ["MODEL.COUNT_HEAD.LOSS is 'cumulative_link'", "leave it at 'cross_entropy'"],
        ),
        (("MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG", False), ["CLS_AGNOSTIC_BBOX_REG is False"]),
        (
            ("MODEL.COUNT_HEAD.MAX_COUNT", 9),
            ["MAX_COUNT (9)", "BASE (10)", "MODEL.ROI_BOX_CASCADE_HEAD.IOUS (2)"],
        ),
        (
            ("MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE", "l7"),
            ["MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE is 'l7'", "smooth_l1", "'ciou', 'balanced_l1'"],
        ),
        (
            ("MODEL.RPN.BBOX_REG_LOSS_TYPE", "balanced_l1"),
            ["MODEL.RPN.BBOX_REG_LOSS_TYPE is 'balanced_l1'", "'diou', 'ciou'"],
        ),
        (
            (
                *("MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE", "balanced_l1"),
                *("MODEL.ROI_HEADS.NAME", "CascadeROIHeads", "MODEL.COUNT_HEAD.STRATEGY", "none"),
            ),
            ["MODEL.ROI_BOX_HEAD.BBOX_REG_LOSS_TYPE is 'balanced_l1'", "only CLCNetROIHeads and"],
        ),
        (("MODEL.ROI_HEADS.NAME", "CLCNetHeads"), ["'CLCNetHeads'; it must be", "CLCNetROIHeads"]),
    ],
)
def test_keys_that_do_not_fit_each_other_are_named(opts, words):
    assert re.search(".*".join(map(re.escape, words)), refused(CLCNET, *opts))


@pytest.mark.parametrize(
    ("path", "opts", "cure"),
    [
        (CLCNET, ("MODEL.SOFT_NMS.SIGMA", 0.3), "MODEL.SOFT_NMS.METHOD to 'gaussian'"),
        (
            CLCNET,
            ("MODEL.SOFT_NMS.SIGMA", 0.3, "MODEL.SOFT_NMS.METHOD", "linear"),
            "MODEL.SOFT_NMS.METHOD to 'gaussian'",
        ),
        (CLCNET, ("MODEL.EMA.DECAY", 0.9), "MODEL.EMA.ENABLED to True"),
        (
            "Locount/cascade_rcnn_R_50_FPN_1x",
            ("MODEL.COUNT_HEAD.MAX_COUNT", 20),
            "MODEL.COUNT_HEAD.STRATEGY to 'classification'",
        ),
        (
            "Locount/cascade_rcnn_R_50_FPN_1x",
            ("MODEL.COUNT_HEAD.LOSS_WEIGHT", 1.0),
            "MODEL.COUNT_HEAD.STRATEGY to 'classification' or 'regression'",
        ),
        (
            CLCNET.replace("cls10", "reg"),
            ("MODEL.COUNT_HEAD.BASE", 2),
            "MODEL.COUNT_HEAD.STRATEGY to 'classification'",
        ),
        (
            "Shelf/ppyolo_small",
            ("MODEL.YOLO.NMS_THRESH_TEST", 0.3),
            "MODEL.YOLO.NMS to 'greedy'",
        ),
    ],
)
def test_a_key_that_is_set_where_another_turns_it_off_is_named(path, opts, cure):
    message = refused(path, *opts)
    assert message.startswith(f"{opts[0]} is {opts[1]!r}, but nothing reads it with ")
    assert message.endswith(f"leave it at {project_keys()[opts[0]].default!r}, or set {cure}.")


def test_what_a_config_says_is_no_mistake_where_an_option_turns_it_off(tmp_path):
    photos = load("Photos/clcnet_s2_cls2_lite0", "MODEL.EMA.ENABLED", False)
    assert photos.MODEL.EMA.DECAY == 0.998
    load(CLCNET.replace("cls10", "cls2"), "MODEL.COUNT_HEAD.STRATEGY", "none")
    (tmp_path / "config.yaml").write_text(photos.dump())  # as a run leaves it
    load_config(str(tmp_path / "config.yaml"))


def test_a_file_that_forgets_the_switch_is_told(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text(f"_BASE_: {CONFIGS / CLCNET}.yaml\nMODEL: {{EMA: {{DECAY: 0.9}}}}\n")
    with pytest.raises(InputError, match=r"EMA\.DECAY is 0\.9, .*EMA\.ENABLED to True"):
        load_config(str(path))


def test_what_depends_on_another_key_names_keys_and_values_that_there_are():
    for key, (switch, values) in READ_WITH.items():
        kind = project_keys()[switch].type
        assert key in project_keys()
        assert all(msgspec.convert(value, kind) == value for value in values)


@pytest.mark.parametrize("key", ["MODEL.COUNT_HEAD.LOSS_WEIGHT", "SOLVER.BACKBONE_MULTIPLIER"])
def test_infinity_is_not_a_number(key):
    assert refused(CLCNET, key, "1e999").startswith(f"{key} is inf; it must be a number ")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", ""])
def test_a_device_that_there_is_not_is_named(name):
    with pytest.raises(InputError, match=r"MODEL\.DEVICE is .*'cpu', 'cuda' or 'cuda:1'"):
        load_config(str(CONFIGS / f"{CLCNET}.yaml"), ["MODEL.DEVICE", name])


@pytest.mark.parametrize("name", ["fcos", "reppoints"])
def test_a_feature_that_the_backbone_lacks_is_named(name):
    key = f"MODEL.{name.upper()}.IN_FEATURES"
    cfg = load(f"Shelf/{name}_small", key, ("p4", "p9"))
    with pytest.raises(InputError, match=rf"{key} names p9, which build_.* gives .*p4"):
        build_model(cfg)


def test_too_many_stages_do_not_matter_without_counting():
    cfg = load(CLCNET)
    cfg.MODEL.COUNT_HEAD.MAX_COUNT, cfg.MODEL.COUNT_HEAD.STRATEGY = 9, "none"
    check_config(cfg)


@pytest.mark.parametrize(
    ("path", "opts", "words"),
    [
        ("reppoints", ("MODEL.REPPOINTS.IOU_THRESHOLDS", [0.6, 0.5]), "[0.6, 0.5]"),
        ("reppoints", ("MODEL.REPPOINTS.CONV_DIM", 48), "multiple of 32"),
        ("yolov3", ("MODEL.YOLO.ANCHORS", [[[8, 8]]]), "each feature needs its anchors"),
        (
            "yolov3",
            ("MODEL.YOLO.ANCHORS", [[[8, 8]], [[8, 8]], []]),
            "each level needs the same number",
        ),
        ("yolov3", ("MODEL.YOLO.ANCHORS", [[[8]], [[8, 8]], [[8, 8]]]), "a list of 2"),
        ("yolov3", ("MODEL.YOLO.NECK_CHANNELS", 3), "there must be at least 4"),
        ("yolov3", ("MODEL.YOLO.IOU_AWARE_EXPONENT", 0.5), "leave the first at 0.4"),
        ("ssd", ("MODEL.TORCHVISION.PRETRAINED_BACKBONE", True), "another network"),
    ],
)
def test_one_stage_keys_that_do_not_fit_each_other_are_named(path, opts, words):
    assert words in refused(f"Shelf/{path}_small", *opts)


def test_an_exponent_of_an_iou_that_nothing_predicts_is_named():
    key = "MODEL.IOU_AWARE.EXPONENT"
    assert "leave the first at 0.5" in refused(CLCNET, key, 0.7)
    load(CLCNET, key, 0.7, "MODEL.IOU_AWARE.LOSS_WEIGHT", 1.0)


@pytest.mark.parametrize("name", ["retinanet", "fcos", "reppoints", "yolov3", "ssd", "faster_rcnn"])
def test_what_changes_after_loading_is_checked_when_the_model_is_built(name):
    cfg = load(f"Shelf/{name}_small")
    cfg.MODEL.COUNT_HEAD.MATCHING = "negative"
    with pytest.raises(InputError, match=r"COUNT_HEAD.MATCHING is 'negative', but is not read by"):
        build_model(cfg)


def test_what_the_project_registers_is_in_the_table():
    ours = {
        name
        for registry in registries().values()
        for name, part in registry
        if part.__module__.startswith("locount.")
    }
    assert ours == set(READS)


def test_every_key_is_read_by_something():
    known = {*project_keys(), *NODES}
    read = {key for keys in READS.values() for key in keys}
    assert {*read, *READ_ALWAYS} <= known
    for node in NODES:
        assert node in READ_ALWAYS or any(key.startswith(node) for key in read)


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda p: p.name)
def test_no_yaml_names_a_number_of_classes_that_the_data_tells(path):
    text = path.read_text()
    # That of the shipped weights, which need a config beside them, can be used without data.
    assert "NUM_CLASSES" not in text or path.name == "clcnet_s2_cls10_shelf.yaml"
    assert isinstance(yaml.safe_load(text), dict)


def test_what_is_allowed_in_words():
    assert allowed(bool) == "True or False"
    assert allowed(str) == "a text"
    assert allowed(tuple) == "a list"


def test_a_key_is_found_by_its_name(tiny_cfg):
    assert get(tiny_cfg, "MODEL.COUNT_HEAD.BASE") == 10
