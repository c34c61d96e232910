"""timm's networks as Detectron2 backbones, and the FPN on them."""

import copy

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling import build_backbone
from torch import nn

from locount import add_locount_config
from locount.errors import InputError
from locount.modeling import TimmBackbone


def test_features_are_named_by_their_stride_and_have_the_declared_shape():
    backbone = TimmBackbone(name="resnet18", out_features=["res4", "res2"])
    # ResNet-18: 64 channels at stride 4, doubled where the stride doubles.
    assert backbone.output_shape() == {
        "res2": ShapeSpec(channels=64, stride=4),
        "res4": ShapeSpec(channels=256, stride=16),
    }
    features = backbone(torch.zeros(2, 3, 64, 32))
    assert {name: tuple(f.shape) for name, f in features.items()} == {
        "res2": (2, 64, 16, 8),
        "res4": (2, 256, 4, 2),
    }


def test_layers_behind_the_last_feature_are_not_built():
    def size(*out_features):
        model = TimmBackbone(name="resnet18", out_features=out_features)
        return sum(p.numel() for p in model.parameters())

    # The last stage: convolutions of 3x3 with 256 * 512 and thrice 512 * 512 weights, one of 1x1
    # with 256 * 512, and five batch norms of 2 * 512.
    last_stage = 9 * (256 * 512 + 3 * 512 * 512) + 256 * 512 + 5 * 2 * 512
    assert size("res5") - size("res4") == last_stage


# DarkNet's batch norms include an activation.
@pytest.mark.parametrize("name", ["resnet18", "darknet53"])
def test_frozen_batch_norm(name):
    normal = TimmBackbone(name=name, out_features=["res3"]).eval()
    frozen = TimmBackbone(name=name, out_features=["res3"], norm="FrozenBN").train()
    assert not any(isinstance(m, nn.BatchNorm2d) for m in frozen.modules())
    assert sum(p.requires_grad for p in frozen.parameters()) < len(list(normal.parameters()))
    frozen.load_state_dict(normal.state_dict())
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(frozen(images), normal(images))


# The blocks of each feature's stage: timm builds all of an EfficientNet's.
@pytest.mark.parametrize(("feature", "stages"), [("res2", 2), ("res4", 5), ("res5", 7)])
def test_stages_of_an_efficientnet_behind_the_last_feature_are_not_built(feature, stages):
    backbone = TimmBackbone(name="tf_efficientnet_lite0", out_features=[feature])
    assert len(backbone.model.blocks) == stages
    assert backbone(torch.zeros(1, 3, 64, 64))[feature].shape[1:] == (
        backbone.output_shape()[feature].channels,
        *(64 // backbone.output_shape()[feature].stride,) * 2,
    )


@pytest.mark.parametrize(
    ("name", "freeze_at", "frozen"),
    [
        ("resnet18", 0, ()),
        ("resnet18", 1, ("conv1", "bn1")),
        ("resnet18", 2, ("conv1", "bn1", "layer1")),
        ("darknet53", 1, ("stem_conv1", "stages_0")),
        ("tf_efficientnet_lite0", 2, ("conv_stem", "bn1", "blocks.0", "blocks.1")),
        ("hrnet_w18_small", 2, ("conv1", "bn1", "conv2", "bn2", "layer1")),
    ],
)
def test_freezing_ends_at_a_feature(name, freeze_at, frozen):
    backbone = TimmBackbone(name=name, out_features=["res3"], freeze_at=freeze_at)
    expected = tuple(f"{layer}." for layer in frozen)
    parameters = dict(backbone.model.named_parameters())
    assert {n for n, p in parameters.items() if not p.requires_grad} == {
        n for n in parameters if n.startswith(expected)
    }


@pytest.mark.parametrize("norm", ["BN", "SyncBN"])
def test_a_copy_of_a_backbone_in_training_keeps_the_statistics_of_frozen_layers(norm):
    arguments = {"name": "resnet18", "out_features": ["res3"], "norm": norm}
    # A copy, as averaged weights make one.
    backbone = copy.deepcopy(TimmBackbone(**arguments, freeze_at=2)).train()
    before = {name: value.clone() for name, value in backbone.model.state_dict().items()}
    backbone(torch.rand(2, 3, 32, 32))
    changed = {n for n, v in backbone.model.state_dict().items() if not torch.equal(v, before[n])}
    assert changed == {n for n in before if "layer2" in n and ("running" in n or "num_" in n)}
    assert before.keys() == TimmBackbone(**arguments).model.state_dict().keys()


# DarkNet's batch norms include an activation.
@pytest.mark.parametrize("name", ["resnet18", "darknet53"])
def test_shared_batch_norm(name):
    normal = TimmBackbone(name=name, out_features=["res3"]).eval()
    shared = TimmBackbone(name=name, out_features=["res3"], norm="SyncBN").eval()
    batch_norms = [m for m in shared.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    assert batch_norms
    assert all(isinstance(m, nn.SyncBatchNorm) for m in batch_norms)
    shared.load_state_dict(normal.state_dict())
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(shared(images), normal(images))


def small_fpn(name, in_features):
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.merge_from_list(
        [
            *("MODEL.BACKBONE.NAME", name),
            *("MODEL.TIMM.NAME", "resnet18"),
            *("MODEL.FPN.IN_FEATURES", in_features),
            *("MODEL.FPN.OUT_CHANNELS", 8),
        ]
    )
    return build_backbone(cfg)


def test_an_fpn_pools_one_more_level_from_its_last():
    fpn = small_fpn("build_timm_fpn_backbone", ["res3", "res4"])
    features = fpn(torch.zeros(1, 3, 64, 64))
    assert {name: tuple(f.shape[1:]) for name, f in features.items()} == {
        "p3": (8, 8, 8),
        "p4": (8, 4, 4),
        "p5": (8, 2, 2),
    }


@pytest.mark.parametrize("in_features", [["res3", "res4", "res5"], ["res2", "res3", "res4"]])
def test_retinanets_fpn_has_two_more_levels_behind_its_last(in_features):
    fpn = small_fpn("build_timm_retinanet_fpn_backbone", in_features)
    first = int(in_features[0][-1])
    levels = range(first, first + 5)
    assert {name: s.stride for name, s in fpn.output_shape().items()} == {
        f"p{i}": 2**i for i in levels
    }
    features = fpn(torch.zeros(1, 3, 128, 128))
    assert {name: tuple(f.shape[1:]) for name, f in features.items()} == {
        f"p{i}": (8, 128 // 2**i, 128 // 2**i) for i in levels
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet1", "out_features": ["res2"]}, "MODEL.TIMM.NAME is 'resnet1'"),
        ({"name": "resnet18", "out_features": ["res2", "res6"]}, "has no feature res6"),
        ({"name": "resnet18", "out_features": ["res2"], "freeze_at": 7}, "FREEZE_AT is 7"),
        ({"name": "resnet18", "out_features": ["res2"], "freeze_at": -1}, "FREEZE_AT is -1"),
        ({"name": "hrnet_w18_small", "out_features": ["res3"], "freeze_at": 3}, "FREEZE_AT is 3"),
    ],
)
def test_bad_config_names_the_key(arguments, message):
    with pytest.raises(InputError, match=message):
        TimmBackbone(**arguments)
