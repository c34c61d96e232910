"""Calibration from ground truth and detections of the same photos."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..evaluation.analysis.image_counts import ImageCounts
from ..evaluation.analysis.pairs import blind_matches
from ..evaluation.annotations import Detections, GroundTruth
from ..evaluation.api import match
from ..evaluation.parts import without_parts
from .calibration import SIZES, Calibration, Intervals, size_of
from .conformal import DEFAULT_LEVEL, Quantiles, Spread, photos_needed
from .isotonic import Isotonic

# Photos on which a category must have been found to have errors of its own.
ENOUGH_PHOTOS = 30
# Measuring photos that are enough for DEFAULT_LEVEL, of one size and of a kind of numbers.
ENOUGH_OF_SIZE = photos_needed(DEFAULT_LEVEL)
# Of the unit of errors, see Spread.
POWER = 0.5


@dataclass(frozen=True)
class Numbers:
    """N predicted numbers and the true ones.

    Attributes:
        photo, category: places in the ground truth's ids.
        totals: predicted, of each one's photo.
    """

    photo: np.ndarray
    category: np.ndarray
    predicted: np.ndarray
    true: np.ndarray
    totals: np.ndarray

    def where(self, kept: np.ndarray) -> Numbers:
        return Numbers(**{name: values[kept] for name, values in vars(self).items()})


def joined(
    sets: Iterable[tuple[GroundTruth, Detections]],
) -> tuple[GroundTruth, Detections]:
    """Several sets of photos as one; images are numbered anew.

    Raises:
        InputError: if the sets have other categories.
    """
    sets = list(sets)
    first = sets[0][0]
    for gt, _ in sets[1:]:
        if (gt.category_ids.tolist(), gt.category_names) != (
            first.category_ids.tolist(),
            first.category_names,
        ):
            raise InputError(
                f"the sets have different categories, {', '.join(first.category_names)} and "
                f"{', '.join(gt.category_names)}: calibrate on sets of one model's categories"
            )
    starts = np.cumsum([0, *(len(gt.image_ids) for gt, _ in sets)]).tolist()

    def join(parts: list, names: Iterable[str]) -> dict[str, np.ndarray]:
        columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in names}
        images = [p.image + start for p, start in zip(parts, starts, strict=False)]
        return columns | {"image": np.concatenate(images).astype(np.int32)}

    shared = ("category", "boxes", "counts")
    return (
        GroundTruth(
            **join([gt for gt, _ in sets], (*shared, "areas", "crowd")),
            image_ids=np.arange(starts[-1]),
            category_ids=first.category_ids,
            category_names=first.category_names,
        ),
        Detections(**join([dt for _, dt in sets], (*shared, "scores"))),
    )


def calibrate(
    gt: GroundTruth,
    dt: Detections,
    *,
    score: float | None = None,
    max_overlap: float = 1.0,
    source: str,
) -> Calibration:
    """Learn a calibration from photos that the model was not trained on.

    Every other photo, in the order of their ids, chooses the score and the unit of errors; the
    other half measures errors by them, which keeps these exchangeable with those of new photos.
    The probability of a score is learnt from all. Photos of one size have errors and probabilities
    of their own where they are enough for DEFAULT_LEVEL, so that a mix of near and far photos does
    not make intervals too wide for the ones and too narrow for the others.

    Args:
        dt: with low scores too.
        score: from which on detections count; by default that of least error of the totals.
        max_overlap: as for :func:`without_parts`.
        source: where the detections are from, for messages.

    Raises:
        InputError: if the photos are too few for DEFAULT_LEVEL, or no score is good.
    """
    half = np.arange(len(gt.image_ids)) % 2
    if (measuring := int((half == 1).sum())) < photos_needed(DEFAULT_LEVEL):
        raise InputError(
            f"{len(half)} photos are too few to calibrate, as half of them choose and {measuring} "
            f"measure: an interval at {DEFAULT_LEVEL:g} takes {photos_needed(DEFAULT_LEVEL)}, so "
            f"give {2 * photos_needed(DEFAULT_LEVEL)} photos or more"
        )
    dt = without_parts(dt, max_overlap)
    if score is None:
        counts = ImageCounts.of(gt, dt, items=True)
        score = counts.of_images(half == 0).fitted_threshold(source)
    elif not len(dt):
        raise InputError(f"{source} has no detections: predict with a lower PREDICT.SCORE")
    kept = dt.take(np.flatnonzero(dt.scores >= score))
    boxes = _intervals(found_boxes(gt, kept), gt, half)
    categories = None
    if len(gt.category_ids) > 1:
        categories = _intervals(category_totals(gt, kept), gt, half)
        if categories.everywhere.photos < ENOUGH_OF_SIZE:
            raise InputError(
                f"{source}: something was found on only {categories.everywhere.photos} of the "
                f"photos that measure, and {ENOUGH_OF_SIZE} are needed: give more photos, or a "
                "lower score"
            )
    scores, on_object, images = hits(gt, dt)
    sizes = size_of(_predicted_totals(gt, kept))[images]
    many = [s for s in np.unique(sizes) if len(np.unique(images[sizes == s])) >= ENOUGH_OF_SIZE]
    return Calibration(
        score=score,
        max_overlap=max_overlap,
        probability=Isotonic.fit(scores, on_object),
        probability_by_size={
            int(s): Isotonic.fit(scores[sizes == s], on_object[sizes == s]) for s in many
        },
        totals=_intervals(photo_totals(gt, kept), gt, half),
        categories=categories,
        boxes=boxes if boxes.everywhere.photos >= ENOUGH_OF_SIZE else None,
    )


def hits(gt: GroundTruth, dt: Detections) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, whether each detection is on an object, and the place of its photo: (D,) each."""
    matcher = match(gt, dt, max(1, len(dt)))
    on_object = np.zeros(len(dt))
    on_object[blind_matches(matcher, max_dets=max(1, len(dt))).dt] = 1
    return matcher.dt.scores, on_object, matcher.dt.image


