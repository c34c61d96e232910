"""Augmentation that keeps counts true; docs/augmentation.md says how."""

from .autoaugment import AutoAugment
from .color import RandomColor
from .transforms import CountAugInput
from .visibility import count_what_is_visible

__all__ = [
    "AutoAugment",
    "CountAugInput",
    "RandomColor",
    "count_what_is_visible",
]
