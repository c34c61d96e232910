"""SKU-110K csv: one file a split, all images in one folder."""

from __future__ import annotations

import csv
from pathlib import Path

from ..sku110k import Sku110k
from ..sku110k_index import find_splits
from .dataset import Dataset, corners
from .entries import chosen_split
from .reading import no_image_root, read_sources


def read(source: str, split: str | None, image_root: str | None, skip_invalid: bool) -> Dataset:
    """Read the splits of a folder; its categories are the classes of all splits."""
    no_image_root(image_root, f"{source}/images")
    files = find_splits(source)
    if split is not None:
        files = {split: chosen_split(files, split, source)}
    sources = {name: Sku110k(source, name) for name in files}
    return read_sources({k: (sku, sku.image_root) for k, sku in sources.items()}, skip_invalid)


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
