"""What a source holds although something is wrong with it, for reports on datasets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .errors import Problem


class Survey(NamedTuple):
    """A dataset as far as it is sound, and what is not.

    Attributes:
        records: Detectron2's dataset dicts, without the images and annotations that have problems.
        metadata: Detectron2's metadata, of the categories that could be read.
        problems: all that keep the dataset from being used; without any, ``records`` is all of it.
        hints: numbers beside the boxes that may be counts under another name.
    """

    records: list[dict]
    metadata: dict[str, object]
    problems: list[Problem]
    hints: Sequence[Problem] = ()
