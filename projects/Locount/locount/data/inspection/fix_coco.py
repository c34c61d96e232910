"""A corrected copy of a COCO file with counts and its images."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from math import isfinite
from typing import Any, cast

from ...coco import BOX
from ...errors import InputError
from ...texts import read_json
from ..formats.base import Source
from ..formats.coco import Coco, mended_xywh
from ..formats.image_files import image_path
from .copying import UNREADABLE, Copy

Size = tuple[int, int]  # height and width, 0 where unknown
Sizes = dict[int | float | str | None, Size | None]  # by the id of an image


def fix_coco(sources: Sequence[Source], copy: Copy) -> None:
    """Write the copy of a COCO file: the file, and a folder of the images that it names.

    Raises:
        InputError: for a file without the lists of images and annotations, and an image name that
            leads out of the folder of images.
    """
    source = cast(Coco, sources[0])  # those of this format are
    content = read_json(source.path)
    for key in ("images", "annotations"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise InputError(f'{source.path} has no list "{key}": there is nothing to correct')
    content["images"], size_of = _fix_images(source, content["images"], copy)
    content["annotations"] = _fix_annotations(source, content["annotations"], size_of, copy)
    with open(copy.folder / os.path.basename(source.path), "w", encoding="utf-8") as file:
        json.dump(content, file)


def _fix_images(source: Coco, images: list, copy: Copy) -> tuple[list, Sizes]:
    """The images that are kept, and the size of each; None for those that are gone."""
    root = copy.folder / os.path.basename(os.path.abspath(source.image_root))
    kept, copied = [], set()
    size_of: Sizes = {}
    for i, image in enumerate(images):
        name, image_id = _get(image, "file_name"), _get(image, "id")
        try:
            path = image_path(source.image_root, name) if isinstance(name, str) else ""
        except ValueError as error:
            raise InputError(f"{source.path}: images[{i}]: {name!r}: {error}") from error
        if path in copy.unreadable:
            copy.changes.add(source.path, f"images[{i}]", json.dumps(image), "", UNREADABLE)
            size_of.setdefault(image_id, None)
            continue
        if os.path.isfile(path):
            name = os.path.relpath(path, source.image_root or ".")
            image = {**image, "file_name": name}
            target = root / name
            if path not in copied:
                target.parent.mkdir(parents=True, exist_ok=True)
                copy.image(path, str(target))
                copied.add(path)
        kept.append(image)
        size_of[image_id] = _size(image)
    return kept, size_of


def _fix_annotations(source: Coco, annotations: list, size_of: Sizes, copy: Copy) -> list:
    kept = []
    seen: set[str] = set()
    for i, before in enumerate(annotations):
        image_id = _get(before, "image_id")
        size = (0, 0) if image_id is None else size_of.get(image_id, (0, 0))
        after, why = (None, UNREADABLE) if size is None else _mended(before, size, seen)
        if why:
            text = json.dumps(after) if after else ""
            copy.changes.add(source.path, f"annotations[{i}]", json.dumps(before), text, why)
        if after is not None or not why:
            kept.append(after)
    return kept


def _mended(before: Any, size: Size, seen: set[str]) -> tuple[Any, str]:
    """The annotation as it should be, None if it goes, and why; "" if it stays as it is."""
    box: Any = before.get("bbox") if isinstance(before, dict) else None
    if not BOX.fits(box) or not all(map(isfinite, box)):
        return before, ""
    mended, why = mended_xywh(box, size)
    if mended is None:
        return None, why
    after = before
    if why:
        after = {**before, "bbox": mended}
        if before.get("area") == box[2] * box[3]:  # of the box, and not of a mask
            after["area"] = mended[2] * mended[3]
    said = json.dumps({k: v for k, v in after.items() if k != "id"}, sort_keys=True)
    if said in seen:
        return None, ", ".join(filter(None, [why, "says the same as an earlier annotation"]))
    seen.add(said)
    return after, why


def _get(entry: Any, key: str) -> int | float | str | None:
    """A plain value of an object; None where there is none."""
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, int | float | str) else None


def _size(image: Any) -> Size:
    size: Any = _get(image, "height"), _get(image, "width")
    return size if all(isinstance(n, int | float) and n > 0 for n in size) else (0, 0)
