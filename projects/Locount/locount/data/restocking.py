"""New photos from annotated ones: goods on their shelves give way to goods of other photos.

From a few photos a model learns by heart which goods are neighbors, and how many there are. Here
the shelves stay and the goods change. In a box whose items stand side by side each has a place;
what other boxes hold comes into some of these places, and the labels follow.
"""

from __future__ import annotations

import functools
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from detectron2.structures import BoxMode
from numpy.random import Generator
from tqdm import tqdm

from ..errors import InputError, listing
from ..files import new_folder
from ..shelf.rules import group
from .formats.convert import name_problems, read
from .formats.dataset import Corners, Dataset, Split, corners
from .formats.registry import FORMATS, source_of
from .images import open_picture

# How probable it is that goods stay where they are, though others could come.
STAY = 0.25
# By which factor the shape of an item, its width by its height, may differ from what is usual in
# its category, and from that of an item which it replaces.
USUAL, ALIKE = 1.5, 1.25
# Goods stay if another box shares more than this of an item's area with theirs.
SHARED = 0.2
# By which factor goods may be enlarged: blur would show that they were put there.
ENLARGED = 1.5
# By which factor goods may become brighter or darker, to look like those which they replace.
LIGHT = 1.4
# How often goods are drawn before those there stay.
TRIES = 12
SPLIT = "train"  # of what is written: such photos test nothing
_CACHED = 200  # photos in memory
_QUALITY = 95  # of JPEG files

Row = list["Goods"]


class Goods(NamedTuple):
    """What one box holds: items of one category, side by side.

    Attributes:
        photo: its position in the dataset.
        box: XYXY, in pixels.
        items: at least 1.
    """

    photo: int
    box: Corners
    category: int
    items: int

    @property
    def width(self) -> float:
        """Of an item."""
        return (self.box[2] - self.box[0]) / self.items

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]

    @property
    def shape(self) -> float:
        """The width of an item by its height."""
        return self.width / self.height

    def part(self, first: int, items: int) -> Goods:
        """So many of the items, from a position on."""
        x1, y1, x2, y2 = self.box
        left, right = first, self.items - first - items  # how many are left out there
        box = (x1 + left * self.width, y1, x2 - right * self.width, y2)
        return self._replace(box=box, items=items)


