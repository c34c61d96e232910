"""A corrected copy of splits in Locount layout."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
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
from .copying import UNREADABLE, Copy


def fix_locount(splits: Sequence[Source], copy: Copy) -> None:
    """Write the copy of splits of one root."""
    for split in splits:
        _fix_split(split, copy)
    _write_categories(splits[0], copy)


def _fix_split(split: Source, copy: Copy) -> None:
    # Those of this format are.
    folders = cast(TableSource, split).place.splits[split.split]
    images, texts = scan(folders.images, IMAGE_SUFFIXES)[0], scan(folders.texts, (".txt",))[0]
    size_of = {stamp.path: (0, 0) for stamp in texts.values()}
    for record in split.survey().records:
        size_of[record["annotation_file"]] = record["height"], record["width"]
    unreadable = [key for key, stamp in images.items() if stamp.path in copy.unreadable]
    gone = {texts[key].path for key in unreadable if key in texts}

    def copy_file(source: str, target: str) -> None:
        if source in gone:
            copy.changes.add(source, "", "annotations of the image", "", UNREADABLE)
        elif source in size_of:
            _fix_text(source, target, size_of[source], copy.changes)
        else:
            copy.image(source, target)

    for folder in folders:
        copy.tree(folder, copy_file)


def _fix_text(source: str, target: str, size: tuple[int, int], changes: Changes) -> None:
    try:
        before_lines = read_lines(source)
    except TextError:  # stays wrong: what it was meant to say is anyone's guess
        before_lines = []
    lines = []
    seen: set[tuple] = set()
    for number, before in enumerate(before_lines, 1):
        after, why = _mended_line(before, size, seen)
        if why:
            changes.add(source, number, before, after or "", why)
        if after is not None:
            lines.append(after)
    if lines != before_lines:
        Path(target).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    else:
        shutil.copy2(source, target)


def _mended_line(line: str, size: tuple[int, int], seen: set) -> tuple[str | None, str]:
    """The line as it should be, None if it goes, and why; "" if it stays as it is."""
    row = parse_line(line)
    if row is None:
        return line, ""
    mended, why = mended_box(row[:4], size)
    if mended is None:
        return None, why
    after = (*mended, *row[4:])
    if after in seen:
        return None, ", ".join(filter(None, [why, "says the same as an earlier line"]))
    seen.add(after)
    return (",".join(map(str, after)), why) if why else (line, "")


def _write_categories(split: Source, copy: Copy) -> None:
    """The same categories as before, although some of their boxes may be gone."""
    source, target = os.path.join(split.path, CATEGORIES_FILE), copy.folder / CATEGORIES_FILE
    if os.path.exists(source):
        shutil.copy2(source, target)
        return
    try:
        classes = split.metadata()["thing_classes"]
    except DatasetError:  # unknown as before: a name is wrong that only its owner can correct
        return
    target.write_text("".join(f"{name}\n" for name in classes), "utf-8")
    copy.changes.add(source, "", "", f"{len(classes)} names", "keeps the ids of the categories")
