import timm
import torch
from torch import nn

from locount.modeling.layers.deformable import ModulatedDeformConv2d, make_deformable


def test_untrained_it_is_half_of_the_plain_convolution():
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False)
    x = torch.rand(2, 4, 9, 7)
    # Modulation starts at sigmoid(0).
    torch.testing.assert_close(ModulatedDeformConv2d(conv)(x), 0.5 * conv(x), rtol=1e-4, atol=1e-5)


def test_a_trained_offset_moves_what_is_seen():
    conv = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.ones_(conv.weight)
    deformable = ModulatedDeformConv2d(conv)
    deformable.offset.bias.data = torch.tensor([0.0, 1.0, 100.0])  # down, right, modulation 1
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    torch.testing.assert_close(deformable(x)[..., :3], x[..., 1:])


def test_the_convolutions_of_a_stage_are_replaced_and_keep_their_weights():
    stage = timm.create_model("resnet18d").layer4
    weight = stage[1].conv2.weight
    assert make_deformable(stage) == 4
    assert stage[1].conv2.weight is weight
    assert stage(torch.rand(1, 256, 4, 4)).shape == (1, 512, 2, 2)


def test_it_runs_in_mixed_precision():
    deformable = ModulatedDeformConv2d(nn.Conv2d(2, 3, 3, padding=1))
    x = torch.rand(1, 2, 4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(deformable(x), deformable(x.double()))
        assert deformable(x.bfloat16()).dtype == torch.float32
