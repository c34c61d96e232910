"""Whether a shelf is as planned: planograms, and photos before and after.

Rows are aligned with rows and, in a pair of rows, facings with facings, so that most facings match
(:mod:`.alignment`). A place is the facings of one category side by side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .alignment import align
from .plan import Place, runs_of
from .shelf_photo import ShelfPhoto

STATUSES = ("right", "wrong number", "missing", "misplaced", "surplus")
RIGHT, NUMBER, MISSING, MISPLACED, SURPLUS = STATUSES


class Finding(NamedTuple):
    """What became of a place of the plan, or what is where none is planned.

    Attributes:
        status: one of STATUSES.
        planned: the place of the plan; None of what is surplus.
        found: facings that there are.
        seen: where they are, as the photo's own place; None of what is missing.
    """

    status: str
    planned: Place | None
    found: int
    seen: Place | None

    def row(self, photo: str) -> dict[str, Any]:
        """COLUMNS."""
        place = self.planned or self.seen
        planned, seen = self.planned, self.seen
        return {
            "photo": photo,
            "status": self.status,
            "row": planned and planned.row,
            "position": planned and planned.position,
            "category": place and place.category,
            "planned": planned.facings if planned else 0,
            "tolerance": planned.tolerance if planned else 0,
            "found": self.found,
            "found_row": seen and seen.row,
            "found_position": seen and seen.position,
        }


COLUMNS = (
    *("photo", "status", "row", "position", "category", "planned", "tolerance", "found"),
    *("found_row", "found_position"),
)


class Check(NamedTuple):
    """
    Attributes:
        photo: what was checked.
        findings: of each place of the plan, in its order, then what is surplus.
        distance: facings of plan and photo that match none of the other.
        marked: the status of each place of the photo, and its boxes.
    """

    photo: ShelfPhoto
    findings: list[Finding]
    distance: int
    marked: list[tuple[str, list[int]]]

    @property
    def share(self) -> float:
        """The share of the plan's places that are right."""
        numbers = self.numbers
        planned = sum(numbers.values()) - numbers[SURPLUS]
        return numbers[RIGHT] / planned if planned else 1.0

    @property
    def numbers(self) -> dict[str, int]:
        """How many findings have each status."""
        numbers = Counter(finding.status for finding in self.findings)
        return {status: numbers[status] for status in STATUSES}

    def table(self) -> list[dict[str, Any]]:
        """COLUMNS."""
        return [finding.row(self.photo.name) for finding in self.findings]


def check_plan(plan: Sequence[Place], photo: ShelfPhoto) -> Check:
    """Compare a photo with a plan.

    * right: the planned facings are there, give or take the tolerance;
    * wrong number: some are there, too few or too many;
    * missing: none is there;
    * misplaced: none is there, but as a run that matches no place, the nearest row and position
      first;
    * surplus: a run that is in no planned place.

    Each facing is in one finding. Those of a run that match none belong to the place that most of
    the run match, so that a run which is too long is a wrong number; and those of a run that is
    taken for misplaced ones, to the one that takes most of it.
    """
    runs = runs_of(photo)
    seen = [place for place, _ in runs]
    lengths = np.array([place.facings for place in seen], int)
    matches, distance = _match(plan, seen)
    found = matches.copy()  # plan's places x photo's places
    statuses = []
    for place, own in zip(plan, found, strict=True):
        if own.any() or place.facings <= place.tolerance:
            statuses.append(RIGHT)
            continue
        free = np.where(matches.any(axis=0), 0, lengths - found.sum(axis=0))
        others = [j for j in np.flatnonzero(free) if seen[j].category == place.category]
        if others:
            nearest = min(others, key=lambda j: (*_apart(place, seen[j]), j))
            own[nearest] = min(place.facings, free[nearest])
        statuses.append(MISPLACED if others else MISSING)
    for of_run, length in zip(found.T, lengths, strict=True):
        if of_run.any():
            of_run[of_run.argmax()] += length - of_run.sum()
    findings = []
    for i, (place, own) in enumerate(zip(plan, found, strict=True)):
        if statuses[i] == RIGHT and abs(place.facings - own.sum()) > place.tolerance:
            statuses[i] = NUMBER
        where = seen[own.argmax()] if own.any() else None
        findings.append(Finding(statuses[i], place, int(own.sum()), where))
    marked = []
    for (place, boxes), of_run in zip(runs, found.T, strict=True):
        of_places = {statuses[i] for i in np.flatnonzero(of_run)}
        if not of_places:
            findings.append(Finding(SURPLUS, None, place.facings, place))
        # Of places that one run is, what is wrong is shown.
        marked.append((max(of_places or {SURPLUS}, key=STATUSES.index), boxes))
    return Check(photo, findings, distance, marked)


def typical(photos: Sequence[ShelfPhoto]) -> ShelfPhoto:
    """Of photos of one shelf the one that differs least from all others, the first of several."""
    plans = [[place for place, _ in runs_of(photo)] for photo in photos]
    distances = [sum(_match(plan, other)[1] for other in plans) for plan in plans]
    return photos[int(np.argmin(distances))]


def _apart(one: Place, other: Place) -> tuple[int, int]:
    return abs(one.row - other.row), abs(one.position - other.position)


def _match(plan: Sequence[Place], seen: Sequence[Place]) -> tuple[np.ndarray, int]:
    """How many facings of each place of one match each place of the other, and how many none."""
    matches = np.zeros((len(plan), len(seen)), int)
    first, second = _facings_by_row(plan), _facings_by_row(seen)
    paired = [[_align_facings(plan, a, seen, b) for b in second] for a in first]
    costs = np.array([[cost for cost, _ in row] for row in paired]).reshape(len(first), len(second))
    total, steps = align([*map(len, first)], [*map(len, second)], costs)
    for i, j in steps:
        if i is not None and j is not None:
            for a, b in paired[i][j][1]:
                matches[a, b] += 1
    return matches, int(total)


def _facings_by_row(places: Sequence[Place]) -> list[list[int]]:
    """Of each row, the place in the list of each of its facings."""
    rows: dict[int, list[int]] = {}
    for i, place in enumerate(places):
        rows.setdefault(place.row, []).extend([i] * place.facings)
    return [rows[row] for row in sorted(rows)]


def _align_facings(
    plan: Sequence[Place], first: list[int], seen: Sequence[Place], second: list[int]
) -> tuple[float, list[tuple[int, int]]]:
    """The facings of two rows that match none, and the places of those that match."""
    one = np.array([plan[i].category for i in first])
    other = np.array([seen[j].category for j in second])
    # What differs never is a pair: its cost is that of leaving out both, and a bit.
    pair = np.where(one[:, None] == other[None], 0.0, 2.5)
    cost, steps = align([1.0] * len(first), [1.0] * len(second), pair)
    pairs = [(first[i], second[j]) for i, j in steps if i is not None and j is not None]
    return cost, pairs
