"""Folders in the layout of SKU-110K; every box is one item."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ....errors import DatasetError, Problem
from ...images import read_image, read_image_sizes
from ..dataset import Dataset, corners
from ..index_cache import file_stamp
from ..table_place import Annotations, TablePlace
from .rows import COLUMNS, parse_csv

_ANNOTATIONS = re.compile(r"annotations_(.+)\.csv")


def _read_sizes(paths: Sequence[str]) -> tuple[np.ndarray, dict[int, str]]:
    """:func:`read_image_sizes`, where a truncated image counts as unreadable."""
    sizes, faults = read_image_sizes(paths)
    readable = [i for i in range(len(paths)) if i not in faults]
    with ThreadPoolExecutor() as pool:
        texts = pool.map(_truncation, [paths[i] for i in readable])
        for i, text in zip(readable, texts, strict=True):
            if text:
                faults[i], sizes[i] = text, 0
    return sizes, faults


def _truncation(path: str) -> str | None:
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - 2))
        if file.read() == b"\xff\xd9":  # the end of a JPEG: no need to decode the image
            return None
    try:
        read_image(path)
    except DatasetError as error:
        return str(error).removeprefix(path).strip()
    return None


class Sku110kFolder(TablePlace):
    """``annotations/annotations_<split>.csv`` and, in ``images``, the images that they name."""

    format = "sku110k"
    tolerance = 0.0
    has_empty_images = False
    read_sizes = staticmethod(_read_sizes)
    images_are = "images"
    counts_are = "every box is one item"

    def find_splits(self) -> dict[str, str]:
        """The annotation file of each split."""
        folder = os.path.join(self.path, "annotations")
        entries = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        matches = filter(None, map(_ANNOTATIONS.fullmatch, entries))
        splits = {match[1]: os.path.join(folder, match[0]) for match in matches}
        if not splits:
            raise DatasetError(
                f"{self.path} is not in the layout of SKU-110K: it needs "
                "annotations/annotations_train.csv, or the same with val or test, and a folder "
                "images"
            )
        return splits

    def read(self, split: str) -> Annotations:
        path = self.splits[split]
        stamps = [file_stamp(path)]
        table, problems = self.cached_table(split, stamps, lambda: (*parse_csv(path), True))
        if not len(table.line):
            text = f"has no row that can be used: write {','.join(COLUMNS)}"
            problems.append(Problem(path, None, text))
        root = os.path.join(self.path, "images")
        return Annotations(table, [path] * len(table.images), root, problems)


def write(dataset: Dataset, folder: Path) -> None:
    """Write ``annotations/annotations_SPLIT.csv``."""
    (folder / "annotations").mkdir()
    for split_name, split in dataset.splits.items():
        path = folder / "annotations" / f"annotations_{split_name}.csv"
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            for record, name in zip(split.records, split.names, strict=True):
                size = record["width"], record["height"]
                for annotation in record["annotations"]:
                    box = (int(value) for value in corners(annotation))
                    category = dataset.classes[annotation["category_id"]]
                    writer.writerow([name, *box, category, *size])
