"""timm's networks as Detectron2 backbones, and the FPN on them."""

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
        ({"name": "resnet18", "out_features": ["res2"], "norm": "GN"}, "MODEL.TIMM.NORM is 'GN'"),
    ],
)
def test_bad_config_names_the_key(arguments, message):
    with pytest.raises(InputError, match=message):
        TimmBackbone(**arguments)
