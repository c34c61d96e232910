"""Which photos to annotate next: much to correct, unlike each other (docs/labeling.md)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, cast

import cv2
import numpy as np

from ..data.images import open_picture
from ..errors import InputError
from .inputs import Failure
from .prediction import Prediction
from .predictor import Predictor

# A photo's look: bins of a color channel, of the directions of edges, and cells of a side.
COLORS, DIRECTIONS, CELLS = 4, 8, 2
# Pixels of the picture, in height and width, that is looked at.
SIDE = 128


class Corrections(NamedTuple):
    """What an annotator is expected to correct of what counts on a photo.

    Attributes:
        boxes: how many are wrong.
        missed: how many of those that don't count are right.
        counts: how many are wrong, of boxes that are right; 0 from a model that gives no scores.
    """

    boxes: float
    missed: float
    counts: float

    @classmethod
    def expected(cls, prediction: Prediction, max_overlap: float) -> Corrections:
        """Score and count score taken for probabilities that box and count are right.

        Args:
            max_overlap: PREDICT.MAX_OVERLAP; a box inside a better one is not missed.
        """
        every = prediction.everything.without_parts(max_overlap).scores.astype(float)
        scores, counts = prediction.scores.astype(float), prediction.count_scores.astype(float)
        wrong_counts = scores @ np.nan_to_num(1 - counts)
        missed = max(every.sum() - scores.sum(), 0)
        return cls(float((1 - scores).sum()), float(missed), float(wrong_counts))

    @property
    def total(self) -> float:
        return sum(self)


class Choice(NamedTuple):
    """A photo to annotate.

    Attributes:
        index: its position.
        distance: of its look to that of the nearest photo that is annotated or was chosen before.
        nearest: position of that one, those annotated first; None if there is none.
    """

    index: int  # type: ignore[assignment]  # hides tuple's method
    distance: float
    nearest: int | None


def look(pixels: np.ndarray) -> np.ndarray:
    """What a photo (H x W x 3, uint8, BGR) looks like, as a vector.

    Its colors, and the directions of its edges in each cell, as square roots of shares: so the
    distance of two vectors is Hellinger's, from 0 to 1.
    """
    small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    bins = small.astype(int) * COLORS // 256
    colors = np.bincount(np.ravel(bins @ (COLORS**2, COLORS, 1)), minlength=COLORS**3)
    gray = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
    size, angle = cv2.cartToPolar(cv2.Sobel(gray, -1, 1, 0), cv2.Sobel(gray, -1, 0, 1))
    direction = (angle / (2 * np.pi) * DIRECTIONS).astype(int) % DIRECTIONS
    row = np.arange(SIDE) * CELLS // SIDE
    bins = (row[:, None] * CELLS + row) * DIRECTIONS + direction
    edges = np.bincount(bins.ravel(), weights=size.ravel(), minlength=CELLS**2 * DIRECTIONS)
    return np.sqrt(np.concatenate([colors / colors.sum(), edges / max(edges.sum(), 1)]) / 4)


def choose(
    corrections: Sequence[float], looks: np.ndarray, known: np.ndarray, number: int
) -> list[Choice]:
    """One photo after the other: the one whose corrections, times its distance, are the most.

    Args:
        corrections: expected of each photo, N.
        looks: of the photos, N x D.
        known: of the photos that are annotated already, K x D.
        number: of choices, at most N.
    """
    near = np.vstack([known, looks])
    distance, nearest = np.ones(len(looks)), np.full(len(looks), -1)
    left = np.ones(len(looks), bool)
    gain = np.add(corrections, 1)  # a look at the photo, as one may show what the model is blind to
    choices: list[Choice] = []
    for k in range(len(known) + number):
        if k >= len(known):
            i = int(np.argmax(np.where(left, gain * distance, -1)))
            choices.append(Choice(i, float(distance[i]), None if nearest[i] < 0 else nearest[i]))
            left[i], k = False, len(known) + i
        to_k = np.linalg.norm(looks - near[k], axis=1)
        closer = to_k < distance
        distance[closer], nearest[closer] = to_k[closer], k
    return choices


def rank(
    predictor: Predictor,
    paths: Sequence[str],
    known: Sequence[str],
    number: int,
    score: float,
    on_failure: Callable[[Failure], None],
) -> list[dict[str, Any]]:
    """The photos to annotate next, the most useful one first.

    Args:
        known: photos that are annotated.
        number: of photos that are wanted; there are fewer if too many can't be read.
        score: least score of a detection that counts.
        on_failure: gets each photo that can't be used.

    Returns:
        Of each its ``file_name``; ``wrong_boxes``, ``missed_boxes`` and ``wrong_counts`` as
        expected; ``distance`` and ``nearest``: how far it is from the most similar photo that is
        known or was named before, and which that is (None, and distance 1, where there is none).
    """
    names, expected, looks = [], [], []
    max_overlap = predictor.cfg.PREDICT.MAX_OVERLAP
    for prediction in predictor.stream(paths, on_failure=on_failure, keep_pixels=True):
        names.append(prediction.name)
        expected.append(Corrections.expected(prediction.counting(score, max_overlap), max_overlap))
        looks.append(look(cast(np.ndarray, prediction.pixels)))
    seen, seen_looks = [], []
    for path in known:
        try:
            seen_looks.append(look(open_picture(path, upright=not predictor.as_stored).pixels))
            seen.append(path)
        except InputError as error:
            on_failure(Failure.of(path, error))
    width = COLORS**3 + CELLS**2 * DIRECTIONS
    choices = choose(
        [corrections.total for corrections in expected],
        np.reshape(looks, (-1, width)),
        np.reshape(seen_looks, (-1, width)),
        min(number, len(names)),
    )
    everyone = [*seen, *names]
    return [
        {
            "file_name": names[i],
            "wrong_boxes": round(expected[i].boxes, 2),
            "missed_boxes": round(expected[i].missed, 2),
            "wrong_counts": round(expected[i].counts, 2),
            "distance": round(distance, 3),
            "nearest": None if nearest is None else everyone[nearest],
        }
        for i, distance, nearest in choices
    ]
