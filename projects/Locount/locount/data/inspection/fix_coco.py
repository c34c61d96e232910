"""A corrected copy of a COCO file with counts and its images."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path

from ...errors import InputError
from ..coco_checks import images_by_id, is_integer, mended_annotation
from ..coco_json import CocoJson
from ..formats.base import Source
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
    source: CocoJson = sources[0].json
    changes = Changes(os.path.dirname(os.path.abspath(source.json_file)))
    images = _fix_images(source, unreadable, turned, folder, changes)
    content = {**source.content, "images": images}
    content["annotations"] = _fix_annotations(source, images, changes)
    with open(folder / os.path.basename(source.json_file), "w", encoding="utf-8") as file:
        json.dump(content, file)
    return changes


def _fix_images(
    source: CocoJson,
    unreadable: Collection[str],
    turned: Collection[str],
    folder: Path,
    changes: Changes,
) -> list[dict]:
    target_root = folder / os.path.basename(os.path.abspath(source.image_root))
    kept, copied = [], set()
    for i, image in enumerate(source.content["images"]):
        name = image.get("file_name")
        try:
            path = image_path(source.image_root, name) if isinstance(name, str) else None
        except ValueError as error:
            raise InputError(f"{source.json_file}: images[{i}]: {name!r}: {error}") from error
        if path in unreadable:
            text = json.dumps(image)
            changes.add(source.json_file, f"images[{i}]", text, "", "the image can't be read")
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


def _fix_annotations(source: CocoJson, kept_images: list[dict], changes: Changes) -> list[dict]:
    all_images, images = images_by_id(source.content["images"]), images_by_id(kept_images)
    kept, seen = [], set()
    for i, before in enumerate(source.content["annotations"]):
        image_id = before.get("image_id")
        known = is_integer(image_id) and image_id in all_images
        if known and image_id not in images:
            after, why = None, "the image can't be read"
        else:
            after, why = _mended_annotation(before, images[image_id] if known else None, seen)
        if why:
            text = json.dumps(after) if after else ""
            where = f"annotations[{i}]"
            changes.add(source.json_file, where, json.dumps(before), text, why)
        if after is not None:
            kept.append(after)
    return kept


def _mended_annotation(before: dict, image: dict | None, seen: set[str]) -> tuple[dict | None, str]:
    """The annotation as it should be, None if it goes, and why; "" if it stays as it is."""
    after, why = mended_annotation(before, image)
    if after is None:
        return None, why
    said = json.dumps({k: v for k, v in after.items() if k != "id"}, sort_keys=True)
    if said in seen:
        return None, ", ".join(filter(None, [why, "says the same as an earlier annotation"]))
    seen.add(said)
    return after, why
