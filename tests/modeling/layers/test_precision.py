from collections import OrderedDict
from typing import NamedTuple

import torch
from torch import Tensor

from locount.modeling.layers.precision import to_float32

HALF, WHOLE = torch.ones(2, dtype=torch.bfloat16), torch.ones(2, dtype=torch.int64)


class Pair(NamedTuple):
    first: Tensor
    second: Tensor | None


def test_floating_point_in_any_nest_becomes_float32_and_nothing_else_changes():
    value = OrderedDict(maps=[HALF, (WHOLE, HALF)], pair=Pair(HALF, None), name="x")
    found = to_float32(value)
    assert type(found) is OrderedDict
    assert list(found) == ["maps", "pair", "name"]
    first, (whole, second) = found["maps"]
    assert first.dtype == second.dtype == found["pair"].first.dtype == torch.float32
    assert whole is WHOLE
    assert (found["pair"].second, found["name"]) == (None, "x")
