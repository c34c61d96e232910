"""What all formats have in common: a place with splits, each of them a source of dataset dicts."""

from __future__ import annotations

import abc
import functools
import hashlib
import logging
import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...errors import DatasetError, InputError, Problem, listing, number_of
from ..counts import COUNT, uncounted
from ..image_paths import image_path
from ..images import read_image_sizes
from ..mending import Changes
from .index_cache import FileStamp, cached_arrays, file_stamp
from .table import (
    NO_COUNT,
    Table,
    annotations_of,
    box_faults,
    box_text,
    class_ids,
    mended,
    name_faults,
)

logger = logging.getLogger(__name__)


class Survey(NamedTuple):
    """A dataset as far as it is sound, and what is not.

    Attributes:
        records: Detectron2's dataset dicts, without the images and annotations that have problems.
            Beside Detectron2's keys each holds ``annotation_file``, and each annotation ``count``
            and, in formats of lines, ``line``.
        metadata: Detectron2's metadata, of the categories that could be read.
        problems: all that keep the dataset from being used; without any, ``records`` is all of it.
        hints: what somebody should look at.
        unreadable: paths of images that can't be read; each is among the problems.
    """

    records: list[dict]
    metadata: dict[str, object]
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
    image_root: str

    @abc.abstractmethod
    def metadata(self) -> dict[str, object]:
        """Detectron2's metadata, ``thing_classes`` at least.

        Raises:
            DatasetError: if the categories can't be known.
        """

    @abc.abstractmethod
    def survey(self) -> Survey:
        """All problems, and what :meth:`load` would return of the rest."""

    def load(self, *, skip_invalid: bool = False) -> list[dict]:
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
        return survey.records


@dataclass
class Reading:
    """How a place is read.

    Attributes:
        split: the only one that is wanted, or that which a single file holds; None for all.
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
        """
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


class Annotations(NamedTuple):
    """What was read of a split.

    Attributes:
        table: of F images.
        files: the annotation file of each image.
        image_root: the folder that the names of images in the table start from.
        problems: what could not be read.
        stamps: the image files, where they are known beyond their names.
    """

    table: Table
    files: Sequence[str]
    image_root: str
    problems: Sequence[Problem] = ()
    stamps: Sequence[FileStamp] | None = None


class TablePlace(Place):
    """A place whose annotations are read into tables; the checks are the same for all of them.

    Attributes:
        tolerance: how far boxes may reach over the edges of their images, in pixels: what is
            written in fractions or with few digits does so by rounding.
        relative: boxes are in fractions of their images.
        has_lines: the table's lines are lines of files.
        has_empty_images: images may be without a box.
        lists_categories: the names of a table are a list of categories in order.
        numbers_are_counts: numbers beside boxes without a count are a problem, not a hint.
    """

    tolerance = 1.0
    relative = False
    has_lines = True
    has_empty_images = True
    lists_categories = False
    numbers_are_counts = False
    cure_of_names = "correct it"

    def __init__(self, path: str, reading: Reading) -> None:
        super().__init__(path, reading)
        self.read = functools.cache(self.read)

    @abc.abstractmethod
    def read(self, split: str) -> Annotations:
        """Read the annotations; once, as they are kept."""

    def categories(self, split: str) -> tuple[Sequence[str], list[Problem]]:
        """The categories of a split by id, and what is wrong with them.

        By default its list, or without lists the names in use in all splits, sorted.
        """
        if self.lists_categories:
            names = self.read(split).table.names.tolist()
            texts = [
                f"the category {name!r} is {'listed twice' if name.strip() else 'without a name'}: "
                "remove or rename one"
                for name, number in Counter(names).items()
                if number > 1 or not name.strip()
            ]
            problems = [Problem(self.path, None, text) for text in texts]
        else:
            used = {n for part in self.splits for n in self.read(part).table.names.tolist()}
            names, problems = sorted(name for name in used if name.strip()), []
        return names, problems if names else [*self.read(split).problems]

    def metadata_of(self, classes: Sequence[str]) -> dict[str, object]:
        return {"thing_classes": list(classes)}

    def sizes_of(self, paths: Sequence[str]) -> tuple[np.ndarray, dict[int, str]]:
        """As :func:`read_image_sizes`."""
        return read_image_sizes(paths)

    def problem(
        self, annotations: Annotations, image: int, text: str, line: int | None = None
    ) -> Problem:
        """A problem of an image, or of a box at a line."""
        line = int(annotations.table.image_line[image]) if line is None else line
        return Problem(annotations.files[image], line or None, text)

    def row_problem(self, annotations: Annotations, row: int, text: str) -> Problem:
        table = annotations.table
        return self.problem(annotations, int(table.image[row]), text, int(table.line[row]))

    @functools.cached_property
    def num_counts(self) -> int:
        """How many boxes of all splits have a count."""
        tables = [self.read(split).table for split in self.splits]
        return sum(int((table.count != NO_COUNT).sum()) for table in tables)

    def open(self, split: str) -> TableSource:
        return TableSource(self, split)