def photo_totals(gt: GroundTruth, dt: Detections) -> Numbers:
    """Of each photo, the items of all categories."""
    counts = ImageCounts.of(gt, dt, items=True)
    photo = np.arange(len(gt.image_ids))
    predicted = counts.predicted(-np.inf)
    return Numbers(photo, np.zeros_like(photo), predicted, counts.true, predicted)


def _predicted_totals(gt: GroundTruth, dt: Detections) -> np.ndarray:
    return np.bincount(dt.image, dt.counts, len(gt.image_ids))


def category_totals(gt: GroundTruth, dt: Detections) -> Numbers:
    """Of each photo, the items of each category that was found on it."""
    shape = len(gt.image_ids), len(gt.category_ids)
    objects = gt.take(np.flatnonzero(~gt.crowd))
    true, predicted = np.zeros(shape), np.zeros(shape)
    np.add.at(true, (objects.image, objects.category), objects.counts)
    np.add.at(predicted, (dt.image, dt.category), dt.counts)
    photo, category = np.nonzero(predicted)
    numbers = predicted[photo, category], true[photo, category]
    return Numbers(photo, category, *numbers, predicted.sum(axis=1)[photo])


def found_boxes(gt: GroundTruth, dt: Detections) -> Numbers:
    """Of each detection that is on an object (IoU 0.5), the counts."""
    matcher = match(gt, dt, max(1, len(dt)))
    matches = blind_matches(matcher, max_dets=max(1, len(dt)))
    detections, objects = matcher.dt.take(matches.dt), matcher.gt.take(matches.gt)
    return Numbers(
        detections.image,
        detections.category,
        detections.counts.astype(float),
        objects.counts,
        _predicted_totals(gt, dt)[detections.image],
    )


def _intervals(numbers: Numbers, gt: GroundTruth, half: np.ndarray) -> Intervals:
    """
    Args:
        half: of each photo, 0 where it chooses and 1 where it measures.
    """
    choosing, measuring = (numbers.where(half[numbers.photo] == h) for h in (0, 1))
    spread = Spread.fit(choosing.predicted, choosing.true, POWER)
    errors = spread.errors(measuring.predicted, measuring.true)

    def by(keys: np.ndarray) -> dict[int, Quantiles]:
        return {
            key: Quantiles.of(errors[keys == key], measuring.photo[keys == key])
            for key in np.unique(keys).tolist()
        }

    by_category = by(gt.category_ids[measuring.category]) if len(gt.category_ids) > 1 else {}
    sizes = size_of(measuring.totals)
    joined_to = _joined_sizes(sizes, measuring.photo)
    by_joined = by(joined_to[sizes]) if joined_to.any() else {}
    return Intervals(
        spread,
        Quantiles.of(errors, measuring.photo),
        by_category={i: q for i, q in by_category.items() if q.photos >= ENOUGH_PHOTOS},
        by_size={size: by_joined[int(s)] for size, s in enumerate(joined_to) if s in by_joined},
    )


def _joined_sizes(sizes: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """Of each size, the one that it is taken together with, so that all have ENOUGH_OF_SIZE photos.

    From the largest on, too few join the next smaller ones; the smallest ones join those above. 0
    everywhere if that leaves one.

    Args:
        sizes, photo: of N numbers.
    """
    numbers = np.array([len(np.unique(photo[sizes == s])) for s in range(len(SIZES) + 1)])
    joined_to, first = np.zeros(len(numbers), np.int64), len(numbers)
    for size in reversed(range(len(numbers))):
        if numbers[size:first].sum() >= ENOUGH_OF_SIZE:
            joined_to[size:first] = size
            first = size
    joined_to[:first] = joined_to[first] if first < len(numbers) else 0
    return joined_to if len(np.unique(joined_to)) > 1 else np.zeros_like(joined_to)
