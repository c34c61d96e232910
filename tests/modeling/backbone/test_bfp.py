"""The balanced feature pyramid on pyramids made by hand, and in a config."""

import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.config import get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling import Backbone, build_backbone
from torch import nn
from torch.testing import assert_close

from locount import add_locount_config
from locount.errors import InputError
from locount.modeling import BalancedFeaturePyramid
from locount.modeling.backbone.bfp import NonLocalBlock


class Pyramid(Backbone):
    """Levels as they are given to it."""

    size_divisibility = 32

    def __init__(self, channels, num_levels):
        super().__init__()
        self._out_features = [f"p{i + 2}" for i in range(num_levels)]
        self._out_feature_channels = dict.fromkeys(self._out_features, channels)
        self._out_feature_strides = {name: 2 ** int(name[1:]) for name in self._out_features}

    @property
    def padding_constraints(self):
        return {"square_size": 96}

    def forward(self, levels):
        return dict(zip(self._out_features, levels, strict=True))


def slow_resize(x, height, width):
    """Of C x H x W: the nearest value, or the largest in the rows and columns of a pixel."""
    _, old_height, old_width = x.shape
    out = torch.empty(len(x), height, width)
    for i in range(height):
        for j in range(width):
            if height > old_height:
                out[:, i, j] = x[:, i * old_height // height, j * old_width // width]
            else:
                rows = slice(i * old_height // height, math.ceil((i + 1) * old_height / height))
                columns = slice(j * old_width // width, math.ceil((j + 1) * old_width / width))
                out[:, i, j] = x[:, rows, columns].amax(dim=(1, 2))
    return out


def slow_non_local(block, x):
    """Of C x H x W, position by position."""

    def embed(conv, vector):
        return conv.weight[:, :, 0, 0] @ vector + conv.bias

    positions = x.flatten(1).T
    out = []
    for p in positions:
        theta = embed(block.theta, p)
        shares = [torch.exp(theta @ embed(block.phi, q)) for q in positions]
        y = sum(s * embed(block.g, q) for s, q in zip(shares, positions, strict=True)) / sum(shares)
        out.append(p + embed(block.w_z, y))
    return torch.stack(out, dim=1).reshape(x.shape)


def randomize(block):
    for p in block.parameters():
        nn.init.normal_(p, std=0.5)


def test_non_local_block_equals_the_definition():
    block = NonLocalBlock(4)
    randomize(block)
    x = torch.randn(2, 4, 3, 5)
    with torch.no_grad():
        expected = torch.stack([slow_non_local(block, image) for image in x])
        assert_close(block(x), expected)


def test_attention_gets_tensors_that_its_fused_kernels_accept(monkeypatch):
    # They want the channels of a position side by side in memory.
    given = []
    attention = F.scaled_dot_product_attention

    def record(*tensors, **options):
        given.extend(tensors)
        return attention(*tensors, **options)

    monkeypatch.setattr(F, "scaled_dot_product_attention", record)
    NonLocalBlock(4)(torch.randn(2, 4, 3, 5))
    assert [(tuple(t.shape), t.stride(-1)) for t in given] == [((2, 15, 4), 1)] * 3


def test_non_local_block_starts_as_the_identity():
    x = torch.randn(1, 8, 4, 4)
    assert torch.equal(NonLocalBlock(8)(x), x)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_constant_levels_get_their_mean(level):
    # Levels of 1, 2 and 6: 3 is added to each.
    values, sizes = (1.0, 2.0, 6.0), ((12, 8), (6, 4), (3, 2))
    levels = [torch.full((1, 4, *size), v) for v, size in zip(values, sizes, strict=True)]
    bfp = BalancedFeaturePyramid(fpn=Pyramid(4, 3), level=level)
    for value, size, out in zip(values, sizes, bfp(levels).values(), strict=True):
        assert_close(out, torch.full((1, 4, *size), value + 3))


@pytest.mark.parametrize("level", [0, 2, 4])
@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param([(16, 16), (8, 8), (4, 4), (2, 2), (1, 1)], id="powers of two"),
        pytest.param([(24, 40), (12, 20), (6, 10), (3, 5), (2, 3)], id="any others"),
    ],
)
def test_pyramid_equals_a_slow_reference(level, sizes):
    levels = [torch.randn(1, 4, *size) for size in sizes]
    bfp = BalancedFeaturePyramid(fpn=Pyramid(4, 5), level=level)
    randomize(bfp.refine)
    with torch.no_grad():
        gathered = [slow_resize(x[0], *sizes[level]) for x in levels]
        balanced = bfp.refine(torch.stack(gathered).mean(dim=0)[None])[0]
        for x, out in zip(levels, bfp(levels).values(), strict=True):
            assert_close(out[0], x[0] + slow_resize(balanced, *x.shape[2:]))


def test_gradients_reach_every_level_and_parameter():
    bfp = BalancedFeaturePyramid(fpn=Pyramid(4, 3), level=1)
    randomize(bfp.refine)
    levels = [torch.randn(2, 4, *size, requires_grad=True) for size in ((12, 10), (6, 5), (3, 3))]
    bfp(levels)["p4"].square().sum().backward()
    # The softmax does not change when φ's bias does, so that its gradient is zero.
    for tensor in [*levels, *(p for n, p in bfp.refine.named_parameters() if n != "phi.bias")]:
        assert tensor.grad.abs().sum() > 0


def test_shapes_and_padding_are_those_of_the_fpn():
    fpn = Pyramid(4, 3)
    bfp = BalancedFeaturePyramid(fpn=fpn)
    assert bfp.output_shape() == fpn.output_shape()
    assert bfp.size_divisibility == 32
    assert bfp.padding_constraints == {"square_size": 96}


def build(name="build_bfp_backbone", **bfp):
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.merge_from_list(
        [
            *("MODEL.BACKBONE.NAME", name),
            *("MODEL.RESNETS.DEPTH", 18, "MODEL.RESNETS.RES2_OUT_CHANNELS", 64),
            *("MODEL.RESNETS.OUT_FEATURES", ["res2", "res3", "res4", "res5"]),
            *("MODEL.FPN.IN_FEATURES", ["res2", "res3", "res4", "res5"]),
            *("MODEL.FPN.OUT_CHANNELS", 8, "MODEL.TIMM.NAME", "resnet18"),
        ]
    )
    for key, value in bfp.items():
        cfg.MODEL.BFP[key] = value
    return build_backbone(cfg)


@pytest.mark.parametrize("fpn", ["build_resnet_fpn_backbone", "build_timm_fpn_backbone"])
def test_any_fpn_can_be_wrapped(fpn):
    bfp = build(FPN=fpn)
    features = bfp(torch.zeros(1, 3, 96, 160))
    assert {name: tuple(f.shape[1:]) for name, f in features.items()} == {
        "p2": (8, 24, 40),
        "p3": (8, 12, 20),
        "p4": (8, 6, 10),
        "p5": (8, 3, 5),
        "p6": (8, 2, 3),
    }
    assert bfp.output_shape()["p4"] == ShapeSpec(channels=8, stride=16)


@pytest.mark.parametrize(
    ("bfp", "message"),
    [
        ({"FPN": "build_fpn"}, 'MODEL.BFP.FPN is "build_fpn"'),
        ({"FPN": "build_bfp_backbone"}, 'MODEL.BFP.FPN is "build_bfp_backbone"'),
        ({"FPN": "build_resnet_backbone"}, "name an FPN in MODEL.BFP.FPN"),
        ({"LEVEL": 5}, r"MODEL.BFP.LEVEL is 5; .* \[0, 4\]"),
    ],
)
def test_bad_config_names_the_key(bfp, message):
    with pytest.raises(InputError, match=message):
        build(**bfp)


def load(backbone, path):
    model = nn.ModuleDict({"backbone": backbone})
    return DetectionCheckpointer(model).load(str(path))


# Names in ImageNet weights of the Caffe2 models, and of Detectron2's ResNet.
IMAGENET_NAMES = {
    "conv1_w": "stem.conv1.weight",
    "res_conv1_bn_s": "stem.conv1.norm.weight",
    "res2_0_branch2a_w": "res2.0.conv1.weight",
    "res3_0_branch1_w": "res3.0.shortcut.weight",
    "res5_1_branch2b_bn_b": "res5.1.conv2.norm.bias",
}


@pytest.mark.parametrize("caffe2", [True, False])
def test_imagenet_weights_find_the_bottom_up_network(tmp_path, caffe2):
    weights = {name: value.numpy() for name, value in build().fpn.bottom_up.state_dict().items()}
    names = IMAGENET_NAMES if caffe2 else {name: name for name in weights}
    blobs = {file_name: weights[name] + 1 for file_name, name in names.items()}
    content = {"blobs": blobs} if caffe2 else {"model": blobs, "matching_heuristics": True}
    (tmp_path / "R-18.pkl").write_bytes(pickle.dumps(content | {"__author__": "test"}))
    bfp = build()
    load(bfp, tmp_path / "R-18.pkl")
    loaded = bfp.fpn.bottom_up.state_dict()
    for file_name, name in names.items():
        assert_close(loaded[name].numpy(), blobs[file_name])


@pytest.mark.parametrize("source", ["build_resnet_fpn_backbone", "build_bfp_backbone"])
def test_weights_of_the_fpn_alone_and_of_the_whole_can_be_loaded(tmp_path, source):
    backbone = build(source)
    torch.save(
        {"model": {f"backbone.{n}": p + 1 for n, p in backbone.state_dict().items()}},
        tmp_path / "model.pth",
    )
    bfp = build()
    load(bfp, tmp_path / "model.pth")
    fpn = backbone.fpn if source == "build_bfp_backbone" else backbone
    for name, value in fpn.state_dict().items():
        assert_close(bfp.fpn.state_dict()[name], value + 1)