class _Images(NamedTuple):
    """The images of a split: paths, sizes (height, width; 0 where there is none), usable or not."""

    paths: list[str]
    sizes: np.ndarray
    usable: np.ndarray
    problems: list[Problem]
    unreadable: list[str]


class TableSource(Source):
    """A split of a :class:`TablePlace`."""

    def __init__(self, place: TablePlace, split: str) -> None:
        self.place, self.split = place, split
        self.format, self.path = place.format, place.path
        self.title = f"Split {split!r} of {place.path}"

    @property
    def image_root(self) -> str:
        return self.place.read(self.split).image_root

    def metadata(self) -> dict[str, object]:
        classes, problems = self.place.categories(self.split)
        if problems:
            raise DatasetError(f"{self.title} has {number_of(problems)}:", problems)
        return self.place.metadata_of(classes)

    def load(self, *, skip_invalid: bool = False) -> list[dict]:
        records = super().load(skip_invalid=skip_invalid)
        annotations = self.place.read(self.split)
        # Equal lines are legal, so they stay; but two equal stacks can't stand in one place.
        repeated = [
            str(self.place.row_problem(annotations, row, "is there already")).rpartition(":")[0]
            for row in np.flatnonzero(annotations.table.repeated).tolist()
        ]
        if repeated:
            logger.warning(
                "%d box(es) say the same as an earlier one of their image. They are kept; delete "
                "them if they are there by mistake:\n%s",
                len(repeated),
                listing(repeated),
            )
        return records

    def survey(self) -> Survey:
        place, annotations = self.place, self.place.read(self.split)
        images = self._images(annotations)
        table = annotations.table
        if place.relative:
            scale = np.maximum(images.sizes, 1)[table.image]  # of unknown size: fractions
            table = table._replace(box=table.box * scale[:, [1, 0, 1, 0]])
        if place.reading.mend is not None:
            table = self._mended(annotations, table, images.sizes)
        classes, problems = place.categories(self.split)
        faults = box_faults(table, images.sizes, place.tolerance, place.num_counts)
        if not problems:
            faults += name_faults(table, classes, place.cure_of_names)
        rows = [place.row_problem(annotations, row, text) for row, text in faults]
        hints = self._hints(annotations)
        if place.numbers_are_counts:
            problems, hints = [*problems, *hints], []
        # Categories may be unknown because of a file that can't be read, and say so as well.
        found = [*dict.fromkeys([*annotations.problems, *images.problems, *rows, *problems])]
        sound = images.usable[table.image] & (class_ids(table, classes) >= 0)
        sound[[row for row, _ in faults]] = False
        return Survey(
            self._records(annotations, table.boxes_at(np.flatnonzero(sound)), images, classes),
            place.metadata_of(classes),
            found,
            hints,
            images.unreadable,
        )

    def _images(self, annotations: Annotations) -> _Images:
        names = annotations.table.images.tolist()
        problems: list[Problem] = []
        paths: list[str | None] = [None] * len(names)
        stamps: list[FileStamp | None] = list(annotations.stamps or paths)
        first: dict[str, int] = {}
        for i, name in enumerate(names):
            try:
                path = stamps[i].path if stamps[i] else image_path(annotations.image_root, name)
            except ValueError as error:
                problems.append(self.place.problem(annotations, i, f"{name!r}: {error}"))
                continue
            if first.setdefault(path, i) != i:
                other = self.place.problem(annotations, first[path], names[first[path]])
                text = f"image {name!r} is there already ({other}): remove one, or join them"
                problems.append(self.place.problem(annotations, i, text))
                continue
            paths[i], stamps[i] = path, stamps[i] or file_stamp(path)
            if stamps[i] is None:
                text = f"there is no file {path}: add it, or remove what is said of it"
                problems.append(self.place.problem(annotations, i, text))
        kind = f"{self.format}-{self.split}"
        root, read = annotations.image_root, self.place.sizes_of
        sizes, faults = cached_sizes(kind, root, stamps, read)
        problems += [Problem(path, None, text) for path, text in faults.items()]
        written, usable = annotations.table.size, sizes[:, 0] > 0
        differs = usable & ~np.isnan(written).any(axis=1) & (written != sizes).any(axis=1)
        for i in np.flatnonzero(differs).tolist():
            text = size_fault(paths[i], sizes[i], written[i])
            problems.append(self.place.problem(annotations, i, text))
        return _Images(paths, sizes, usable & ~differs, problems, list(faults))

    def _mended(self, annotations: Annotations, table: Table, sizes: np.ndarray) -> Table:
        place, box = self.place, table.box.copy()
        for row, after, why in mended(table, sizes, place.tolerance):
            path, line, element = place.row_problem(annotations, row, "")
            texts = (box_text(values, ",") for values in (box[row].tolist(), after))
            place.reading.mend.add(path, line or element.rstrip(": "), *texts, why)
            box[row] = after
        place.reading.mend.log()
        return table._replace(box=box)

    def _hints(self, annotations: Annotations) -> list[Problem]:
        place = self.place
        text = uncounted(annotations.table.numbers.tolist()) if place.reading.count else ""
        return [Problem(place.path, None, text)] if text and not place.num_counts else []

    def _records(
        self, annotations: Annotations, table: Table, images: _Images, classes: Sequence[str]
    ) -> list[dict]:
        listed = annotations_of(table, classes, self.place.has_lines)
        names, sizes = table.images.tolist(), images.sizes.tolist()
        kept = images.usable
        if not self.place.has_empty_images:
            kept = kept & np.array(list(map(bool, listed)), dtype=bool)
        return [
            {
                "file_name": images.paths[i],
                "annotation_file": annotations.files[i],
                "image_id": _image_id(self.split, names[i]),
                "height": sizes[i][0],
                "width": sizes[i][1],
                "annotations": listed[i],
            }
            for i in np.flatnonzero(kept).tolist()
        ]


