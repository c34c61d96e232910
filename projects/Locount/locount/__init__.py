"""Localization and counting of products on shelf photos: the Locount task and CLCNet on
Detectron2."""

from . import modeling as _  # noqa: F401, registers the ROI heads
from .config import add_locount_config

__all__ = ["add_locount_config"]
