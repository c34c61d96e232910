"""Annotation formats: each is read through a source, and written from one :class:`Dataset`."""

from .base import Reading, Source, Survey
from .convert import convert
from .dataset import Dataset, Split
from .limits import LOSSES
from .registry import FORMATS

__all__ = ["convert", "Dataset", "Split", "Reading", "Source", "Survey", "FORMATS", "LOSSES"]
