"""Annotation formats: each is read into, and written from, one :class:`Dataset`."""

from .convert import convert
from .dataset import Dataset, Split
from .limits import LOSSES
from .registry import FORMATS

__all__ = ["convert", "Dataset", "Split", "FORMATS", "LOSSES"]
