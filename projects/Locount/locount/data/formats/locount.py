"""Locount layout: folders of images and of txt files for each split."""

from __future__ import annotations

from pathlib import Path

from ..category_list import CATEGORIES_FILE
from ..locount_folder import LocountFolder
from ..locount_layout import find_splits
from .dataset import Dataset, Reading, corners
from .entries import chosen_split
from .reading import read_sources


def read(source: str, reading: Reading) -> Dataset:
    """Read the splits of a folder; its categories are those of all splits."""
    reading.fixed(f"{source}/Locount_Images<Split>", counts="the sixth column has the counts")
    folders = find_splits(source)
    if reading.split is not None:
        folders = {reading.split: chosen_split(folders, reading.split, source)}
    sources = {
        name: (LocountFolder(source, name, mend=reading.mend), part.images)
        for name, part in folders.items()
    }
    return read_sources(sources, reading.skip_invalid)


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
