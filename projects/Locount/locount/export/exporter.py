"""Models as files that run without this package, and how near they are to the original."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import torch

from ..files import write_bytes
from .formats import Run, check_exportable, to_bytes
from .tracing import Detector

if TYPE_CHECKING:
    from ..inference import Predictor

# In pixels, and of scores. Far above what another order of sums does, far below what matters.
BOX_TOLERANCE = 1e-2
SCORE_TOLERANCE = 1e-4


class Difference(NamedTuple):
    """How far an exported model is from the original on one image.

    Attributes:
        detections, exported: how many each gives.
        box: the largest difference of a coordinate, in pixels.
        score: the largest difference of a score, of boxes and counts alike.
        counts: how many boxes have another count.
    """

    detections: int
    exported: int
    box: float = 0.0
    score: float = 0.0
    counts: int = 0

    @property
    def negligible(self) -> bool:
        return (
            self.detections == self.exported
            and self.box <= BOX_TOLERANCE
            and self.score <= SCORE_TOLERANCE
            and self.counts == 0
        )


def export(predictor: Predictor, path: Path, format: str, image: np.ndarray) -> None:
    """Write a model for images of any size.

    Args:
        predictor: on the CPU.
        format: one of FORMATS.
        image: H x W x 3, uint8, BGR. What is on it does not matter.

    Raises:
        InputError: if the model can't be exported; it names the part.
        OSError: if the file can't be written.
    """
    check_exportable(predictor.cfg)
    content = to_bytes(predictor.model, predictor.prepare(image), format, describe(predictor))
    write_bytes(path, content)


def describe(predictor: Predictor) -> dict[str, str]:
    """What the user of the file has to know, for its metadata."""
    inputs, classes = predictor.cfg.INPUT, predictor.classes
    return {
        "classes": msgspec.json.encode(classes.names).decode(),
        "class_ids": msgspec.json.encode(classes.ids).decode(),
        "input_format": inputs.FORMAT,
        "min_size": str(inputs.MIN_SIZE_TEST),
        "max_size": str(inputs.MAX_SIZE_TEST),
    }


def compare(predictor: Predictor, run: Run, image: np.ndarray) -> Difference:
    """The exported model beside the original.

    Args:
        image: H x W x 3, uint8, BGR.
    """
    tensor = predictor.prepare(image)
    with torch.no_grad():
        original = [output.numpy() for output in Detector(predictor.model)(tensor)]
    return difference(original, run(tensor.numpy()))


def difference(original: Sequence[np.ndarray], exported: Sequence[np.ndarray]) -> Difference:
    """How far an exported file is from its model.

    Args:
        original, exported: outputs in the order of OUTPUTS.
    """
    n, m = len(original[0]), len(exported[0])
    if n != m or n == 0:
        return Difference(n, m)
    # Not row by row, since the least difference of scores may swap neighbors: each has the nearest
    # box of its class as its pair.
    apart = np.abs(original[0][:, None] - exported[0][None]).max(axis=2)
    apart[original[2][:, None] != exported[2][None]] = np.inf
    nearest = apart.argmin(axis=1)
    if len(np.unique(nearest)) < n:
        return Difference(n, m, box=np.inf)
    pairs = [(a, b[nearest]) for a, b in zip(original, exported, strict=True)]
    return Difference(
        n,
        m,
        box=float(apart.min(axis=1).max()),
        score=max(float(np.abs(a - b).max()) for a, b in [pairs[1], *pairs[4:]]),
        counts=sum(int((a != b).sum()) for a, b in pairs[3:4]),
    )
