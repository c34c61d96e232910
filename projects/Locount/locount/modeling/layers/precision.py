"""From half precision, under autocast, back to float32."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


def to_float32(value: Any) -> Any:
    """Floating point in float32: a tensor, or lists, tuples, named tuples and mappings of them.

    Anything else is as it was.
    """
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, Mapping):
        return type(value)((key, to_float32(part)) for key, part in value.items())  # type: ignore[call-arg]
    if isinstance(value, list | tuple):
        parts = map(to_float32, value)
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    return value


def outputs_to_float32(module: nn.Module, inputs: tuple, outputs: Any) -> Any:
    """A forward hook of what gives positions or scores, so that these are exact under autocast."""
    return to_float32(outputs)
