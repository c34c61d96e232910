"""Augmentation that keeps counts true; docs/augmentation.md says how."""

from .aug_input import CountAugInput
from .autoaugment import AutoAugment
from .build import build_augmentations
from .color import RandomColor
from .copy_paste import CopyPaste
from .visibility import count_what_is_visible

__all__ = [
    "AutoAugment",
    "CopyPaste",
    "CountAugInput",
    "RandomColor",
    "build_augmentations",
    "count_what_is_visible",
]