class Restocker:
    """The photos of a dataset with other goods on their shelves."""

    def __init__(self, records: Sequence[dict], seed: int, joined: bool = False) -> None:
        """
        Args:
            records: Detectron2's dataset dicts, with ``count`` in their annotations.
            seed: 0 or more; decides, with the dataset, what each number shows.
            joined: goods that come beside goods of their own category are one box with them;
                otherwise none come there.

        Raises:
            InputError: if goods of fewer than two categories can be moved, or the seed is below 0.
        """
        if seed < 0:
            raise InputError(f"seed {seed}: give 0 or more")
        self._records, self._seed, self._joined = records, seed, joined
        photos = [
            [Goods(i, corners(a), a["category_id"], a["count"]) for a in record["annotations"]]
            for i, record in enumerate(records)
        ]
        shapes = defaultdict(list)
        for goods in (goods for photo in photos for goods in photo):
            shapes[goods.category].append(goods.shape)
        usual = {category: float(np.median(values)) for category, values in shapes.items()}
        self._fixed: list[list[Goods]] = []
        self._rows: list[list[Row]] = []
        stock: dict[int, list[Goods]] = defaultdict(list)
        for photo in photos:
            stays = _overlapping(photo)
            stays |= np.array([_factor(g.shape, usual[g.category]) > USUAL for g in photo], bool)
            self._fixed.append([goods for goods, fixed in zip(photo, stays, strict=True) if fixed])
            movable = [goods for goods, fixed in zip(photo, stays, strict=True) if not fixed]
            self._rows.append(_rows(movable))
            for goods in movable:
                stock[goods.category].append(goods)
        if len(stock) < 2:
            raise InputError(
                "Goods give way to goods of another category, and fewer than two categories here "
                "have goods that can move (docs/augmentation.md): name a dataset of more "
                "categories, and write ?as=CATEGORY in DATASETS.TRAIN only"
            )
        self._stock = [stock[category] for category in sorted(stock)]
        # Between all categories alike and each as often as it is there.
        odds = np.sqrt([len(goods) for goods in self._stock])
        self._odds = odds / odds.sum()
        self._photo = functools.lru_cache(_CACHED)(self._read)

    def _read(self, photo: int) -> np.ndarray:
        return open_picture(self._records[photo]["file_name"], "BGR").pixels

    def restocked(self, number: int) -> tuple[np.ndarray, list[Goods]]:
        """A picture, H x W x 3, uint8, BGR, and what it shows.

        Args:
            number: from 0; as many in turn as there are photos show each photo's shelves once.

        Raises:
            DatasetError: for a photo that can't be read.
        """
        turn, place = divmod(number, len(self._records))
        order = np.random.default_rng([self._seed, 0, turn]).permutation(len(self._records))
        rng = np.random.default_rng([self._seed, 1, number])
        photo = int(order[place])
        picture = self._photo(photo).copy()
        shown = list(self._fixed[photo])
        for row in self._rows[photo]:
            shown += self._refilled(picture, row, rng)
        return picture, shown

    def _refilled(self, picture: np.ndarray, row: Row, rng: Generator) -> Row:
        """What a row holds when other goods have come to some of its places."""
        held: Row = []
        while row:
            drawn = None if rng.random() < STAY else self._draw(row, held, rng)
            if drawn is None:
                held.append(row[0])
                row = row[1:]
            else:
                replaced, row = _take(row, drawn.items)
                held.append(self._put(picture, replaced, drawn))
        if not self._joined:
            return held
        joined = held[:1]
        for goods in held[1:]:
            if goods.category == joined[-1].category:
                joined[-1] = goods._replace(
                    box=_around([joined[-1], goods]), items=joined[-1].items + goods.items
                )
            else:
                joined.append(goods)
        return joined

    def _draw(self, row: Row, held: Row, rng: Generator) -> Goods | None:
        """Goods that can take the first places of a row; None if none were found."""
        room = sum(goods.items for goods in row)
        for _ in range(TRIES):
            stock = self._stock[rng.choice(len(self._stock), p=self._odds)]
            goods = stock[rng.integers(len(stock))]
            items = min(goods.items, room)
            if rng.random() < 0.5:
                items = int(rng.integers(1, items + 1))
            replaced, rest = _take(row, items)
            beside = {other.category for other in (*held[-1:], *rest[:1])}
            if (self._joined or goods.category not in beside) and all(
                _factor(goods.shape, other.shape) <= ALIKE
                and other.height <= ENLARGED * goods.height
                for other in replaced
            ):
                return goods.part(int(rng.integers(goods.items - items + 1)), items)
        return None

    def _put(self, picture: np.ndarray, replaced: Row, goods: Goods) -> Goods:
        """Draw goods where as many others are; returns them in their new place."""
        box = _around(replaced)
        there = picture[_pixels(box)]
        patch = self._photo(goods.photo)[_pixels(goods.box)]
        smaller = there.shape[0] < patch.shape[0]
        patch = cv2.resize(
            patch, there.shape[1::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        )
        # Halfway to the light there: how bright goods are is their color too.
        light = math.sqrt(max(there.mean(), 1) / max(patch.mean(), 1))
        there[:] = cv2.convertScaleAbs(patch, alpha=min(max(light, 1 / LIGHT), LIGHT))
        return goods._replace(box=box)


def _factor(a: float, b: float) -> float:
    return max(a / b, b / a)


def _around(row: Row) -> Corners:
    x1, y1, x2, y2 = np.array([goods.box for goods in row]).T
    return float(x1.min()), float(y1.min()), float(x2.max()), float(y2.max())


def _whole(box: Corners) -> tuple[int, int, int, int]:
    """The smallest box of whole pixels around a box."""
    return math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])


