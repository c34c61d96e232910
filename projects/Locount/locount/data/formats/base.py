"""What all formats have in common: a place with splits, each of them a source of dataset dicts."""

from __future__ import annotations

import abc
import logging
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from ...coco import COUNT
from ...errors import DatasetError, InputError, Problem, listing, number_of
from ..mending import Changes
from .records import Records

logger = logging.getLogger(__name__)


class Survey(NamedTuple):
    """A dataset as far as it is sound, and what is not.

    Attributes:
        records: Detectron2's dataset dicts, without the images and annotations that have problems.
            Beside Detectron2's keys each holds ``annotation_file``, and each annotation ``count``
            and, in formats of lines, ``line``.
        metadata: Detectron2's metadata, of the categories that could be read.
        problems: all that keep the dataset from being used; without any, ``records`` is complete.
        hints: what somebody should look at.
        unreadable: paths of images that can't be read; each is among the problems.
    """

    records: Sequence[dict]
    metadata: dict[str, Any]
    problems: list[Problem]
    hints: Sequence[Problem] = ()
    unreadable: Collection[str] = ()


class Source(abc.ABC):
    """One split of a dataset, or what the options of a name select of one.

    Nothing is left out, or corrected unasked: what is wrong is an error.

    Attributes:
        title: what messages call it.
        split: its name.
        image_root: the folder that image names start from.
        format: key of its format; "" if the data is not all that a place holds, as it is there.
        path: of the folder or file in that format.
    """

    format = ""
    path = ""
    title: str
    split: str

    @property
    @abc.abstractmethod
    def image_root(self) -> str: ...

    @abc.abstractmethod
    def metadata(self) -> dict[str, Any]:
        """Detectron2's metadata, ``thing_classes`` at least.

        Raises:
            DatasetError: if the categories can't be known.
        """

    @abc.abstractmethod
    def survey(self) -> Survey:
        """All problems, and what :meth:`load` would return of the rest."""

    def photos(self) -> list[str]:
        """Paths of the photos that it names, as far as names can be paths; sound or not."""
        return [record["file_name"] for record in self.survey().records]

    def load(self, *, skip_invalid: bool = False) -> Records:
        """One dict for each image, images without a box included: see :class:`Survey`.

        Args:
            skip_invalid: leave out what is invalid, and log it. Wrong categories are an error all
                the same, because the ids depend on them.

        Raises:
            DatasetError: with all problems.
        """
        if skip_invalid:
            self.metadata()
        survey = self.survey()
        for hint in survey.hints:
            logger.warning("%s", hint)
        if survey.problems:
            number = number_of(survey.problems)
            if not skip_invalid:
                cure = "?skip_invalid in its name, or convert --skip-invalid, leaves them out"
                title = f"{self.title} has {number} ({cure}):"
                raise DatasetError(title, survey.problems)
            if not survey.records:
                title = f"{self.title} has {number} and no image that can be used:"
                raise DatasetError(title, survey.problems)
            text = "%s has %s. Left out are:\n%s"
            logger.warning(text, self.title, number, listing(survey.problems))
        return cast(Records, survey.records)


@dataclass
class Reading:
    """How a place is read.

    Attributes:
        split: the only one wanted, or the split that a single file is; None for all.
        image_root: what the image names of a single file start from.
        count: what the count is called, in formats of boxes with attributes; "" reads none.
        mend: where it is not None, reversed corners are swapped and boxes cut to their images, and
            the changes listed there.
    """

    split: str | None = None
    image_root: str | None = None
    count: str = COUNT
    mend: Changes | None = None


class Place(abc.ABC):
    """A folder, or a file, with annotations in one format.

    Attributes:
        path: of the folder or file.
        splits: by their names.
        format: its key.
        images_are, counts_are: where images and counts are; "" where the reading says it.
    """

    format: str
    images_are = ""
    counts_are = ""

    def __init__(self, path: str, reading: Reading) -> None:
        """
        Raises:
            InputError: if there is nothing of the format, or the reading says what is fixed.
        """
        if self.images_are and reading.image_root is not None:
            text = f"images are in {os.path.join(path, self.images_are)}"
            raise InputError(f"--image-root can't be chosen in this format: {text}")
        if self.counts_are and reading.count != COUNT:
            raise InputError(f"--count-attribute can't be chosen in this format: {self.counts_are}")
        self.path, self.reading = path, reading
        self.splits = self.find_splits()

    @abc.abstractmethod
    def find_splits(self) -> Mapping[str, Any]: ...

    def source(self, split: str) -> Source:
        """The data of a split.

        Raises:
            DatasetError: if there is no such split.
        """
        if split not in self.splits:
            raise DatasetError(
                f"{self.path} has no split {split!r}: it has {', '.join(self.splits)}"
            )
        return self.open(split)

    @abc.abstractmethod
    def open(self, split: str) -> Source: ...
