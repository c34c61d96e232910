"""Representative points of a feature map's locations: their places and the boxes that they span.

Points are written as (x, y) relative to the center of their location, in units of its stride.

Shape shorthand in this package:

    N: number of images in the minibatch
    H, W: height and width of a feature map
    L: number of feature maps (levels)
    R: number of locations, over all levels of an image
    P: number of points of a location
    M: number of ground-truth boxes in an image
    K: number of classes
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ....errors import InputError


def level_centers(size: tuple[int, int], stride: int, device: torch.device) -> Tensor:
    """Centers of the locations of an H x W feature map, row by row.

    The location of row i and column j lies at (j, i) * stride: the middle of what the convolutions
    of stride 2 and odd kernel below it see.

    Returns:
        HW x 2, (x, y) in pixels.
    """
    y, x = torch.meshgrid(*(torch.arange(s, device=device) for s in size), indexing="ij")
    return torch.stack((x, y), dim=-1).reshape(-1, 2).float() * stride


def kernel_size(num_points: int) -> int:
    """The side of the square kernel that reads P points.

    Raises:
        InputError: unless P is the square of an odd number from 3 on.
    """
    side = math.isqrt(max(num_points, 0))
    if side * side != num_points or side < 3 or side % 2 == 0:
        raise InputError(
            f"MODEL.REPPOINTS.NUM_POINTS is {num_points}; it must be the square of an odd number "
            "such as 9 or 25, since a deformable convolution reads the points."
        )
    return side


def kernel_grid(num_points: int) -> Tensor:
    """Where a plain square kernel reads, as deformable convolution writes offsets.

    Returns:
        2P numbers: y and x of each tap in turn, relative to the middle one.
    """
    side = kernel_size(num_points)
    steps = torch.arange(side, dtype=torch.float32) - side // 2
    return torch.cartesian_prod(steps, steps).flatten()


def points_of_offsets(offsets: Tensor) -> Tensor:
    """From the layout of deformable convolution to one row for each location.

    Args:
        offsets: N x 2P x H x W, y and x of each point in turn.

    Returns:
        N x HW x P x 2, (x, y).
    """
    n, channels, h, w = offsets.shape
    return offsets.permute(0, 2, 3, 1).reshape(n, h * w, channels // 2, 2).flip(-1)


def scale_gradient(x: Tensor, factor: float) -> Tensor:
    """x itself, whose gradient is multiplied by ``factor``."""
    return factor * x + (1 - factor) * x.detach()


class PointsToBoxes(nn.Module):
    """The pseudo box of P points: mean ± standard deviation times a multiplier, by axis.

    The multipliers are learned. This is the "moment" function of the paper's section 3.2.
    """

    # Of the multipliers' gradient, as the authors train: one number for all objects of all images
    # would run ahead of the points.
    GRADIENT_FACTOR = 0.01
    # Of the variance, in squared strides: the root has no gradient where all points coincide.
    EPS = 1e-6

    def __init__(self):
        super().__init__()
        # Logarithms, so that the multipliers are above 0.
        self.log_scale = nn.Parameter(torch.zeros(2))

    def forward(self, points: Tensor) -> Tensor:
        """
        Args:
            points: ... x P x 2.

        Returns:
            ... x 4, (x1, y1, x2, y2) relative to the same center and in the same unit.
        """
        mean = points.mean(dim=-2)
        deviation = (points.var(dim=-2) + self.EPS).sqrt()
        half = deviation * scale_gradient(self.log_scale, self.GRADIENT_FACTOR).exp()
        return torch.cat((mean - half, mean + half), dim=-1)
