"""The annotations of a split as columns, and the checks of boxes that all formats share.

Columns are arrays, because a split of Locount has 570,000 boxes and one of SKU-110K 1.2 million.
Letters: F images, N boxes, K names of categories.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from detectron2.structures import BoxMode

from ...counting import MAX_COUNT
from ..mending import mended_box
from .records import same

NO_COUNT = np.iinfo(np.int32).min


class Table(NamedTuple):
    """What annotation files say, checked for its form only.

    Attributes:
        images: (F,) str, what the files call the images.
        image_line: (F,) int32 line that an image is in, from 1; 0 for none.
        size: (F, 2) float64 height and width that are written; NaN where none are.
        image: (N,) int32 position of each box's image.
        line: (N,) int32 line that a box is in, from 1.
        box: (N, 4) float64 x1, y1, x2, y2, in pixels or in fractions of the image.
        category: (N,) int32 position in ``names``.
        count: (N,) int32; NO_COUNT where none is written.
        repeated: (N,) bool, whether an earlier line of the same image says the same.
        names: (K,) str, the names of the categories.
        numbers: names of numbers beside boxes, one for each box that has it.
    """

    images: np.ndarray
    image_line: np.ndarray
    size: np.ndarray
    image: np.ndarray
    line: np.ndarray
    box: np.ndarray
    category: np.ndarray
    count: np.ndarray  # type: ignore[assignment]  # hides tuple's method
    repeated: np.ndarray
    names: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(
        cls,
        images: Sequence[tuple[str, int, tuple[float, float] | None]],
        boxes: np.ndarray,
        names: Sequence[str],
        numbers: Sequence[str] = (),
    ) -> Table:
        """A table from lists of tuples.

        Args:
            images: name, line, and width and height that are written.
            boxes: (N, 8) columns image, line, x1, y1, x2, y2, category, count.
        """
        boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 8)
        image, line, category, count = boxes[:, [0, 1, 6, 7]].T.astype(np.int32)
        said = np.delete(boxes, 1, axis=1)
        order = np.lexsort(said.T)  # stable: the first of equal ones stays the first
        repeated = np.zeros(len(boxes), dtype=bool)
        repeated[order[1:]] = (said[order[1:]] == said[order[:-1]]).all(axis=1)
        sizes = [(np.nan, np.nan) if size is None else size[::-1] for *_, size in images]
        return cls(
            images=np.array([name for name, *_ in images], dtype=str),
            image_line=np.array([line for _, line, _ in images], dtype=np.int32),
            size=np.array(sizes, dtype=np.float64).reshape(-1, 2),
            image=image,
            line=line,
            box=np.ascontiguousarray(boxes[:, 2:6]),
            category=category,
            count=count,
            repeated=repeated,
            names=np.array(names, dtype=str),
            numbers=np.array(numbers, dtype=str),
        )

    def boxes_at(self, rows: np.ndarray) -> Table:
        """The table with some of its boxes, in the given order."""
        columns = ("image", "line", "box", "category", "count", "repeated")
        return self._replace(**{column: getattr(self, column)[rows] for column in columns})

    def of_images(self, old: Sequence[int | None], names: Sequence[str] | None = None) -> Table:
        """The boxes of other images, each of which was at a place of this table or is new (None).

        Args:
            names: of the images, about which nothing else is known then; by default they stay.
        """
        order = np.argsort(self.image, kind="stable")
        ends = np.searchsorted(self.image[order], np.arange(len(self.images) + 1))
        none = order[:0]
        rows = [none if i is None else order[ends[i] : ends[i + 1]] for i in old]
        table = self.boxes_at(np.concatenate([none, *rows]))._replace(
            image=np.repeat(np.arange(len(rows), dtype=np.int32), list(map(len, rows)))
        )
        if names is None:
            columns = {c: getattr(self, c)[list(old)] for c in ("images", "image_line", "size")}
            return table._replace(**columns)
        return table._replace(
            images=np.array(names, dtype=str),
            image_line=np.zeros(len(names), dtype=np.int32),
            size=np.full((len(names), 2), np.nan),
        )


def mended(
    table: Table, sizes: np.ndarray, tolerance: float
) -> Iterator[tuple[int, tuple[float, ...], str]]:
    """Boxes with their corners swapped or cut to their image: row, box after it, and why.

    Boxes that would vanish are not among them. Arguments as below.
    """
    x1, y1, x2, y2 = table.box.T
    wrong = (x1 > x2) | (y1 > y2) | _is_outside(table, sizes, tolerance)
    for i in np.flatnonzero(wrong).tolist():
        size = tuple(sizes[table.image[i]].tolist())
        after, why = mended_box(tuple(table.box[i].tolist()), size, tolerance)
        if after is not None:
            yield i, after, why


def _is_outside(table: Table, sizes: np.ndarray, tolerance: float) -> np.ndarray:
    x, y = table.box[:, ::2], table.box[:, 1::2]
    height, width = sizes[table.image].T
    over = (x.max(axis=1, initial=0) - width > tolerance) | (
        y.max(axis=1, initial=0) - height > tolerance
    )
    return ((table.box < -tolerance).any(axis=1) | over) & (width > 0)


class Fault(NamedTuple):
    """What is wrong with a box.

    Attributes:
        misfit: the problem is a :class:`locount.errors.Misfit`.
    """

    row: int
    text: str
    misfit: bool = False


def box_faults(table: Table, sizes: np.ndarray, tolerance: float, num_counts: int) -> list[Fault]:
    """Impossible boxes and counts, in the order of rows.

    Args:
        sizes: (F, 2) height and width of each image, 0 where unknown.
        tolerance: how far a box may reach outside, in pixels.
        num_counts: how many boxes of the dataset have a count: all must if one has.
    """
    x1, y1, x2, y2 = table.box.T
    mend = "(?mend in a dataset's name, convert --mend)"
    outside = _is_outside(table, sizes, tolerance)
    reversed_ = (x1 > x2) | (y1 > y2)
    found = {
        "the box {box} (left, top, right, bottom) is reversed, as one that was dragged over its "
        f"own corner (negative width or height): swap the corners {mend}": reversed_,
        "the box {box} (left, top, right, bottom) has no area: correct or delete it": (
            ~reversed_ & ((x1 == x2) | (y1 == y2))
        ),
        "the box {box} (left, top, right, bottom) reaches outside its image of {width}x{height} "
        "pixels: check whether it belongs to another image, or cut it to this one "
        f"{mend}": outside,
        f"the count is {{count}}: write a whole number from 1 to {MAX_COUNT}": (
            (table.count != NO_COUNT) & ((table.count < 1) | (table.count > MAX_COUNT))
        ),
        f"count is missing, though {num_counts} box(es) have one: add it here, or remove it "
        "everywhere for single items": (table.count == NO_COUNT) & bool(num_counts),
    }
    faults = []
    for text, mask in found.items():
        for i in np.flatnonzero(mask).tolist():
            height, width = sizes[table.image[i]].tolist()
            values = {"height": height, "width": width, "count": table.count[i]}
            text_of_box = text.format(box=box_text(table.box[i].tolist()), **values)
            faults.append(Fault(i, text_of_box, mask is outside))
    return sorted(faults, key=lambda fault: fault.row)


def box_text(box: Sequence[float], separator: str = ", ") -> str:
    return separator.join(f"{v:.0f}" if v == int(v) else f"{v:g}" for v in box)


def name_faults(table: Table, classes: Sequence[str], cure: str) -> list[Fault]:
    """Boxes of an unknown category; the text asks for the nearest name."""
    known = set(classes)
    texts = {}
    for i, name in enumerate(table.names.tolist()):
        if not name.strip():
            texts[i] = "the box has no category: name one"
        elif name not in known:
            near = difflib.get_close_matches(name, classes, n=1)
            hint = f" (is it {near[0]!r}?)" if near else ""
            texts[i] = f"unknown category {name!r}{hint}: {cure}"
    rows = np.flatnonzero(np.isin(table.category, list(texts)))
    return [Fault(row, texts[int(table.category[row])]) for row in rows.tolist()]


def class_ids(table: Table, classes: Sequence[str]) -> np.ndarray:
    """(N,) position of each box's category in the classes, -1 for unknown ones."""
    position = {name: i for i, name in enumerate(classes)}
    ids = np.array([position.get(name, -1) for name in table.names.tolist()], dtype=int)
    return ids[table.category]


def box_columns(table: Table, classes: Sequence[str], with_lines: bool) -> dict[str, np.ndarray]:
    """Detectron2's annotations, with ``count``, and ``line`` if that is asked for, as columns.

    The categories are known.
    """
    # No "iscrowd": 0 is its default, and a sixth key would make each dict half as large again.
    return {
        "bbox": table.box,
        "bbox_mode": same(BoxMode.XYXY_ABS, len(table.box)),
        "category_id": class_ids(table, classes).astype(np.int32),
        "count": np.where(table.count == NO_COUNT, 1, table.count),
        **({"line": table.line} if with_lines else {}),
    }
