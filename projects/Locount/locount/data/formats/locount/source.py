"""Folders in Locount layout: ``Locount_Images<Split>/**`` and ``Locount_GtTxts<Split>/**``."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ....errors import DatasetError, Problem
from ...images import IMAGE_SUFFIXES
from ..dataset import Dataset, corners
from ..folders import scan
from ..index_cache import FileStamp
from ..table import Table, name_faults
from ..table_place import Annotations, TablePlace, TableSource
from .categories import CATEGORIES_FILE, LOCOUNT_CLASSES, LOCOUNT_GROUPS, read_category_list
from .txt import parse_files

_IMAGE_FOLDER = re.compile(r"Locount_Images(\w+)")


class SplitFolders(NamedTuple):
    """The two folders of a split, absolute or relative as the root is."""

    images: str
    texts: str


class _Texts(NamedTuple):
    """The annotation files of a split by key, sorted, and what they say, in that order."""

    files: dict[str, FileStamp]
    table: Table
    problems: list[Problem]


class LocountFolder(TablePlace):
    """A folder in Locount layout.

    The categories are the same for all splits: the lines of its ``categories.txt``; without it
    Locount's 140, if the names in use are among them; or the names in use, sorted, if none of them
    is. A mixture may be Locount with a misspelling or an own list, and the ids depend on which:
    each foreign name is a problem.
    """

    format = "locount"
    tolerance = 0.0
    images_are = "Locount_Images<Split>"
    counts_are = "the sixth column has the counts"

    def find_splits(self) -> dict[str, SplitFolders]:
        """``Locount_ImagesTrain`` is of ``train``."""
        if not os.path.isdir(self.path):
            cure = "give the one that contains Locount_ImagesTrain"
            raise DatasetError(f"{self.path} is not a folder: {cure}")
        entries = sorted(os.listdir(self.path))
        splits: dict[str, SplitFolders] = {}
        for entry in entries:
            match = _IMAGE_FOLDER.fullmatch(entry)
            if match:
                texts = os.path.join(self.path, f"Locount_GtTxts{match[1]}")
                folders = SplitFolders(os.path.join(self.path, entry), texts)
                if splits.setdefault(match[1].lower(), folders) != folders:
                    both = f"{folders.images} and {splits[match[1].lower()].images}"
                    text = f"are both the split {match[1].lower()!r}: rename or join them"
                    raise DatasetError(f"{both} {text}")
        if not splits:
            raise DatasetError(
                f"{self.path} is not in Locount layout: it needs Locount_ImagesTrain and "
                "Locount_GtTxtsTrain, or the same with Test, and holds "
                f"{', '.join(entries[:20]) or 'nothing'}"
            )
        return splits

    @functools.cached_property
    def texts(self) -> dict[str, _Texts]:
        """By split, of those that have any."""
        return {
            split: self._read_texts(split, folders.texts)
            for split, folders in self.splits.items()
            if os.path.isdir(folders.texts)
        }

    def _read_texts(self, split: str, folder: str) -> _Texts:
        files, problems = scan(folder, (".txt",))
        paths = [stamp.path for stamp in files.values()]
        table, found = self.cached_table(split, files.values(), lambda: parse_files(paths).result())
        return _Texts(files, table, [*problems, *found])

    def open(self, split: str) -> TableSource:
        images, texts = self.splits[split]
        if not os.path.isdir(texts):
            text = f"The annotations of {images} are missing: there is no folder {texts}"
            raise DatasetError(text)
        return super().open(split)

    def read(self, split: str) -> Annotations:
        folders = self.splits[split]
        files, table, problems = self.texts[split]
        images, image_problems = scan(folders.images, IMAGE_SUFFIXES)
        problems = [*image_problems, *problems, *_pairing_problems(images, files)]
        if not images:
            text = f"contains no image ({', '.join(IMAGE_SUFFIXES)})"
            problems.append(Problem(folders.images, None, text))
        broken = {problem.path for problem in problems if problem.line is None}
        keys = [key for key in images if key in files and files[key].path not in broken]
        position = {key: i for i, key in enumerate(files)}
        return Annotations(
            table.of_images([position[key] for key in keys], keys),
            [files[key].path for key in keys],
            folders.images,
            problems,
            [images[key] for key in keys],
        )

    def categories(self, split: str) -> tuple[Sequence[str], list[Problem]]:
        path = os.path.join(self.path, CATEGORIES_FILE)
        if os.path.exists(path):
            return read_category_list(path)
        used = sorted({str(name) for texts in self.texts.values() for name in texts.table.names})
        if not used:
            problems = [p for texts in self.texts.values() for p in texts.problems]
            if problems:  # what hides the categories
                return (), problems
            text = "is needed, because no annotation has a category: write one name a line"
            return (), [Problem(path, None, text)]
        if not set(used) & set(LOCOUNT_CLASSES):
            return tuple(used), []
        cure = f"correct it, or write {path} (one name a line) if the categories are your own"
        problems = []
        for files, table, _ in self.texts.values():
            paths = [stamp.path for stamp in files.values()]
            problems += [
                Problem(paths[table.image[row]], int(table.line[row]), text)
                for row, text, _ in name_faults(table, LOCOUNT_CLASSES, cure)
            ]
        return LOCOUNT_CLASSES, problems

    @property
    def cure_of_names(self) -> str:
        return f"correct it, or add it to {os.path.join(self.path, CATEGORIES_FILE)}"

    def metadata_of(self, classes: Sequence[str]) -> dict[str, Any]:
        groups = {"thing_groups": list(LOCOUNT_GROUPS)} if classes == LOCOUNT_CLASSES else {}
        return {"thing_classes": list(classes), **groups}


def _pairing_problems(images: dict[str, FileStamp], texts: dict[str, FileStamp]) -> list[Problem]:
    """A problem for every annotation file without image, and image without annotation file."""
    kinds = ", ".join(IMAGE_SUFFIXES)
    problems = [
        Problem(texts[key].path, None, f"has no image {key} ({kinds}): add it, or remove the file")
        for key in texts.keys() - images.keys()
    ]
    problems += [
        Problem(
            images[key].path,
            None,
            f"has no annotation file {key}.txt: add it, empty if the image shows no product",
        )
        for key in images.keys() - texts.keys()
    ]
    return sorted(problems)


def write(dataset: Dataset, folder: Path) -> None:
    """Write ``Locount_GtTxts<Split>`` and ``categories.txt``."""
    for split_name, split in dataset.splits.items():
        texts = folder / f"Locount_GtTxts{split_name.capitalize()}"
        texts.mkdir()
        for record, name in zip(split.records, split.names, strict=True):
            path = (texts / name).with_suffix(".txt")
            path.parent.mkdir(parents=True, exist_ok=True)
            lines = []
            for annotation in record["annotations"]:
                box = (int(value) for value in corners(annotation))
                category = dataset.classes[annotation["category_id"]]
                lines.append(",".join(map(str, (*box, category, annotation["count"]))))
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    names = "".join(f"{name}\n" for name in dataset.classes)
    (folder / CATEGORIES_FILE).write_text(names, encoding="utf-8")
