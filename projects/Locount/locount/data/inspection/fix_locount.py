"""A corrected copy of splits in Locount layout."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import cast

from ...errors import DatasetError
from ...texts import TextError, read_lines
from ..formats.base import Source
from ..formats.folders import scan
from ..formats.locount.categories import CATEGORIES_FILE
from ..formats.locount.txt import parse_line
from ..formats.table_place import TableSource
from ..images import IMAGE_SUFFIXES
from ..mending import Changes, mended_box
from .mending import copy_image, copy_tree


def fix_locount(
    splits: Sequence[Source],
    unreadable: Collection[str],
    turned: Collection[str],
    folder: Path,
) -> Changes:
    """Write the copy into an empty folder.

    Args:
        splits: of one root.
        unreadable, turned: paths of images to leave out, and to set upright.
    """
    changes = Changes(splits[0].path)
    for split in splits:
        _fix_split(split, unreadable, turned, folder, changes)
    _write_categories(splits[0], folder, changes)
    return changes


def _fix_split(
    split: Source,
    unreadable: Collection[str],
    turned: Collection[str],
    folder: Path,
    changes: Changes,
) -> None:
    # Those of this format are.
    folders = cast(TableSource, split).place.splits[split.split]
    images, texts = scan(folders.images, IMAGE_SUFFIXES)[0], scan(folders.texts, (".txt",))[0]
    text_size = {stamp.path: (0, 0) for stamp in texts.values()}
    for record in split.survey().records:
        text_size[record["annotation_file"]] = record["height"], record["width"]
    gone = set()
    for key, stamp in images.items():
        if stamp.path in unreadable:
            gone |= {stamp.path, *([texts[key].path] if key in texts else [])}

    def copy(source: str, target: str) -> None:
        if source in gone:
            kind = "annotations of the image" if source in text_size else "image"
            changes.add(source, "", kind, "", "the image can't be read")
        elif source in text_size:
            _fix_text(source, target, text_size[source], changes)
        else:
            copy_image(source, target, turned, changes)

    for source in folders:
        copy_tree(source, folder / os.path.basename(source), copy)


def _fix_text(source: str, target: str, size: tuple[int, int], changes: Changes) -> None:
    try:
        before_lines = read_lines(source)
    except TextError:  # stays wrong: what it was meant to say is anyone's guess
        shutil.copy2(source, target)
        return
    lines, changed = [], False
    seen: set[tuple] = set()
    for number, before in enumerate(before_lines, 1):
        after, why = _mended_line(before, size, seen)
        if why:
            changes.add(source, number, before, after or "", why)
            changed = True
        if after is not None:
            lines.append(after)
    if changed:
        Path(target).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    else:
        shutil.copy2(source, target)


def _mended_line(line: str, size: tuple[int, int], seen: set) -> tuple[str | None, str]:
    """The line as it should be, None if it goes, and why; "" if it stays as it is."""
    row = parse_line(line)
    if row is None:
        return line, ""
    x1, y1, x2, y2, name, count = row
    mended, why = mended_box((x1, y1, x2, y2), size)
    if mended is None:
        return None, why
    after = (*mended, name, count)
    if after in seen:
        return None, ", ".join(filter(None, [why, "says the same as an earlier line"]))
    seen.add(after)
    return (",".join(map(str, after)), why) if why else (line, "")


def _write_categories(split: Source, folder: Path, changes: Changes) -> None:
    """The same categories as before, although some of their boxes may be gone."""
    source = os.path.join(split.path, CATEGORIES_FILE)
    if os.path.exists(source):
        shutil.copy2(source, folder / CATEGORIES_FILE)
        return
    try:
        classes = split.metadata()["thing_classes"]
    except DatasetError:  # unknown as before: a name is wrong that only its owner can correct
        return
    (folder / CATEGORIES_FILE).write_text("".join(f"{name}\n" for name in classes), "utf-8")
    changes.add(source, "", "", f"{len(classes)} names", "keeps the ids of the categories")
