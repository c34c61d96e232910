"""What the inspection of datasets finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...errors import Problem

# What can be found, and how bad it is. "error": the data can't be used, or the figures of an
# evaluation would be wrong. "warning": somebody should look.
SEVERITIES = {
    "unusable": "error",
    "unreadable image": "error",
    "image size": "error",
    "image in two datasets": "error",
    "repeated image": "warning",
    "number that is not a count": "warning",
    "similar image in two datasets": "warning",
    "EXIF orientation": "warning",
    "repeated box": "warning",
    "near-duplicate box": "warning",
    "two categories in one place": "warning",
    "small box": "warning",
    "large box": "warning",
    "narrow box": "warning",
}

COLUMNS = ("dataset", "severity", "kind", "file", "line", "text")


class Finding(NamedTuple):
    """A problem of a dataset.

    Attributes:
        dataset: its name.
        kind: one of the keys of ``SEVERITIES``.
        problem: where, what, and how to mend it.
    """

    dataset: str
    kind: str
    problem: Problem

    @property
    def severity(self) -> str:
        return SEVERITIES[self.kind]

    def as_dict(self) -> dict[str, str | int | None]:
        """With the keys of ``COLUMNS``."""
        values = (self.dataset, self.severity, self.kind, *self.problem)
        return dict(zip(COLUMNS, values, strict=True))


class Dataset(NamedTuple):
    """A dataset under inspection: its name, and its records and classes as far as they are sound.

    Attributes:
        groups: of each class; empty if they have none.
    """

    name: str
    records: list[dict]
    classes: Sequence[str]
    groups: Sequence[str]


def annotation_problem(record: dict, index: int, text: str) -> Problem:
    """A problem of the annotation at a position in a record, with the place it came from."""
    path = record.get("annotation_file", record["file_name"])
    if "line" in record["annotations"][index]:
        return Problem(path, record["annotations"][index]["line"], text)
    return Problem(path, None, f"{annotation_name(record, index)}: {text}")


def annotation_name(record: dict, index: int) -> str:
    """What to call the annotation at a position in a record, within its file."""
    annotation = record["annotations"][index]
    if "line" in annotation:
        return f"line {annotation['line']}"
    if "id" in annotation:
        return f"annotation id {annotation['id']}"
    return f"box {index}"
