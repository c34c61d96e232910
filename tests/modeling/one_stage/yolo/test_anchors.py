import math

import pytest
import torch

from locount.modeling.one_stage.yolo.anchors import (
    AnchorGrid,
    Levels,
    anchor_grid,
    cell_offsets,
    decode_boxes,
    encode_boxes,
)


def test_the_grid_goes_through_levels_rows_columns_and_anchors():
    anchors = torch.tensor([[[1.0, 2], [3, 4]], [[5, 6], [7, 8]]])
    grid = anchor_grid(Levels(anchors, [8, 16], [(1, 2), (1, 1)]))
    assert grid.cells.tolist() == [[0, 0], [0, 0], [1, 0], [1, 0], [0, 0], [0, 0]]
    assert grid.strides.flatten().tolist() == [8, 8, 8, 8, 16, 16]
    assert grid.sizes.tolist() == [[1, 2], [3, 4], [1, 2], [3, 4], [5, 6], [7, 8]]


def test_offsets_reach_half_of_the_sensitivity_beyond_the_cell():
    logits = torch.tensor([-math.inf, 0.0, math.inf])
    assert cell_offsets(logits, 1.0).tolist() == [0, 0.5, 1]
    torch.testing.assert_close(cell_offsets(logits, 1.05), torch.tensor([-0.025, 0.5, 1.025]))


def test_a_box_lies_around_its_centre():
    # Column 2 and row 1 of stride 8, middle of the cell: (20, 12). 10 wide, twice 20 high.
    grid = AnchorGrid(*map(torch.tensor, ([[2.0, 1.0]], [[8.0]], [[10.0, 20.0]])))
    box = decode_boxes(torch.tensor([[0.5, 0.5]]), torch.tensor([[0.0, math.log(2)]]), grid)
    torch.testing.assert_close(box, torch.tensor([[15.0, -8, 25, 32]]))


def test_boxes_of_an_untrained_network_are_finite():
    grid = AnchorGrid(*map(torch.tensor, ([[0.0, 0.0]], [[8.0]], [[16.0, 16.0]])))
    box = decode_boxes(torch.zeros(1, 2), torch.full((1, 2), 1e4), grid)
    torch.testing.assert_close(box, torch.tensor([[-500.0, -500, 500, 500]]))  # 1000 / 16 times 16


@pytest.mark.parametrize("scale_xy", [1.0, 1.05])
def test_decoding_is_the_inverse_of_encoding(scale_xy):
    grid = anchor_grid(Levels(torch.tensor([[[10.0, 20], [40, 30]]]), [8], [(3, 4)]))
    centres = (grid.cells + torch.rand(24, 2).clamp(0.01, 0.99)) * 8
    halves = 1 + 40 * torch.rand(24, 2)
    boxes = torch.cat([centres - halves, centres + halves], dim=1)
    offsets, log_scales = encode_boxes(boxes, grid)
    logits = ((offsets + (scale_xy - 1) / 2) / scale_xy).logit()
    decoded = decode_boxes(cell_offsets(logits, scale_xy), log_scales, grid)
    torch.testing.assert_close(decoded, boxes, rtol=1e-4, atol=1e-3)
