"""A corrected copy of a COCO file with counts and its images."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, cast

from ...coco import BOX
from ...errors import InputError
from ...texts import read_json
from ..formats.base import Source
from ..formats.coco import Coco, mended_xywh
from ..image_paths import image_path
from ..mending import Changes
from .mending import copy_image


def fix_coco(
    sources: Sequence[Source], unreadable: Collection[str], turned: Collection[str], folder: Path
) -> Changes:
    """Write the copy into an empty folder: the file, and a folder of the images that it names.

    Args:
        sources: one of a COCO file.
        unreadable, turned: paths of images to leave out, and to set upright.

    Raises:
        InputError: for an image name that leads out of the folder of images.
    """
    source = cast(Coco, sources[0])  # those of this format are
    changes = Changes(os.path.dirname(os.path.abspath(source.path)))
    content = read_json(source.path)
    images, annotations = content["images"], content["annotations"]
    kept = _fix_images(source, images, unreadable, turned, folder, changes)
    by_id = _by_id(kept)
    gone = _by_id(images).keys() - by_id.keys()
    annotations = _fix_annotations(source, annotations, by_id, gone, changes)
    content |= {"images": kept, "annotations": annotations}
    with open(folder / os.path.basename(source.path), "w", encoding="utf-8") as file:
        json.dump(content, file)
    return changes


def _fix_images(
    source: Coco,
    images: list,
    unreadable: Collection[str],
    turned: Collection[str],
    folder: Path,
    changes: Changes,
) -> list:
    target_root = folder / os.path.basename(os.path.abspath(source.image_root))
    kept, copied = [], set()
    for i, image in enumerate(images):
        name = image.get("file_name") if isinstance(image, dict) else None
        try:
            path = image_path(source.image_root, name) if isinstance(name, str) else None
        except ValueError as error:
            raise InputError(f"{source.path}: images[{i}]: {name!r}: {error}") from error
        if path in unreadable:
            text = json.dumps(image)
            changes.add(source.path, f"images[{i}]", text, "", "the image can't be read")
            continue
        if path is None or not os.path.isfile(path):
            kept.append(image)
            continue
        name = os.path.relpath(path, source.image_root or ".")
        kept.append({**image, "file_name": name})
        if path in copied:
            continue
        target = target_root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        copy_image(path, str(target), turned, changes)
        copied.add(path)
    return kept


def _fix_annotations(
    source: Coco, annotations: list, images: dict, gone: Collection, changes: Changes
) -> list:
    """Correct the annotations of a file, and list the changes.

    Args:
        images: those that are kept, by their ids.
        gone: ids of the others.
    """
    kept = []
    seen: set[str] = set()
    for i, before in enumerate(annotations):
        image_id = before.get("image_id") if isinstance(before, dict) else None
        image_id = image_id if isinstance(image_id, int | float | str) else None
        if image_id in gone:
            after, why = None, "the image can't be read"
        else:
            after, why = _mended_annotation(before, images.get(image_id), seen)
        if why:
            text = json.dumps(after) if after else ""
            where = f"annotations[{i}]"
            changes.add(source.path, where, json.dumps(before), text, why)
        if after is not None:
            kept.append(after)
    return kept


def _mended_annotation(before: Any, image: dict | None, seen: set[str]) -> tuple[Any, str]:
    """The annotation as it should be, None if it goes, and why; "" if it stays as it is."""
    box: Any = before.get("bbox") if isinstance(before, dict) else None
    if not BOX.fits(box) or not all(map(isfinite, box)):
        return before, ""
    mended, why = mended_xywh(box, _size(image))
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


def _size(image: dict | None) -> tuple[int, int]:
    """Height and width that an image entry says; (0, 0) if it has none."""
    size: list[Any] = [(image or {}).get(key) for key in ("height", "width")]
    known = all(isinstance(n, int | float) and n > 0 for n in size)
    return (size[0], size[1]) if known else (0, 0)


def _by_id(images: list) -> dict:
    return {
        image["id"]: image
        for image in images
        if isinstance(image, dict) and isinstance(image.get("id"), int | float | str)
    }
