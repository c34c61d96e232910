"""SKU-110K csv: one file a split, all images in one folder."""

from __future__ import annotations

import csv
from pathlib import Path

from ..sku110k import Sku110k
from ..sku110k_index import find_splits
from .dataset import Dataset, Reading, corners
from .entries import chosen_split
from .reading import read_sources


def read(source: str, reading: Reading) -> Dataset:
    """Read the splits of a folder; its categories are the classes of all splits."""
    reading.fixed(f"{source}/images", counts="every box is one item")
    files = find_splits(source)
    if reading.split is not None:
        files = {reading.split: chosen_split(files, reading.split, source)}
    sources = {name: Sku110k(source, name, mend=reading.mend) for name in files}
    roots = {name: (sku, sku.image_root) for name, sku in sources.items()}
    return read_sources(roots, reading.skip_invalid)


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