def _pixels(box: Corners) -> tuple[slice, slice]:
    x1, y1, x2, y2 = _whole(box)
    return slice(y1, y2), slice(x1, x2)


def _take(row: Row, items: int) -> tuple[Row, Row]:
    """The first items of a row, of which there are enough, and the rest."""
    taken: Row = []
    row = list(row)
    while items:
        goods = row.pop(0)
        if goods.items > items:
            row.insert(0, goods.part(items, goods.items - items))
            goods = goods.part(0, items)
        taken.append(goods)
        items -= goods.items
    return taken, row


def _overlapping(photo: list[Goods]) -> np.ndarray:
    """Whether each box shares too much with another, (N,) bool."""
    boxes = np.array([goods.box for goods in photo]).reshape(-1, 4)
    sides = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    sides = (sides - np.maximum(boxes[:, None, :2], boxes[None, :, :2])).clip(min=0)
    item = np.array([goods.width * goods.height for goods in photo])
    shares = sides.prod(axis=2) / np.minimum(item[:, None], item[None])
    np.fill_diagonal(shares, 0)
    return (shares > SHARED).any(axis=1)


def _rows(goods: list[Goods]) -> list[Row]:
    """Neighbors without a gap between them, from left to right, whatever their categories."""
    fronts = np.array([g.part(i, 1).box for g in goods for i in range(g.items)]).reshape(-1, 4)
    labels = group(fronts, np.zeros(len(fronts)), "row")
    first = np.cumsum([0, *(g.items for g in goods)])[:-1]
    rows: dict[int, Row] = defaultdict(list)
    for g, label in zip(goods, labels[first].tolist(), strict=True):
        rows[label].append(g)
    return [sorted(row, key=lambda g: g.box[0]) for row in rows.values()]


def restock(name: str, out: Path, photos: int, seed: int = 1, joined: bool = False) -> Dataset:
    """Write new photos from those of a dataset, in Locount layout, into a new folder.

    Args:
        name: of the dataset, as in ``DATASETS.TRAIN``.
        photos: how many to write.
        seed, joined: as for :class:`Restocker`.

    Returns:
        What was written.

    Raises:
        InputError: if the dataset or the folder can't be used; nothing is written then.
    """
    source = source_of(name)
    if source is None:
        raise InputError(f"{name!r} is not the name of a dataset, such as locount:FOLDER:train")
    layout = FORMATS["locount"]
    dataset = read({SPLIT: source})
    names = [f"{number + 1:06d}.jpg" for number in range(photos)]
    written = Dataset(dataset.classes, {SPLIT: Split([], names)})
    if problems := list(name_problems(written, layout)):
        raise InputError(f"{layout.title} can't hold these names:\n{listing(problems)}")
    records = dataset.splits[SPLIT].records
    if any(a.get("iscrowd") for _, a in dataset.annotations()):
        raise InputError(
            f"{name} has crowd regions, whose goods have no places: leave them out with "
            "`locount convert --lossy crowds --to locount`, and name what that writes"
        )
    restocker = Restocker(records, seed, joined)
    with new_folder(out) as folder:
        images = folder / layout.images(SPLIT)
        images.mkdir()
        for number in tqdm(range(photos), "photos", disable=None):
            picture, shown = restocker.restocked(number)
            jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
            (images / names[number]).write_bytes(jpeg.tobytes())
            annotations = [
                {
                    "bbox": _whole(goods.box),
                    "bbox_mode": BoxMode.XYXY_ABS,
                    "category_id": goods.category,
                    "count": goods.items,
                }
                for goods in shown
            ]
            written.splits[SPLIT].records.append({"annotations": annotations})
        layout.write(written, folder)
    return written
