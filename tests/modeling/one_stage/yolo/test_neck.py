import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone
from torch import nn

from locount.errors import InputError
from locount.modeling.one_stage.yolo.layers import CoordConvBlock, SpatialPyramidPooling
from locount.modeling.one_stage.yolo.neck import YOLONeck


class Pools(Backbone):
    """Features of 3 channels by pooling."""

    def forward(self, x):
        return {f"res{i}": nn.functional.avg_pool2d(x, 2**i) for i in (3, 4, 5)}

    def output_shape(self):
        return {f"res{i}": ShapeSpec(channels=3, stride=2**i) for i in (3, 4, 5)}


def neck(in_features=("res3", "res4", "res5"), **options):
    return YOLONeck(bottom_up=Pools(), in_features=in_features, channels=16, **options)


@pytest.mark.parametrize("options", [{}, {"coord_conv": True, "spp": True, "drop_block": 0.1}])
def test_each_level_has_half_of_the_channels_of_the_coarser(options):
    model = neck(**options)
    outputs = model(torch.rand(2, 3, 64, 96))
    assert {name: tuple(x.shape) for name, x in outputs.items()} == {
        "p3": (2, 8, 8, 12),
        "p4": (2, 16, 4, 6),
        "p5": (2, 32, 2, 3),
    }
    assert {name: s.channels for name, s in model.output_shape().items()} == {
        name: x.shape[1] for name, x in outputs.items()
    }
    assert {name: s.stride for name, s in model.output_shape().items()} == {
        "p3": 8,
        "p4": 16,
        "p5": 32,
    }
    assert model.size_divisibility == 32


def test_a_fine_level_sees_the_coarse_ones_and_not_the_other_way_round():
    model = neck()
    for level, seen in (("p3", {"p3", "p4", "p5"}), ("p4", {"p4", "p5"}), ("p5", {"p5"})):
        model.zero_grad()
        model(torch.rand(2, 3, 64, 64))[level].square().sum().backward()
        moved = {name for name, p in model.levels.named_parameters() if p.grad is not None}
        assert {name.split(".")[0] for name in moved} == seen


@pytest.mark.parametrize("in_features", [("res3", "res5"), ("res4", "res3")])
def test_a_neck_needs_every_level_from_fine_to_coarse(in_features):
    with pytest.raises(InputError, match=r"MODEL\.YOLO\.IN_FEATURES"):
        neck(in_features)


def test_coord_conv_adds_column_and_row():
    layer = CoordConvBlock(1, 4, 1)
    layer.block = nn.Identity()
    seen = layer(torch.full((2, 1, 2, 3), 7.0))
    assert seen.shape == (2, 3, 2, 3)
    assert seen[0].tolist() == [
        [[7, 7, 7], [7, 7, 7]],
        [[-1, 0, 1], [-1, 0, 1]],
        [[-1, -1, -1], [1, 1, 1]],
    ]


def test_spatial_pyramid_pooling_sees_ever_more_of_the_surroundings():
    layer = SpatialPyramidPooling(1)
    layer.block = nn.Identity()
    x = torch.zeros(1, 1, 15, 15)
    x[..., 7, 7] = 1
    assert layer(x).sum(dim=(0, 2, 3)).tolist() == [1, 5**2, 9**2, 13**2]


def test_drop_block_is_off_outside_of_training():
    model, x = neck(drop_block=0.5), torch.rand(2, 3, 128, 128)
    first, second = (model.train()(x)["p3"] for _ in range(2))
    assert not torch.equal(first, second)
    first, second = (model.eval()(x)["p3"] for _ in range(2))
    assert torch.equal(first, second)
