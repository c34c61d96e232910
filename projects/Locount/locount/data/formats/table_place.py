"""Places whose annotations are read into tables: all formats but COCO."""

from __future__ import annotations

import abc
import functools
import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import DatasetError, Misfit, Problem, listing, number_of
from ..images import read_image_sizes
from ..mending import Changes
from .base import Place, Reading, Source, Survey
from .entries import uncounted
from .image_files import ImageFiles, find_images, image_paths
from .index_cache import FileStamp, cached_arrays
from .records import Paths, Records
from .table import (
    NO_COUNT,
    Table,
    box_columns,
    box_faults,
    box_text,
    class_ids,
    mended,
    name_faults,
)

logger = logging.getLogger(__name__)


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
    stamps: Sequence[FileStamp | None] | None = None


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
        cure_of_names: what to do about a box of an unknown category.
        read_sizes: as :func:`read_image_sizes`.
    """

    tolerance = 1.0
    relative = False
    has_lines = True
    has_empty_images = True
    lists_categories = False
    numbers_are_counts = False
    read_sizes = staticmethod(read_image_sizes)

    def __init__(self, path: str, reading: Reading) -> None:
        super().__init__(path, reading)
        self.read = functools.cache(self.read)  # type: ignore[method-assign]

    @property
    def cure_of_names(self) -> str:
        return "correct it"

    @abc.abstractmethod
    def read(self, split: str) -> Annotations:
        """Read the annotations; once, as they are kept."""

    def cached_table(
        self,
        split: str,
        stamps: Iterable[FileStamp | None],
        read: Callable[[], tuple[Table, list[Problem], bool]],
        how: str = "",
    ) -> tuple[Table, list[Problem]]:
        """The table that ``read`` returns, from the cache where nothing has changed or was wrong.

        Args:
            stamps: the files that it is read from, None for those that are not there.
            read: returns the table, its problems, and whether it may be kept.
            how: what else it depends on.
        """
        problems: list[Problem] = []

        def build() -> tuple[dict[str, np.ndarray], bool]:
            logger.info("Reading the annotations of split %s of %s", split, self.path)
            table, found, keep = read()
            problems.extend(found)
            return table._asdict(), keep and not found

        found = [stamp for stamp in stamps if stamp is not None]
        arrays = cached_arrays(f"{self.format}-{split}", self.path, found, build, how)
        return Table(**arrays), problems

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

    def metadata_of(self, classes: Sequence[str]) -> dict[str, Any]:
        return {"thing_classes": list(classes)}

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


class TableSource(Source):
    """A split of a :class:`TablePlace`."""

    def __init__(self, place: TablePlace, split: str) -> None:
        self.place, self.split = place, split
        self.format, self.path = place.format, place.path
        self.title = f"Split {split!r} of {place.path}"

    @property
    def image_root(self) -> str:
        return self.place.read(self.split).image_root

    def metadata(self) -> dict[str, Any]:
        classes, problems = self.place.categories(self.split)
        if problems:
            raise DatasetError(f"{self.title} has {number_of(problems)}:", problems)
        return self.place.metadata_of(classes)

    def load(self, *, skip_invalid: bool = False) -> Records:
        records = super().load(skip_invalid=skip_invalid)
        annotations = self.place.read(self.split)
        # Equal lines are legal, so they stay; but two equal stacks can't be in one place.
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

    def photos(self) -> list[str]:
        annotations = self.place.read(self.split)
        if annotations.stamps:
            return [stamp.path for stamp in annotations.stamps if stamp]
        return image_paths(annotations.image_root, annotations.table.images.tolist())

    def survey(self) -> Survey:
        place, annotations = self.place, self.place.read(self.split)
        images = self._images(annotations)
        table = annotations.table
        if place.relative:
            scale = np.maximum(images.sizes, 1)[table.image]  # of unknown size: fractions
            table = table._replace(box=table.box * scale[:, [1, 0, 1, 0]])
        if place.reading.mend is not None:
            table = self._mended(annotations, table, images.sizes, place.reading.mend)
        classes, problems = place.categories(self.split)
        num_counts = place.num_counts if (table.count == NO_COUNT).any() else len(table.count)
        faults = box_faults(table, images.sizes, place.tolerance, num_counts)
        if not problems:
            faults += name_faults(table, classes, place.cure_of_names)
        rows = [
            (Misfit if fault.misfit else Problem)(
                *place.row_problem(annotations, fault.row, fault.text)
            )
            for fault in faults
        ]
        hints = self._hints(annotations)
        if place.numbers_are_counts:
            problems, hints = [*problems, *hints], []
        # Categories may be unknown because of a file that can't be read, and say so as well.
        found = [*dict.fromkeys([*annotations.problems, *images.problems, *rows, *problems])]
        sound = images.usable[table.image] & (class_ids(table, classes) >= 0)
        sound[[fault.row for fault in faults]] = False
        return Survey(
            self._records(annotations, table.boxes_at(np.flatnonzero(sound)), images, classes),
            place.metadata_of(classes),
            found,
            hints,
            images.unreadable,
        )

    def _images(self, annotations: Annotations) -> ImageFiles:
        return find_images(
            f"{self.format}-{self.split}",
            annotations.image_root,
            annotations.table.images.tolist(),
            annotations.table.size,
            functools.partial(self.place.problem, annotations),
            stamps=annotations.stamps,
            read_sizes=self.place.read_sizes,
        )

    def _mended(
        self, annotations: Annotations, table: Table, sizes: np.ndarray, changes: Changes
    ) -> Table:
        place, box = self.place, table.box.copy()
        for row, after, why in mended(table, sizes, place.tolerance):
            path, line, element = place.row_problem(annotations, row, "")
            before, mended_text = (box_text(values, ",") for values in (box[row].tolist(), after))
            changes.add(path, line or element.rstrip(": "), before, mended_text, why)
            box[row] = after
        changes.log()
        return table._replace(box=box)

    def _hints(self, annotations: Annotations) -> list[Problem]:
        place = self.place
        text = uncounted(annotations.table.numbers.tolist()) if place.reading.count else ""
        return [Problem(place.path, None, text)] if text and not place.num_counts else []

    def _records(
        self, annotations: Annotations, table: Table, images: ImageFiles, classes: Sequence[str]
    ) -> Records:
        table = table.boxes_at(np.argsort(table.image, kind="stable"))
        num_boxes = np.bincount(table.image, minlength=len(table.images))
        kept = images.usable if self.place.has_empty_images else images.usable & (num_boxes > 0)
        ids = [_image_id(self.split, name) for name in table.images.tolist()]
        return Records(
            images.columns(Paths(annotations.files), np.array(ids, np.int64)),
            box_columns(table, classes, self.place.has_lines),
            num_boxes,
            np.flatnonzero(kept),
        )


def _image_id(split: str, name: str) -> int:
    """An id that stays as it is when other images come and go."""
    # 52 bits: JSON readers keep integers exact up to 53, and a million images hardly ever collide.
    text = f"{split}/{name}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 12
