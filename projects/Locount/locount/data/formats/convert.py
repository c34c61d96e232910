"""From one format to another: read, check, then write a new folder whole or not at all."""

from __future__ import annotations

import logging
import os
import posixpath
import shutil
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from ...errors import InputError, listing
from ...files import new_folder, to_csv
from ..category_list import read_category_list
from ..counts import COUNT
from ..errors import DatasetError, Problem
from ..images import IMAGE_SUFFIXES, orientation_text, read_orientations
from ..mending import CHANGES_FILE, COLUMNS, Changes
from .dataset import Dataset, Reading, Split
from .limits import name_problems, reduce_dataset
from .registry import FORMATS, Format, guess_format

logger = logging.getLogger(__name__)


def convert(
    source: Path,
    target: Path,
    *,
    to: str,
    from_: str | None = None,
    split: str | None = None,
    image_root: Path | None = None,
    images: str = "copy",
    categories: Path | None = None,
    lossy: Collection[str] = (),
    skip_invalid: bool = False,
    mend: bool = False,
    count_attribute: str = COUNT,
) -> tuple[Dataset, list[str]]:
    """Write a dataset in another format.

    Args:
        source: its folder, or one annotation file.
        target: a new folder.
        to, from_: keys of ``FORMATS``; without ``from_`` the files in the source must show it.
        split: the only one to convert, or that which a single file holds.
        image_root: what the image names of a single file start from.
        images: ``copy`` them, ``link`` to them, or ``none``.
        categories: a file with the names of all categories in order, one a line; by default they
            are as the source has them.
        lossy: keys of ``LOSSES`` that may be lost where the format can't hold them.
        skip_invalid: leave out what is invalid, and log it, where the reader can.
        mend: swap reversed corners and cut boxes to their images; ``changes.csv`` lists them.
        count_attribute: what the count is called in the source, where boxes have attributes.

    Returns:
        What was written, and what was lost.

    Raises:
        InputError: if the source can't be used, its format is open, or the new format can't hold
            it; nothing is written then.
        OSError: if it can't be written; nothing is left of it then.
    """
    if not os.path.exists(source):
        raise InputError(f"{source} is not there")
    origin = FORMATS[from_ or guess_format(source)]
    aim = FORMATS[to]
    root = None if image_root is None else os.fspath(image_root)
    folder = source if source.is_dir() else source.parent
    changes = Changes(os.fspath(folder)) if mend else None
    reading = Reading(split, root, skip_invalid, count_attribute, changes)
    try:
        dataset = origin.read(os.fspath(source), reading)
    except DatasetError as error:
        # Boxes that don't fit because of a tag are not to be "corrected" one by one.
        turned = list(_turned(_photos_below(root or folder))) if error.problems else []
        if not turned:
            raise
        others = Problem(
            os.fspath(source),
            None,
            f"{len(error.problems)} boxes or sizes do not fit, which may come of the orientation: "
            "see to these photos first",
        )
        raise DatasetError(error.title, (*turned, others), error.max_errors) from error
    for problem in _turned(
        {r["file_name"]: None for p in dataset.splits.values() for r in p.records}
    ):
        logger.warning("%s", problem)
    if categories is not None:
        dataset = _with_categories(dataset, os.fspath(categories))
    dataset, losses = reduce_dataset(dataset, title=aim.title, holds=aim.holds, lossy=lossy)
    empty = [name for name, part in dataset.splits.items() if not part.records]
    if empty:
        raise InputError(f"No image is left in {', '.join(empty)}: choose other splits by --split")
    dataset = _with_unique_names(dataset, aim)
    problems = list(name_problems(dataset, aim))
    if problems:
        raise InputError(f"{aim.title} can't hold these names:\n{listing(problems)}")
    with new_folder(target) as folder:
        aim.write(dataset, folder)
        if changes is not None:
            (folder / CHANGES_FILE).write_bytes(to_csv(changes.rows, COLUMNS))
        if images != "none":
            _place_images(dataset, aim, folder, link=images == "link")
    return dataset, losses


def _photos_below(folder: str | Path) -> list[str]:
    paths = (path for path in Path(folder).rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(map(os.fspath, paths))


def _turned(paths: Iterable[str]) -> Iterator[Problem]:
    paths = list(paths)
    for i, orientation in read_orientations(paths).items():
        yield Problem(paths[i], None, orientation_text(orientation))


def _with_categories(dataset: Dataset, path: str) -> Dataset:
    classes, problems = read_category_list(path)
    if problems:
        raise DatasetError(f"{path} is no list of categories:", problems)
    used = {dataset.classes[a["category_id"]] for _, a in dataset.annotations()}
    missing = sorted(used.difference(classes))
    if missing:
        raise InputError(f"{path} lacks these categories: add them\n{listing(missing)}")
    position = {name: i for i, name in enumerate(classes)}
    for _, annotation in dataset.annotations():
        annotation["category_id"] = position[dataset.classes[annotation["category_id"]]]
    return dataset._replace(classes=classes)


def _with_unique_names(dataset: Dataset, aim: Format) -> Dataset:
    """Image names with their split in front, where two splits share a folder and a name."""
    places = [
        posixpath.join(aim.images(split), os.path.splitext(name)[0] if aim.by_stem else name)
        for split, (_, names) in dataset.splits.items()
        for name in set(names)
    ]
    if len(set(places)) == len(places):
        return dataset
    splits = {}
    for split, (records, names) in dataset.splits.items():
        parts = map(posixpath.split, names)
        renamed = [posixpath.join(folder, f"{split}_{name}") for folder, name in parts]
        splits[split] = Split(records, renamed)
    return dataset._replace(splits=splits)


def _place_images(dataset: Dataset, aim: Format, folder: Path, *, link: bool) -> None:
    files = [
        (record["file_name"], folder / aim.images(split_name) / name)
        for split_name, split in dataset.splits.items()
        for record, name in zip(split.records, split.names, strict=True)
    ]
    for source, target in tqdm(files, "images", disable=None):
        target.parent.mkdir(parents=True, exist_ok=True)
        if link:
            target.symlink_to(os.path.abspath(source))
        else:
            shutil.copyfile(source, target)
