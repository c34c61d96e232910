"""A folder in the layout of SKU-110K as Detectron2 dataset dicts; every box is one item."""

from __future__ import annotations

import functools
import hashlib
import logging
import os

import numpy as np

from ..errors import listing
from .errors import DatasetError, Problem
from .index_cache import FileStamp
from .locount_folder import dataset_dicts
from .locount_index import SplitImages, SplitTexts
from .locount_txt import AnnotationTable, box_problems, mended_table
from .mending import Changes
from .sku110k_csv import COLUMNS, RowTable
from .sku110k_index import RowImages, find_splits, read_images, read_rows
from .survey import Survey

logger = logging.getLogger(__name__)


class Sku110k:
    """One split: ``annotations/annotations_<split>.csv`` and the images that it names."""

    def __init__(
        self,
        root: str,
        split: str,
        *,
        skip_invalid: bool = False,
        subset: int | None = None,
        seed: int = 0,
        mend: Changes | None = None,
    ) -> None:
        """
        Args:
            root: the folder that holds ``annotations`` and ``images``.
            split: such as ``train``.
            skip_invalid: leave out the rows and images that can't be used, and log which; without
                it they are an error.
            subset: how many images to take, from 1 on; the seed and the images' names decide
                which, and nothing else. None for all.
            mend: swap reversed corners and cut boxes to their images, and list that here.

        Raises:
            DatasetError: if there is no such folder or split.
        """
        splits = find_splits(root)
        if split not in splits:
            raise DatasetError(f"{root} has no split {split!r}: it has {', '.join(splits)}")
        self.root, self.split, self.csv_file = root, split, splits[split]
        self.skip_invalid, self.subset, self.seed = skip_invalid, subset, seed
        self.mend = mend
        self.image_root = os.path.join(root, "images")

    def metadata(self) -> dict[str, object]:
        """Detectron2's metadata: ``thing_classes``, the classes of all splits of the root, sorted.

        Raises:
            DatasetError: if no file names a class.
        """
        if not self._classes:
            raise DatasetError(f"No row of any split of {self.root} can be used")
        return {"thing_classes": list(self._classes)}

    def load(self) -> list[dict]:
        """One dict for each image that the file names, in the order of their first rows.

        Beside Detectron2's keys each holds ``annotation_file``, and each annotation ``count``,
        which is 1, and ``line``. The file can't name an image without a box.

        Raises:
            DatasetError: with all problems of the split, unless they are to be skipped.
        """
        records, _, problems, _ = self.survey()
        number = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        if problems and not (self.skip_invalid and records):
            cure = (
                f"the dataset name sku110k:{self.root}:{self.split}?skip_invalid leaves them out; "
                "?mend cuts boxes to their images and swaps reversed corners"
            )
            raise DatasetError(f"{self.csv_file} has {number} ({cure}):", problems)
        if problems:
            text = "%s has %s. These rows and images are left out:\n%s"
            logger.warning(text, self.csv_file, number, listing(problems))
        return records

    def survey(self) -> Survey:
        """All problems of the split, and what :meth:`load` would return of the rest."""
        table, row_problems = self._rows
        images = read_images(self.csv_file, table, self.image_root)
        annotations = _annotations(table)
        files = [self.csv_file] * len(table.images)
        if self.mend is not None:
            annotations = mended_table(annotations, files, images.sizes, self.mend)
            self.mend.log()
        box_faults = box_problems(annotations, files, images.sizes)
        problems = [*row_problems, *images.problems, *box_faults]

        kept = ~np.isin(table.line, [problem.line for problem in box_faults])
        kept &= images.usable[table.image_id]
        usable = np.unique(table.image_id[kept])
        if not len(usable):
            text = f"has no row that can be used: write {','.join(COLUMNS)}"
            problems.append(Problem(self.csv_file, None, text))
        else:
            kept &= np.isin(table.image_id, self._chosen(table, usable))
        records = self._records(annotations, table.images, images, np.flatnonzero(kept))
        return Survey(records, {"thing_classes": list(self._classes)}, problems)

    @functools.cached_property
    def _rows(self) -> tuple[RowTable, list[Problem]]:
        return read_rows(self.csv_file)

    @functools.cached_property
    def _classes(self) -> tuple[str, ...]:
        tables = [
            self._rows[0] if path == self.csv_file else read_rows(path)[0]
            for path in find_splits(self.root).values()
        ]
        return tuple(sorted({name for table in tables for name in table.classes.tolist()}))

    def _chosen(self, table: RowTable, image_ids: np.ndarray) -> np.ndarray:
        """The subset of these images."""
        if self.subset is None:
            return image_ids
        if not 0 < self.subset <= len(image_ids):
            raise DatasetError(
                f"{self.csv_file} has {len(image_ids)} images: a subset of {self.subset} "
                "can't be taken of it"
            )
        # Digests, because random numbers depend on the version of the library.
        keys = [f"{self.seed}/{name}".encode() for name in table.images[image_ids].tolist()]
        digests = [hashlib.blake2b(key, digest_size=16).digest() for key in keys]
        order = sorted(range(len(keys)), key=digests.__getitem__)
        return image_ids[order[: self.subset]]

    def _records(
        self, annotations: AnnotationTable, names: np.ndarray, images: RowImages, rows: np.ndarray
    ) -> list[dict]:
        rows = rows[np.argsort(annotations.file_id[rows], kind="stable")]
        image_ids, file_id = np.unique(annotations.file_id[rows], return_inverse=True)
        columns = {k: v[rows] for k, v in annotations._asdict().items() if k != "names"}
        keys = names[image_ids].tolist()
        stamps = [images.stamps[i] for i in image_ids]
        return dataset_dicts(
            self.split,
            SplitImages(dict(zip(keys, stamps, strict=True)), images.sizes[image_ids], []),
            SplitTexts(
                dict.fromkeys(keys, FileStamp(self.csv_file, 0, 0, 0)),
                annotations._replace(**{**columns, "file_id": file_id}),
                [],
            ),
            self._classes,
        )


def _annotations(table: RowTable) -> AnnotationTable:
    return AnnotationTable(
        file_id=table.image_id,
        line=table.line,
        box=table.box,
        name_id=table.class_id,
        count=np.ones_like(table.line),
        repeated=np.zeros(len(table.line), dtype=bool),
        names=table.classes,
    )
