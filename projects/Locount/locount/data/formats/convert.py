"""From one format to another: read, check, then write a new folder whole or not at all."""

from __future__ import annotations

import logging
import os
import posixpath
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from tqdm import tqdm

from ...coco import COUNT
from ...errors import DatasetError, InputError, Misfit, Problem, listing
from ...files import new_folder, to_csv
from ..images import IMAGE_SUFFIXES, orientation_text, read_orientations
from ..mending import CHANGES_FILE, COLUMNS, Changes
from .base import Reading, Source
from .dataset import Dataset, Split
from .limits import reduce_dataset
from .locount.categories import read_category_list
from .registry import FORMATS, PREFIXES, Format, guess_format, source_of

logger = logging.getLogger(__name__)


def convert(
    source: Path | str,
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
        source: its folder, one annotation file, or the name of a dataset.
        target: a new folder.
        to, from_: keys of ``FORMATS``; without ``from_`` the files in the source must show it.
        split: the only one to convert, or the split that a single file is.
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
        OSError: if it can't be written; then nothing of it is left.
    """
    aim = FORMATS[to]
    folder = source if os.path.isdir(source) else os.path.dirname(source)
    changes = Changes(os.fspath(folder)) if mend else None
    root = None if image_root is None else os.fspath(image_root)
    reading = Reading(split, root, count_attribute, changes)
    sources = _sources(os.fspath(source), from_, reading)
    try:
        dataset = read(sources, skip_invalid)
    except DatasetError as error:
        # Boxes that don't fit because of a tag are not to be "corrected" one by one.
        unfit = [problem for problem in error.problems if isinstance(problem, Misfit)]
        photos = (path for part in sources.values() for path in part.photos()) if unfit else ()
        turned = list(_turned(dict.fromkeys(photos)))
        if not turned:
            raise
        text = (
            f"{len(unfit)} boxes or sizes do not fit, maybe because of the orientation: fix "
            "these photos first"
        )
        others = [problem for problem in error.problems if problem not in unfit]
        others = [*turned, Problem(os.fspath(source), None, text), *others]
        raise DatasetError(error.title, others, error.max_errors) from error
    for problem in _turned(
        {r["file_name"]: None for p in dataset.splits.values() for r in p.records}
    ):
        logger.warning("%s", problem)
    if categories is not None:
        dataset = _with_categories(dataset, os.fspath(categories))
    dataset, losses = reduce_dataset(dataset, title=aim.title, holds=aim.holds, lossy=lossy)
    empty = [name for name, part in dataset.splits.items() if not part.records]
    if empty:
        raise InputError(
            f"No image is left in {', '.join(empty)}: choose other splits with --split"
        )
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


def _sources(source: str, from_: str | None, reading: Reading) -> dict[str, Source]:
    """What is to be converted, by the names of the splits."""
    if os.path.exists(source):
        place = FORMATS[from_ or guess_format(Path(source))].open(source, reading)
        splits = place.splits if reading.split is None else [reading.split]
        return {split: place.source(split) for split in splits}
    named = source_of(source)
    if named is None:
        forms = ", ".join(f"{prefix}:..." for prefix in PREFIXES)
        raise InputError(f"{source} does not exist, and is not the name of a dataset ({forms})")
    if from_ is not None or reading != Reading(reading.split):
        raise InputError(
            f"{source} is the name of a dataset, which says everything that is needed: leave out "
            "--from and --image-root, and write ?mend and ?count=NAME instead of --mend and "
            "--count-attribute"
        )
    return {reading.split or named.split: named}


def read(sources: Mapping[str, Source], skip_invalid: bool = False) -> Dataset:
    """The dataset that has these splits.

    Raises:
        DatasetError: for splits of different categories, and for what their sources say.
    """
    splits: dict[str, Split] = {}
    classes: dict[str, tuple[str, ...]] = {}
    for name, source in sources.items():
        classes[name] = tuple(source.metadata()["thing_classes"])
        records = list(source.load(skip_invalid=skip_invalid))
        names = [os.path.relpath(r["file_name"], source.image_root) for r in records]
        splits[name] = Split(records, [name.replace(os.sep, "/") for name in names])
    (first, listed), *others = classes.items()
    for name, other in others:
        if other != listed:
            raise DatasetError(
                f"The splits {first} and {name} have different categories: give both the same "
                "ones in the same order, or convert them one by one"
            )
    return Dataset(listed, splits)


def _turned(paths: Iterable[str]) -> Iterator[Problem]:
    paths = list(paths)
    for i, orientation in read_orientations(paths).items():
        yield Problem(paths[i], None, orientation_text(orientation))


def name_problems(dataset: Dataset, aim: Format) -> Iterator[str]:
    """Names that a format can't write so that they are read again as they were."""
    if not dataset.classes:
        yield "no category at all, because no box is left: list them in a file, --categories"
    for name in dataset.classes:
        if not aim.is_category(name):
            yield f"the category {name!r}: rename it"
    for split_name, split in dataset.splits.items():
        if not aim.is_split(split_name):
            yield f"the split {split_name!r}: give another name with --split"
        first: dict[str, str] = {}
        for name, number in Counter(split.names).items():
            if number > 1:
                yield f"the image {name!r} is there {number} times: join its entries in the source"
        for name in split.names:
            parts = name.split("/")
            if not name.isprintable() or name != name.strip() or posixpath.isabs(name):
                yield f"the image {name!r}: rename it"
            elif ".." in parts:
                yield f"the image {name!r}: it is not in the folder of images; move it there"
            elif aim.by_stem and not name.lower().endswith(IMAGE_SUFFIXES):
                yield f"the image {name!r}: make it one of {', '.join(IMAGE_SUFFIXES)}"
            elif aim.by_stem and any(part.startswith(".") or part == "__MACOSX" for part in parts):
                yield f"the image {name!r}: such files are not read; rename it"
            elif (
                aim.by_stem and (other := first.setdefault(os.path.splitext(name)[0], name)) != name
            ):
                yield f"the image {name!r} beside {other!r}: rename one of them"


def _with_categories(dataset: Dataset, path: str) -> Dataset:
    classes, problems = read_category_list(path)
    if problems:
        raise DatasetError(f"{path} is not a list of categories:", problems)
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
        posixpath.join(aim.images(split), name)
        for split, (_, names) in dataset.splits.items()
        for name in {os.path.splitext(name)[0] if aim.by_stem else name for name in names}
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
