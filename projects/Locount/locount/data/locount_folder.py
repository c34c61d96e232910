"""A folder in Locount layout as Detectron2 dataset dicts."""

from __future__ import annotations

import functools
import hashlib
import logging
import os
from collections.abc import Sequence

import numpy as np
from detectron2.structures import BoxMode

from ..errors import listing
from .categories import LOCOUNT_CLASSES, LOCOUNT_GROUPS
from .category_list import (
    CATEGORIES_FILE,
    derive_category_list,
    name_problems,
    read_category_list,
)
from .errors import DatasetError, Problem, place
from .images import IMAGE_SUFFIXES
from .locount_index import SplitImages, SplitTexts, read_images, read_texts, sound_part
from .locount_layout import find_splits, pairing_problems, split_folders
from .locount_txt import box_problems, mended_table
from .mending import Changes
from .survey import Survey

logger = logging.getLogger(__name__)


class LocountFolder:
    """One split of a folder in Locount layout.

    Nothing is left out, or corrected unasked: what is wrong is an error.
    """

    def __init__(self, root: str, split: str, *, mend: Changes | None = None) -> None:
        """
        Args:
            root: the folder that holds ``Locount_Images<Split>`` and ``Locount_GtTxts<Split>``.
            split: in lower case, such as ``train``.
            mend: swap reversed corners and cut boxes to their images, and list that here.

        Raises:
            DatasetError: if there is no such folder or split.
        """
        self.root, self.split, self.mend = root, split, mend
        self.folders = split_folders(root, split)

    def metadata(self) -> dict[str, object]:
        """Detectron2's metadata: ``thing_classes``, and ``thing_groups`` if they are Locount's.

        The classes are the same for all splits of the root: the lines of its ``categories.txt``, or
        else what :func:`derive_category_list` finds.

        Raises:
            DatasetError: if the categories can't be known.
        """
        classes, problems = self._categories
        self._raise(problems)
        return _metadata(classes)

    def load(self) -> list[dict]:
        """One dict for each image, sorted by path, images without a box included.

        Beside Detectron2's keys each holds ``annotation_file``, and each annotation ``count`` and
        ``line``, its line in that file. ``image_id`` depends on the split and the image's path in
        it and on nothing else, so it stays as it is when other images come and go.

        Raises:
            DatasetError: with all problems of the split.
        """
        records, _, problems, _ = self.survey()
        self._raise(problems)
        _warn_of_repetitions(self._texts)
        return records

    def survey(self) -> Survey:
        """All problems of the split, and what :meth:`load` would return of the rest."""
        texts, images = self._texts, read_images(self.folders)
        problems = [
            *images.problems,
            *texts.problems,
            *pairing_problems(images.files, texts.files),
        ]
        if not images.files:
            text = f"holds no image ({', '.join(IMAGE_SUFFIXES)})"
            problems.append(Problem(self.folders.images, None, text))
        size_of = dict(zip(images.files, images.sizes.tolist(), strict=True))
        sizes = [size_of.get(key, (0, 0)) for key in texts.files]
        image_sizes = np.array(sizes, dtype=int)
        if self.mend is not None:
            table = mended_table(texts.table, texts.paths, image_sizes, self.mend)
            texts = texts._replace(table=table)
            self.mend.log()
        problems += box_problems(texts.table, texts.paths, image_sizes)

        classes, category_problems = self._categories
        problems += category_problems
        if not category_problems:
            cure = f"correct it, or add it to {os.path.join(self.root, CATEGORIES_FILE)}"
            problems += name_problems(texts.paths, texts.table, classes, cure)
        if problems:
            images, texts = sound_part(images, texts, classes, problems)
        records = dataset_dicts(self.split, images, texts, classes)
        return Survey(records, _metadata(classes), problems)

    @functools.cached_property
    def _texts(self) -> SplitTexts:
        return read_texts(self.folders)

    @functools.cached_property
    def _categories(self) -> tuple[tuple[str, ...], list[Problem]]:
        path = os.path.join(self.root, CATEGORIES_FILE)
        if os.path.exists(path):
            return read_category_list(path)
        texts = [
            self._texts if split == self.split else read_texts(folders)
            for split, folders in find_splits(self.root).items()
            if os.path.isdir(folders.texts)
        ]
        return derive_category_list(self.root, [(t.paths, t.table) for t in texts])

    def _raise(self, problems: Sequence[Problem]) -> None:
        if problems:
            number = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
            raise DatasetError(f"Split {self.split!r} of {self.root} has {number}:", problems)


def _metadata(classes: Sequence[str]) -> dict[str, object]:
    metadata: dict[str, object] = {"thing_classes": list(classes)}
    if classes == LOCOUNT_CLASSES:
        metadata["thing_groups"] = list(LOCOUNT_GROUPS)
    return metadata


def _warn_of_repetitions(texts: SplitTexts) -> None:
    """Equal lines are legal, so they stay; but two equal stacks can't stand in one place."""
    paths, table = texts.paths, texts.table
    places = [
        place(paths[table.file_id[i]], int(table.line[i])) for i in np.flatnonzero(table.repeated)
    ]
    if places:
        logger.warning(
            "%d line(s) say the same as an earlier line of their file. They are kept; "
            "delete them if they are there by mistake:\n%s",
            len(places),
            listing(places),
        )


def _image_id(split: str, key: str) -> int:
    # 52 bits: JSON readers keep integers exact up to 53, and a million images hardly ever collide.
    digest = hashlib.blake2b(os.fsencode(f"{split}/{key}"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 12


def dataset_dicts(
    split: str, images: SplitImages, texts: SplitTexts, classes: Sequence[str]
) -> list[dict]:
    """The dataset dicts of a split without problems; images and texts have the same keys."""
    table = texts.table
    class_of_name = np.array([classes.index(name) for name in table.names.tolist()], dtype=int)
    columns = (
        table.box.astype(float),  # transforms scale the boxes in place: integers would be cut off
        class_of_name[table.name_id],
        table.count,
        table.line,
    )
    # No "iscrowd": 0 is its default, and a sixth key would make each dict half as large again.
    annotations = [
        {
            "bbox": box,
            "bbox_mode": BoxMode.XYXY_ABS,
            "category_id": category,
            "count": count,
            "line": line,
        }
        for box, category, count, line in zip(*(c.tolist() for c in columns), strict=True)
    ]
    lengths = np.bincount(table.file_id, minlength=len(texts.files))
    ends = lengths.cumsum()
    starts = ends - lengths
    return [
        {
            "file_name": image.path,
            "annotation_file": text.path,
            "image_id": _image_id(split, key),
            "height": height,
            "width": width,
            "annotations": annotations[start:end],
        }
        for (key, image), text, (height, width), start, end in zip(
            images.files.items(),
            texts.files.values(),
            images.sizes.tolist(),
            starts.tolist(),
            ends.tolist(),
            strict=True,
        )
    ]
