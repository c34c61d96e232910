import pytest
import torch
from detectron2.modeling import build_model

from locount.checkpoint import load_weights, slim_checkpoint
from locount.errors import InputError


@pytest.fixture
def weights(tiny_cfg, tmp_path):
    """Of a model with two stages, counts of base 10 and three classes."""
    path = tmp_path / "model.pth"
    torch.save({"model": build_model(tiny_cfg).state_dict()}, path)
    return str(path)


def test_weights_that_fit_are_loaded(tiny_cfg, weights):
    model = build_model(tiny_cfg)
    load_weights(model, weights)
    expected = torch.load(weights)["model"]
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("changes", "parameter", "keys"),
    [
        # Counts up to 56 in two stages: 10 and 100 bins with base 10, 8 and 64 with base 2.
        (
            ["MODEL.COUNT_HEAD.BASE", 2],
            r"box_predictor\.1\.count_pred\.bias: \(100,\) in the checkpoint, \(64,\) in the model",
            r"look at MODEL\.COUNT_HEAD\.\{STRATEGY,MAX_COUNT,BASE\}\.",
        ),
        (
            ["MODEL.COUNT_HEAD.STRATEGY", "none"],
            r"box_predictor\.0\.count_pred\.weight: not in the model",
            r"look at MODEL\.COUNT_HEAD\.\{STRATEGY,MAX_COUNT,BASE\}\.",
        ),
        # A background class beside each.
        (
            ["MODEL.ROI_HEADS.NUM_CLASSES", 5],
            r"box_predictor\.0\.cls_score\.bias: \(4,\) in the checkpoint, \(6,\) in the model",
            r"look at MODEL\.ROI_HEADS\.NUM_CLASSES\.",
        ),
        (
            [
                *("MODEL.COUNT_HEAD.BASE", 2, "MODEL.ROI_BOX_CASCADE_HEAD.IOUS", (0.5, 0.6, 0.7)),
                *("MODEL.ROI_BOX_CASCADE_HEAD.BBOX_REG_WEIGHTS", ((1.0, 1.0, 1.0, 1.0),) * 3),
            ],
            r"box_predictor\.2\.cls_score\.weight: not in the checkpoint",
            r"MODEL\.ROI_BOX_CASCADE_HEAD\.\{IOUS,BBOX_REG_WEIGHTS\}",
        ),
        (
            ["MODEL.BACKBONE.NAME", "build_bfp_backbone"],
            r"backbone\.refine\.g\.bias: not in the checkpoint",
            r"look at MODEL\.BFP\.",
        ),
        (["MODEL.RESNETS.DEPTH", 34], r"backbone\S+: not in the checkpoint", r"MODEL\.RESNETS"),
    ],
)
def test_weights_that_do_not_fit_name_parameters_and_config_keys(
    tiny_cfg, weights, changes, parameter, keys
):
    tiny_cfg.merge_from_list(changes)
    with pytest.raises(InputError, match=parameter) as caught:
        load_weights(build_model(tiny_cfg), weights)
    assert caught.match(keys)
    assert caught.match(weights)


@pytest.mark.parametrize(
    ("path", "message"),
    [("", r"MODEL\.WEIGHTS"), ("none.pth", r"none\.pth: no such"), ("half.pth", "cut short")],
)
def test_weights_that_are_no_checkpoint_are_named(
    tiny_cfg, weights, tmp_path, monkeypatch, path, message
):
    monkeypatch.chdir(tmp_path)
    with open(weights, "rb") as whole, open("half.pth", "wb") as half:
        half.write(whole.read()[:100_000])
    with pytest.raises(InputError, match=message):
        load_weights(build_model(tiny_cfg), path)


def test_a_slim_checkpoint_predicts_without_the_training(tiny_cfg, weights, tmp_path):
    whole = torch.load(weights)
    classes = {"names": ["a", "b", "c"], "groups": ["", "", ""], "ids": [1, 2, 3]}
    torch.save({**whole, "optimizer": {"state": 1}, "iteration": 7, "classes": classes}, weights)
    slim = tmp_path / "slim.pth"
    slim_checkpoint(weights, slim)
    assert torch.load(slim).keys() == {"model", "classes"}
    model = build_model(tiny_cfg)
    load_weights(model, str(slim))
    for name, value in model.state_dict().items():
        # Half precision has 11 significant bits; vectors are kept.
        rtol = 2**-11 if value.dim() > 1 else 0
        torch.testing.assert_close(value, whole["model"][name], rtol=rtol, atol=2**-25)


def test_weights_beyond_half_precision_are_named(weights, tmp_path):
    checkpoint = torch.load(weights)
    name = next(n for n, w in checkpoint["model"].items() if w.dim() > 1)
    checkpoint["model"][name][0] = 1e5  # the largest number of half precision is 65504
    torch.save(checkpoint, weights)
    with pytest.raises(InputError, match=name):
        slim_checkpoint(weights, tmp_path / "slim.pth")
    assert not (tmp_path / "slim.pth").exists()
