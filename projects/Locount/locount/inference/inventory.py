"""Tables of what is where, from the entries of a run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from math import inf, nan
from pathlib import Path
from typing import Any

import msgspec

from ..calibration import Total
from ..class_names import Classes
from ..coco import IMAGES, PREDICTIONS
from ..data.images import UPRIGHT
from ..files import to_csv, write_bytes
from .journal import Detection, Entry


@dataclass
class Tally:
    """Boxes of one category.

    Attributes:
        instances: the sum of their counts.
        lowest_confidence: the least score of a box; NaN without boxes.
        lowest_count_confidence: the least score of a count; NaN without boxes or count scores.
    """

    category: str
    group: str
    boxes: int = 0
    instances: int = 0
    lowest_confidence: float = nan
    lowest_count_confidence: float = nan

    def add(self, detection: Detection) -> None:
        self.boxes += 1
        self.instances += detection.count
        self.lowest_confidence = _lower(self.lowest_confidence, detection.score)
        self.lowest_count_confidence = _lower(self.lowest_count_confidence, detection.count_score)


COLUMNS = tuple(field.name for field in fields(Tally))


def write_tables(entries: Iterable[Entry], classes: Classes, folder: Path) -> list[dict[str, Any]]:
    """Write images.json, predictions.json, inventory.csv and totals.csv; with intervals photos.csv,
    too.

    A photo without a box has one row without category in inventory.csv. The interval of a photo
    that was looked at in tiles is empty. There are none of sums over photos: those of the photos
    don't add up.

    Returns:
        The rows of totals.csv, one for each class: COLUMNS and ``photos``.
    """
    images, results, inventory, of_photos = [], [], [], []
    calibrated = False
    totals = _tallies((), classes)
    photos = dict.fromkeys(totals, 0)
    for entry in entries:
        images.append(
            {
                "id": entry.image_id,
                "file_name": entry.file_name,
                "height": entry.height,
                "width": entry.width,
                **({"picture": entry.picture} if entry.picture else {}),
                **({"orientation": entry.orientation} if entry.orientation != UPRIGHT else {}),
                **({"totals": entry.totals} if entry.totals else {}),
            }
        )
        for detection in entry.detections:
            # Encoded at once, for there can be millions.
            found = {"image_id": entry.image_id} | msgspec.structs.asdict(detection)
            del found["category"]
            line = {key: value for key, value in found.items() if value is not None}
            results.append(msgspec.json.encode(line))
            totals[detection.category_id].add(detection)
        own = {i: t for i, t in _tallies(entry.detections, classes).items() if t.boxes}
        for category_id in own:
            photos[category_id] += 1
        total = entry.totals
        calibrated |= total is not None
        of_photo = _interval(total.photo if total else None)
        by_category = total.categories if total else {}
        rows = [_row(t) | _interval(by_category.get(i)) for i, t in own.items()]
        rows = rows or [_row(Tally("", "")) | of_photo]
        inventory += [{"photo": entry.file_name, **row} for row in rows]
        of_photos.append(
            {
                "photo": entry.file_name,
                "boxes": len(entry.detections),
                "instances": sum(tally.instances for tally in own.values()),
                **of_photo,
                "level": total.level if total else nan,
            }
        )
    rows = [{**_row(tally), "photos": photos[i]} for i, tally in totals.items()]
    categories = [{"id": i, "name": n, "supercategory": g} for i, n, g in _labels(classes)]
    content = {
        IMAGES: msgspec.json.encode({"images": images, "categories": categories}),
        PREDICTIONS: b"[" + b",\n".join(results) + b"]",
        "inventory.csv": to_csv(
            inventory, ("photo", *COLUMNS, *(_interval(None) if calibrated else ()))
        ),
        "totals.csv": to_csv(rows, (*COLUMNS, "photos")),
    }
    if calibrated:
        content["photos.csv"] = to_csv(of_photos, of_photos[0])
    for name, data in content.items():
        write_bytes(folder / name, data)
    return rows


def _tallies(detections: Iterable[Detection], classes: Classes) -> dict[int, Tally]:
    """Of each category by its id, in the order of the classes."""
    tallies = {i: Tally(n, g) for i, n, g in _labels(classes)}
    for detection in detections:
        tallies[detection.category_id].add(detection)
    return tallies


def _labels(classes: Classes) -> Iterable[tuple[int, str, str]]:
    return zip(classes.ids, classes.names, classes.groups, strict=True)


def _row(tally: Tally) -> dict[str, Any]:
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in vars(tally).items()}


def _interval(total: Total | None) -> dict[str, float]:
    low, high = (total.low, total.high) if total else (nan, nan)
    return {"instances_low": low, "instances_high": high}


def _lower(lowest: float, score: float | None) -> float:
    """The lower of two; NaN and None count as missing."""
    return lowest if score is None else min(inf if lowest != lowest else lowest, score)
