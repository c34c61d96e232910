"""Dataset dicts that are made when they are asked for, from columns.

As dicts, the boxes of a million images take gigabytes. Letters: F images, N boxes.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

import numpy as np


class Paths:
    """Names of files in one piece of memory, which processes that are forked go on sharing."""

    def __init__(self, paths: Iterable[str]) -> None:
        encoded = [path.encode("utf-8", "surrogatepass") for path in paths]
        self._ends = np.cumsum([0, *map(len, encoded)])
        self._text = b"".join(encoded)

    def item(self, place: int) -> str:
        text = self._text[self._ends[place] : self._ends[place + 1]]
        return text.decode("utf-8", "surrogatepass")


def same(value: Any, number: int) -> np.ndarray:
    """A column with one value, which takes no memory; the value stays the object that it is."""
    column = np.empty((), object)
    column[()] = value
    return np.broadcast_to(column, number)


class Records(Sequence[dict]):
    """Detectron2's dataset dicts, as a list that can't be changed: each is made anew."""

    def __init__(
        self,
        images: Mapping[str, Any],
        boxes: Mapping[str, np.ndarray],
        num_boxes: np.ndarray,
        order: np.ndarray | None = None,
    ) -> None:
        """
        Args:
            images: columns of F values by the keys of the dicts, arrays or :class:`Paths`.
            boxes: columns of N values by the keys of annotations; the boxes of an image follow each
                other, in the order of images.
            num_boxes: (F,) of each image.
            order: places of the images that are records; all of them by default.
        """
        self.images, self.boxes = images, boxes
        self._ends = np.concatenate([[0], np.cumsum(num_boxes)])
        self.num_images = len(num_boxes)
        self._order = np.arange(self.num_images) if order is None else order

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, place: int) -> dict: ...
    @overload
    def __getitem__(self, place: slice) -> list[dict]: ...
    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self[i] for i in range(len(self))[place]]
        image = int(self._order[place])
        rows = slice(*self._ends[image : image + 2].tolist())
        columns = [column[rows].tolist() for column in self.boxes.values()]
        record = {key: column.item(image) for key, column in self.images.items()}
        record["annotations"] = [
            dict(zip(self.boxes, row, strict=True)) for row in zip(*columns, strict=True)
        ]
        return record

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(other) != len(self):
            return False
        return all(map(operator.eq, self, other))

    def paths(self) -> list[str]:
        """The files of the images."""
        return list(map(self.images["file_name"].item, self._order.tolist()))

    def sizes(self) -> np.ndarray:
        """Height and width of each image."""
        return np.stack([self.images["height"], self.images["width"]], axis=1)[self._order]

    def take(self, places: Sequence[int] | np.ndarray) -> Records:
        """Some of the records, in this order; they share memory."""
        order = self._order[np.asarray(places, int)]
        return Records(self.images, self.boxes, np.diff(self._ends), order)

    def with_columns(
        self, images: Mapping[str, np.ndarray], boxes: Mapping[str, np.ndarray]
    ) -> Records:
        """More or other keys, with values for all images and boxes, chosen or not."""
        images, boxes = {**self.images, **images}, {**self.boxes, **boxes}
        return Records(images, boxes, np.diff(self._ends), self._order)

    def with_categories(self, new_id: Sequence[int | None]) -> Records:
        """With the new id of each category; boxes of those without one are left out."""
        new_ids = np.array([-1 if i is None else i for i in new_id], np.int32)
        ids = new_ids[self.boxes["category_id"]]
        boxes = {**self.boxes, "category_id": ids}
        kept = {key: column[ids >= 0] for key, column in boxes.items()}
        return Records(self.images, kept, self._per_image(ids >= 0), self._order)

    def num_objects(self) -> np.ndarray:
        """Of each record, how many boxes it has that are not crowds."""
        return self._per_image(self._are_objects())[self._order]

    def objects_by_category(self, num_categories: int) -> np.ndarray:
        """How many boxes that are not crowds are of each category."""
        times = np.bincount(self._order, minlength=self.num_images)  # that an image is chosen
        weights = self._are_objects() * np.repeat(times, np.diff(self._ends))
        return np.bincount(self.boxes["category_id"], weights, num_categories).astype(int)

    def _are_objects(self) -> np.ndarray:
        if "iscrowd" in self.boxes:
            return self.boxes["iscrowd"] == 0
        return np.ones(len(self.boxes["category_id"]), bool)

    def _per_image(self, of_boxes: np.ndarray) -> np.ndarray:
        return np.diff(np.concatenate([[0], np.cumsum(of_boxes)])[self._ends])
