"""HRNet's feature pyramid on resolutions made by hand, and on timm's HRNet."""

import pytest
import torch
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone, build_backbone
from torch import nn
from torch.testing import assert_close

from locount import add_locount_config
from locount.modeling import HRFPN


class Resolutions(Backbone):
    """One channel each at strides 4 and 8, as they are given to it."""

    def output_shape(self):
        return {"res2": ShapeSpec(channels=1, stride=4), "res3": ShapeSpec(channels=1, stride=8)}

    def forward(self, features):
        return dict(zip(("res2", "res3"), features, strict=True))


def hrfpn(num_levels=3, **arguments):
    pyramid = HRFPN(
        bottom_up=Resolutions(),
        in_features=["res2", "res3"],
        out_channels=2,
        num_levels=num_levels,
        **arguments,
    )
    # The mix is the two resolutions as they are, and each level adds nothing to it.
    with torch.no_grad():
        pyramid.mix.weight.copy_(torch.eye(2)[..., None, None])
        for i, level in enumerate(pyramid.levels):
            nn.init.dirac_(level.weight)
            nn.init.constant_(level.bias, 100.0 * i)
    return pyramid


def test_levels_are_means_of_all_resolutions():
    fine = torch.arange(32.0).reshape(1, 1, 4, 8)
    # Constant along the height. Between the centers of two pixels, a quarter of their distance from
    # either, lies a quarter of their difference; before the first and after the last there is none.
    coarse = torch.tensor([0.0, 4, 8, 16]).expand(1, 1, 2, 4)
    widened = torch.tensor([0.0, 1, 3, 5, 7, 10, 14, 16])
    levels = hrfpn()([fine, coarse])
    assert_close(levels["p2"][0], torch.stack([fine[0, 0], widened.expand(4, 8)]))
    # Of rows 0 and 1, columns 0 and 1: (0 + 1 + 8 + 9) / 4. To the right 2 more, down 16 more.
    pairs = torch.tensor([[4.5, 6.5, 8.5, 10.5], [20.5, 22.5, 24.5, 26.5]])
    pooled = torch.tensor([0.5, 4, 8.5, 15]).expand(2, 4)
    assert_close(levels["p3"][0], 100 + torch.stack([pairs, pooled]))
    fours = torch.tensor([[[13.5, 17.5]], [[2.25, 11.75]]])
    assert_close(levels["p4"][0], 200 + fours)


def test_a_level_sees_the_neighbors_of_its_pixels():
    pyramid = hrfpn(num_levels=1)
    nn.init.ones_(pyramid.levels[0].weight)
    # A single 1 in each resolution of zeros: the fine one, in the middle, spreads to its 3 x 3.
    fine, coarse = torch.zeros(1, 1, 6, 6), torch.zeros(1, 1, 3, 3)
    fine[..., 2, 2] = 1
    (out,) = pyramid([fine, coarse]).values()
    expected = torch.zeros(6, 6)
    expected[1:4, 1:4] = 1
    assert_close(out[0, 0], expected)


def test_declared_shapes_and_padding():
    pyramid = hrfpn(num_levels=4)
    assert pyramid.output_shape() == {
        f"p{i}": ShapeSpec(channels=2, stride=2**i) for i in (2, 3, 4, 5)
    }
    assert pyramid.size_divisibility == 32


def test_with_normalization_the_convolutions_have_no_bias():
    pyramid = HRFPN(bottom_up=Resolutions(), in_features=["res2"], out_channels=4, norm="BN")
    for layer in (pyramid.mix, *pyramid.levels):
        assert isinstance(layer.norm, nn.BatchNorm2d)
        assert layer.bias is None


@pytest.mark.parametrize(
    ("name", "channels"),
    # HRNet's four resolutions have 18, 36, 72 and 144 channels; ResNet-18's stages 64 to 512.
    [("hrnet_w18", 18 + 36 + 72 + 144), ("resnet18", 64 + 128 + 256 + 512)],
)
def test_on_timms_networks(name, channels):
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.merge_from_list(
        [
            *("MODEL.BACKBONE.NAME", "build_timm_hrfpn_backbone"),
            *("MODEL.TIMM.NAME", name),
            *("MODEL.FPN.IN_FEATURES", ["res2", "res3", "res4", "res5"]),
            *("MODEL.FPN.OUT_CHANNELS", 8),
        ]
    )
    backbone = build_backbone(cfg)
    assert backbone.mix.in_channels == channels
    features = backbone(torch.zeros(1, 3, 64, 128))
    assert {n: tuple(f.shape[1:]) for n, f in features.items()} == {
        f"p{i}": (8, 64 // 2**i, 128 // 2**i) for i in range(2, 7)
    }
    sum(f.sum() for f in features.values()).backward()
    assert all(p.grad is not None for p in backbone.parameters() if p.requires_grad)