def cached_sizes(
    kind: str,
    folder: str,
    stamps: Sequence[FileStamp | None],
    read: Callable[[Sequence[str]], tuple[np.ndarray, dict[int, str]]] = read_image_sizes,
) -> tuple[np.ndarray, dict[str, str]]:
    """Heights and widths of images, and what is wrong with those that can't be read, by path.

    Args:
        kind, folder: as for :func:`cached_arrays`.
        stamps: of the images; None gives the size 0.
        read: reads the sizes of others than those in the cache.
    """
    found = [stamp for stamp in stamps if stamp is not None]
    there = np.array([stamp is not None for stamp in stamps], dtype=bool)

    def build() -> tuple[dict[str, np.ndarray], bool]:
        logger.info("Reading the sizes of %d images", len(found))
        return {"sizes": read([stamp.path for stamp in found])[0]}, True

    sizes = np.zeros((len(stamps), 2), dtype=np.int32)
    sizes[there] = cached_arrays(f"sizes-{kind}", folder, found, build)["sizes"]
    # The unreadable ones are in the cache, too; each start says anew what is wrong with them.
    faulty = [stamps[i].path for i in np.flatnonzero(there & (sizes[:, 0] == 0))]
    return sizes, {faulty[i]: text for i, text in read(faulty)[1].items()}


def size_fault(path: str, size: Sequence[int], written: Sequence[float]) -> str:
    """What to say of an image whose height and width are not those that are written."""
    return (
        f"{path} has {size[1]}x{size[0]} pixels, but {written[1]:g}x{written[0]:g} are written: "
        "correct the numbers, or put the right image there (programs that obey a photo's EXIF "
        "orientation swap them: its boxes are wrong)"
    )


def _image_id(split: str, name: str) -> int:
    """An id that stays as it is when other images come and go."""
    # 52 bits: JSON readers keep integers exact up to 53, and a million images hardly ever collide.
    digest = hashlib.blake2b(os.fsencode(f"{split}/{name}"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 12
