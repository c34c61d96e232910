import math

import pytest
import torch
from torch import nn
from torchvision.ops import deform_conv2d

from locount.errors import InputError
from locount.modeling.one_stage.reppoints.points import (
    PointsToBoxes,
    kernel_grid,
    kernel_size,
    level_centers,
    points_of_offsets,
    scale_gradient,
)

# The corners of a square of side 4 around (1, 0).
SQUARE = [[-1.0, -2], [3, -2], [-1, 2], [3, 2]]


def test_centers_go_row_by_row_in_strides():
    expected = torch.tensor([[0.0, 0], [8, 0], [16, 0], [0, 8], [8, 8], [16, 8]])
    assert torch.equal(level_centers((2, 3), 8, torch.device("cpu")), expected)


def test_points_are_x_y_of_the_offsets_of_one_location():
    # Channel c at row i and column j is 100 c + 10 i + j. The second point of row 1, column 2 has
    # y = 212 and x = 312.
    c, i, j = torch.meshgrid(torch.arange(4), torch.arange(2), torch.arange(3), indexing="ij")
    points = points_of_offsets((100 * c + 10 * i + j)[None])
    assert points.shape == (1, 6, 2, 2)
    assert points[0, 5].tolist() == [[112, 12], [312, 212]]


@pytest.mark.parametrize("num_points", [9, 25])
def test_at_the_grid_of_the_kernel_a_deformable_convolution_is_a_plain_one(num_points):
    # Points on the grid are offsets of zero.
    side = kernel_size(num_points)
    conv = nn.Conv2d(2, 3, side, padding=side // 2)
    x = torch.randn(1, 2, 6, 7)
    points = kernel_grid(num_points)[None, :, None, None].expand(1, -1, 6, 7)
    offsets = points - kernel_grid(num_points)[:, None, None]
    ours = deform_conv2d(x, offsets, conv.weight, conv.bias, padding=side // 2)
    torch.testing.assert_close(ours, conv(x))


def test_a_deformable_convolution_reads_at_the_points():
    # All nine points of each location at (x, y) = (2, 1): with weights 1 / 9 the output is the
    # input two columns to the right and one row below.
    x = torch.randn(1, 1, 4, 5)
    at = torch.tensor([1.0, 2.0]).repeat(9)[:, None, None].expand(18, 4, 5)
    offsets = (at - kernel_grid(9)[:, None, None])[None]
    out = deform_conv2d(x, offsets, torch.full((1, 1, 3, 3), 1 / 9), padding=1)
    torch.testing.assert_close(out[..., :3, :3], x[..., 1:, 2:])


@pytest.mark.parametrize("num_points", [-9, 0, 1, 4, 10, 16])
def test_a_number_of_points_that_no_kernel_reads_is_an_error(num_points):
    with pytest.raises(InputError, match=r"MODEL\.REPPOINTS\.NUM_POINTS"):
        kernel_grid(num_points)


def test_the_box_is_mean_and_deviation():
    # Mean (1, 0); squared distances of 4 in x and in y over four points make a
    # variance of 16 / 3. Multipliers 1 at first, then e in x.
    transform = PointsToBoxes()
    d = math.sqrt(16 / 3)
    points = torch.tensor(SQUARE)
    torch.testing.assert_close(transform(points), torch.tensor([1 - d, -d, 1 + d, d]))
    transform.log_scale.data[0] = 1.0
    expected = torch.tensor([1 - d * math.e, -d, 1 + d * math.e, d])
    torch.testing.assert_close(transform(points), expected)


def test_points_in_one_place_have_a_gradient():
    points = torch.ones(3, 9, 2, requires_grad=True)
    PointsToBoxes()(points)[..., 2:].sum().backward()
    # Each of nine points moves the mean by a ninth, and the deviation not at all.
    torch.testing.assert_close(points.grad, torch.full((3, 9, 2), 1 / 9))


def test_the_multipliers_get_a_hundredth_of_their_gradient():
    # The width is 2 d exp(s), whose derivative in s is itself at s = 0; likewise the height.
    transform = PointsToBoxes()
    x1, y1, x2, y2 = transform(torch.tensor(SQUARE))
    (x2 - x1 + y2 - y1).backward()
    width = 2 * math.sqrt(16 / 3)
    torch.testing.assert_close(transform.log_scale.grad, torch.full((2,), 0.01 * width))


def test_scaled_gradient_leaves_the_value():
    x = torch.tensor(3.0, requires_grad=True)
    y = scale_gradient(x, 0.1)
    (y * 5).backward()
    torch.testing.assert_close(y.detach(), torch.tensor(3.0))
    torch.testing.assert_close(x.grad, torch.tensor(0.5))
