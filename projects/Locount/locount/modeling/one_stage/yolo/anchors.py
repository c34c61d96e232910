"""Where the predictions of YOLO lie, and boxes as they are predicted.

Shape shorthand of this package:

    N: images
    L: levels of the feature pyramid, from fine to coarse
    A: anchors per cell
    R: predictions per image: sum over the levels of H_l x W_l x A
    M: objects of an image
    K: classes
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

# As in Detectron2's box regression: no box is predicted more than 62.5 times as large as its
# anchor, so that the exponential of an untrained network stays finite.
MAX_LOG_SCALE = math.log(1000 / 16)


class Levels(NamedTuple):
    """The feature maps that predict.

    Attributes:
        anchors: L x A x 2, widths and heights in pixels.
        strides: L.
        shapes: L, height and width of each map.
    """

    anchors: Tensor
    strides: Sequence[int]
    shapes: Sequence[Sequence[int]]


class AnchorGrid(NamedTuple):
    """The anchor of each prediction: level by level, in it row by row, in a cell anchor by anchor.

    Attributes:
        cells: R x 2, column and row.
        strides: R x 1, pixels from cell to cell.
        sizes: R x 2, width and height in pixels.
    """

    cells: Tensor
    strides: Tensor
    sizes: Tensor


def anchor_grid(levels: Levels) -> AnchorGrid:
    """The :class:`AnchorGrid` of feature maps."""
    cells, strides, sizes = [], [], []
    for anchors, stride, shape in zip(*levels, strict=True):
        sides = (torch.arange(side, device=anchors.device, dtype=anchors.dtype) for side in shape)
        rows, columns = torch.meshgrid(*sides, indexing="ij")
        level_cells = torch.stack([columns, rows], dim=-1).reshape(-1, 2)
        cells.append(level_cells.repeat_interleave(len(anchors), dim=0))
        sizes.append(anchors.repeat(level_cells.shape[0], 1))
        strides.append(torch.full_like(sizes[-1][:, :1], stride))
    return AnchorGrid(torch.cat(cells), torch.cat(strides), torch.cat(sizes))


def cell_offsets(logits: Tensor, scale_xy: float) -> Tensor:
    """Where in its cell a box has its center, 0 at the left or upper edge and 1 at the other.

    Args:
        logits: any shape.
        scale_xy: ≥ 1. With 1 the edges themselves, as targets common, are out of reach of the
            sigmoid; above 1 ("grid sensitivity") it reaches beyond them by (scale_xy - 1) / 2.
    """
    return scale_xy * logits.sigmoid() - (scale_xy - 1) / 2


def decode_boxes(offsets: Tensor, log_scales: Tensor, grid: AnchorGrid) -> Tensor:
    """Boxes from where in the cell they are and how much larger than their anchor.

    Args:
        offsets: ... x R x 2, of :func:`cell_offsets`.
        log_scales: ... x R x 2, natural logarithms of width and height over the anchor's.

    Returns:
        ... x R x 4, XYXY in pixels.
    """
    centers = (grid.cells + offsets) * grid.strides
    halves = grid.sizes * log_scales.clamp(max=MAX_LOG_SCALE).exp() / 2
    return torch.cat([centers - halves, centers + halves], dim=-1)


def encode_boxes(boxes: Tensor, grid: AnchorGrid) -> tuple[Tensor, Tensor]:
    """The inverse of :func:`decode_boxes`.

    Args:
        boxes: R x 4, XYXY in pixels, of positive width and height.

    Returns:
        Offsets and logarithms of scales, R x 2 each.
    """
    upper_left, lower_right = boxes.split(2, dim=-1)
    offsets = (upper_left + lower_right) / 2 / grid.strides - grid.cells
    return offsets, ((lower_right - upper_left) / grid.sizes).log()
