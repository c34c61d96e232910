"""Large photos in overlapping tiles, and what the tiles show put together with its counts.

Shapes: N detections, V views. A view is the whole photo or a tile of it; its region is XYXY in
pixels of the photo. Sides of boxes and regions are in the order of their numbers.

An object may continue beyond a border of a tile that is not the photo's. Its box is *cut* there,
and its count is that of a part. Views are merged in three steps that don't depend on their order:

1. A cut box is left out where another tile shows all of it and more beyond the cut: that tile says
   what is there.
2. What is left are parts of objects that no tile shows whole. Parts of one class in two tiles are
   of one object if they agree in what both tiles show. They become one box with their counts, where
   what several tiles show is counted once.
3. Of boxes of one class in which different views show the same goods one is kept: one that a view
   shows whole rather than one that is cut or joined, and else the one with the better score.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from detectron2.config import CfgNode
from detectron2.structures import Boxes, Instances

from ..errors import InputError
from ..evaluation.parts import outside_better

Tiles = str | int | tuple[int, int]

# Of its sides what a tile shares with the next one, at least.
OVERLAP = 0.25
# A box that ends so near to a tile's border, as a share of the tile, is cut there.
MARGIN = 0.01
# Boxes of two tiles are of one object if, in what both tiles show, they have this IoU.
AGREEMENT = 0.5
# Boxes of different views show the same goods if they share more than this part of the smaller one.
SAME = 0.6
# A box that is whole takes the place of one that is cut or joined if its score is not below this
# part of the other's.
LEAST_SCORE = 0.25

# "auto" enlarges a photo's pixels at most so much, and makes at most so many tiles along a side.
ENLARGED = 2
MOST_CLOSER = 4

_LEAST_SIDE = 32
_MOST_TILES = 100  # along a side of a photo
_LOW, _HIGH = slice(0, 2), slice(2, 4)
_OUTWARD = np.array([-1, -1, 1, 1])


@dataclass(frozen=True)
class Tiling:
    """How photos are cut into tiles.

    Attributes:
        size: sides of a tile in pixels, the larger one along the long side of the photo.
        number: of tiles along each side of a photo, where no size is given.
        item: side in pixels that items should have in the model's input; then each photo gets a
            number of tiles of its own.
        view: the model's input at most, short and long side; 0 for photos as they are.
    """

    size: tuple[int, int] = (0, 0)
    number: int = 0
    item: float = 0.0
    view: tuple[int, int] = (0, 0)

    def __str__(self) -> str:
        if self.item:
            return f"auto, items of {self.item:g} pixels"
        return f"{self.number} along each side" if self.number else "{}x{}".format(*self.size)

    @classmethod
    def of(cls, tiles: Tiles | None, cfg: CfgNode) -> Tiling | None:
        """What ``--tiles`` asks for; None for no tiles.

        Args:
            tiles: "none"; "auto" for as many as the items of a photo are small; how many along each
                side of a photo; or their size, as "1280x720" or as a pair. None: PREDICT.TILES.
            cfg: of the model.

        Raises:
            InputError: if it is none of these.
        """
        text = "x".join(map(str, tiles)) if isinstance(tiles, tuple) else str(tiles)
        if tiles is None:
            text = cfg.PREDICT.TILES
        if text == "none":
            return None
        if text == "auto":
            view = cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST
            return cls(item=cfg.PREDICT.ITEM_SIZE, view=view)
        if match := re.fullmatch(r"([0-9]{1,6})x([0-9]{1,6})", text):
            short, long = sorted(map(int, match.groups()))
            if short >= _LEAST_SIDE:
                return cls((long, short))
        elif re.fullmatch("[0-9]{1,3}", text) and 1 <= int(text) <= _MOST_TILES:
            return cls(number=int(text))
        raise InputError(
            f"{text!r} does not name tiles: give none, auto, how many along each side of a photo, "
            f"1 to {_MOST_TILES}, or their size, such as 1280x720 ({_LEAST_SIDE} pixels or more)"
        )

    def of_photo(self, height: int, width: int, boxes: np.ndarray, counts: np.ndarray) -> Tiling:
        """That of a photo, which has a size or a number.

        With "auto" so many tiles that half of the items are ``item`` large in them, as far as
        ENLARGED and MOST_CLOSER allow. Where the whole photo shows nothing it is looked at in two
        along each side.

        Args:
            boxes, counts: N x 4 and N, of what the whole photo shows.
        """
        if not self.item:
            return self
        largest = 1.0
        if self.view[0]:
            short, long = sorted((height, width))
            largest = max(short / self.view[0], long / self.view[1])
        # n tiles that share a part o of themselves are together n - (n - 1) o tiles long.
        closer = 2 - OVERLAP
        if len(boxes):
            sides = np.sqrt((boxes[:, _HIGH] - boxes[:, _LOW]).prod(axis=1) / counts)
            closer = self.item * largest / max(_median(sides, counts), 1e-9)
        closer = min(closer, ENLARGED * largest)
        number = math.ceil((closer - OVERLAP) / (1 - OVERLAP))
        return Tiling(number=min(max(number, 1), MOST_CLOSER))

    def regions(self, height: int, width: int) -> np.ndarray:
        """The tiles of a photo, all of one size: V x 4, int; none if one would hold all of it."""
        sides = np.array([width, height])
        tile = np.array(self.size if width >= height else self.size[::-1])
        if self.number:
            tile = np.ceil(sides / (self.number - (self.number - 1) * OVERLAP)).astype(int)
        tile = np.minimum(tile, sides)
        if (tile == sides).all():
            return np.empty((0, 4), dtype=int)
        starts = [_starts(s, t) for s, t in zip(sides.tolist(), tile.tolist(), strict=True)]
        corners = np.stack(np.meshgrid(*starts), axis=2).reshape(-1, 2)
        return np.concatenate([corners, corners + tile], axis=1)


def _median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(share, 0.5)])


def _starts(length: int, tile: int) -> np.ndarray:
    """Where the tiles begin that cover a length, evenly."""
    number = 1 + math.ceil((length - tile) / ((1 - OVERLAP) * tile))
    return np.linspace(0, length - tile, number).astype(int)


def merge(found: Sequence[Instances], regions: np.ndarray, size: tuple[int, int]) -> Instances:
    """What the views of one photo show, each object once.

    Args:
        found: of each view, with boxes in pixels of that view.
        regions: V x 4, whole numbers.
        size: height and width of the photo.

    Returns:
        Best score first, boxes in pixels of the photo. The score and the count score of a joined
        box are the least of its parts; other fields are those of its largest part.
    """
    every, views = _together(found, regions, size)
    boxes, scores = every.pred_boxes.tensor.numpy().astype(float), every.scores.numpy()
    cut = cut_sides(boxes, regions[views], size)
    alone = ~shown_better(boxes, cut, views, regions, size)
    parts = np.any(cut, axis=1)
    groups = same_object(
        np.flatnonzero(alone & parts), boxes, every.pred_classes.numpy(), scores, views, regions
    )
    for group in groups:
        alone[group] = False
    tile = (regions[:, _HIGH] - regions[:, _LOW]).min(axis=0)
    joined = [_join(every[group], tile) for group in groups]
    candidates = Instances.cat([every[alone], *joined])
    views = np.append(views[alone], len(regions) + np.arange(len(groups)))
    whole = np.append(~parts[alone], np.zeros(len(groups), dtype=bool))
    order = np.argsort(-candidates.scores.numpy(), kind="stable")
    order = order[~in_whole(candidates, whole)[order]]
    candidates = candidates[torch.from_numpy(order)]
    boxes, classes = candidates.pred_boxes.tensor.numpy(), candidates.pred_classes.numpy()
    return candidates[torch.from_numpy(outside_better(boxes, classes, SAME, views[order]))]


def _together(
    found: Sequence[Instances], regions: np.ndarray, size: tuple[int, int]
) -> tuple[Instances, np.ndarray]:
    """All detections in pixels of the photo, in an order that does not depend on that of the views,
    and the view of each."""
    moved = []
    for instances, (x, y) in zip(found, regions[:, _LOW].tolist(), strict=True):
        fields = instances.get_fields()
        boxes = fields["pred_boxes"].tensor + torch.tensor([x, y, x, y])
        moved.append(Instances(size, **{**fields, "pred_boxes": Boxes(boxes)}))
    all_ = Instances.cat(moved)
    views = np.repeat(np.arange(len(found)), [len(instances) for instances in found])
    keys = (*regions[views].T, all_.pred_classes, *all_.pred_boxes.tensor.T, -all_.scores)
    order = np.lexsort([np.asarray(key) for key in keys])
    return all_[torch.from_numpy(order)], views[order]


def cut_sides(boxes: np.ndarray, regions: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Which sides of the boxes are cut by their tile, whose regions are given: N x 4, bool."""
    return (abs(boxes - regions) <= _margins(regions)) & _inner(regions, size)


def _margins(regions: np.ndarray) -> np.ndarray:
    sides = regions[..., _HIGH] - regions[..., _LOW]
    return MARGIN * np.concatenate([sides, sides], axis=-1)


def _inner(regions: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Which borders of the regions are not the photo's."""
    return regions != (0, 0, *size[::-1])


def shown_better(
    boxes: np.ndarray,
    cut: np.ndarray,
    views: np.ndarray,
    regions: np.ndarray,
    size: tuple[int, int],
) -> np.ndarray:
    """Which boxes are cut and yet shown by another tile with more beyond a cut: N, bool.

    Where they are cut that tile reaches at least as far as theirs, and beyond in one direction; on
    the other sides it does not cut them.

    Args:
        cut: N x 4, see :func:`cut_sides`.
        views: N, positions in ``regions``.
    """
    better = np.zeros(len(boxes), dtype=bool)
    rows = np.flatnonzero(cut.any(axis=1))
    boxes, cut, own = boxes[rows], cut[rows], regions[views[rows]]
    for region in regions[_inner(regions, size).any(axis=1)]:
        further = _OUTWARD * (region - own)
        clear = (_OUTWARD * (region - boxes) > _margins(region)) | ~_inner(region, size)
        reaches = np.where(cut, further >= 0, clear).all(axis=1)
        better[rows] |= reaches & (cut & (further > 0)).any(axis=1)
    return better


def same_object(
    parts: np.ndarray,
    boxes: np.ndarray,
    classes: np.ndarray,
    scores: np.ndarray,
    views: np.ndarray,
    regions: np.ndarray,
) -> list[list[int]]:
    """Groups of two parts or more that are of one object.

    An object has one part in a tile at most. Certain parts, and those that agree best, come first.

    Args:
        parts: positions of the boxes that are parts.
    """
    of_view = {int(v): parts[views[parts] == v] for v in np.unique(views[parts])}
    seen = np.array(list(of_view), dtype=int)
    overlap = np.triu(_shared(regions[seen], regions[seen]) > 0, 1)
    links = []
    for a, b in seen[np.argwhere(overlap)].tolist():
        first, second = of_view[a], of_view[b]
        low = np.maximum(regions[a, _LOW], regions[b, _LOW])
        high = np.minimum(regions[a, _HIGH], regions[b, _HIGH])
        both = np.concatenate([low, high])
        ious = _ious(_clipped(boxes[first], both), _clipped(boxes[second], both))
        agree = (ious >= AGREEMENT) & (classes[first][:, None] == classes[second])
        for i, j in np.argwhere(agree).tolist():
            p, q = sorted((int(first[i]), int(second[j])))
            links.append((-min(scores[p], scores[q]), -ious[i, j], p, q))
    groups = {int(part): [int(part)] for part in parts}
    for *_, p, q in sorted(links):
        if set(views[groups[p]].tolist()).isdisjoint(views[groups[q]].tolist()):
            group = sorted(groups[p] + groups[q])
            groups |= dict.fromkeys(group, group)
    return [group for part, group in groups.items() if len(group) > 1 and group[0] == part]


def in_whole(instances: Instances, whole: np.ndarray) -> np.ndarray:
    """Which boxes are cut or joined and lie in one of their class that a view shows whole: N, bool.

    Args:
        whole: N, the boxes that a view shows whole.
    """
    boxes, areas = instances.pred_boxes.tensor.numpy(), instances.pred_boxes.area().numpy()
    scores, classes = instances.scores.numpy(), instances.pred_classes.numpy()
    lies = np.zeros(len(boxes), dtype=bool)
    for i in np.flatnonzero(~whole):  # a matrix could be large
        same = whole & (classes == classes[i]) & (scores >= LEAST_SCORE * scores[i])
        lies[i] = (_shared(boxes[[i]], boxes[same]) > SAME * areas[i]).any()
    return lies


def joined_count(boxes: np.ndarray, counts: np.ndarray, strip: np.ndarray) -> int:
    """The count of an object from those of its parts.

    The items of a part are spread evenly over its box, and where several parts show them they count
    once: that is the sum of the parts less what they show twice. Items that a strip is too narrow
    for are seen in part on both sides of it: an object is one item if every part is, and one item
    high if every part is.

    Args:
        boxes: P x 4, which overlap.
        counts: P.
        strip: width and height of what neighboring tiles share.
    """
    if counts.max() == 1:
        return 1
    sides = boxes[:, _HIGH] - boxes[:, _LOW]
    items = np.sqrt(sides.prod(axis=1) / counts)  # their sides, if they are squares
    once = (sides < 1.5 * items[:, None]).all(axis=0) & (items.mean() > strip)
    low, high = boxes[:, _LOW], boxes[:, _HIGH]
    low, high = np.where(once, low.min(axis=0), low), np.where(once, high.max(axis=0), high)
    x, y = (np.unique([low[:, axis], high[:, axis]]) for axis in (0, 1))
    inside_x = (low[:, :1] <= x[:-1]) & (x[1:] <= high[:, :1])
    inside_y = (low[:, 1:] <= y[:-1]) & (y[1:] <= high[:, 1:])
    covered = inside_y[:, :, None] & inside_x[:, None]
    areas = covered * np.diff(y)[:, None] * np.diff(x)
    own = (areas / np.maximum(covered.sum(axis=0), 1)).sum(axis=(1, 2)) / areas.sum(axis=(1, 2))
    return max(int(counts @ own + 0.5), int(counts.max()))


def _join(parts: Instances, tile: np.ndarray) -> Instances:
    """One box of the parts of an object, given the width and height of tiles."""
    boxes = parts.pred_boxes.tensor
    fields = parts[int(parts.pred_boxes.area().argmax())].get_fields()
    fields["pred_boxes"] = Boxes(
        torch.cat([boxes[:, :2].amin(dim=0), boxes[:, 2:].amax(dim=0)])[None]
    )
    for name in {"scores", "count_scores"} & fields.keys():
        fields[name] = parts.get(name).amin()[None]
    if parts.has("pred_counts"):
        counts = parts.pred_counts.numpy()
        count = joined_count(boxes.numpy().astype(float), counts, OVERLAP * tile)
        fields["pred_counts"] = torch.full_like(fields["pred_counts"], count)
    return Instances(parts.image_size, **fields)


def _clipped(boxes: np.ndarray, region: np.ndarray) -> np.ndarray:
    return boxes.clip(np.tile(region[_LOW], 2), np.tile(region[_HIGH], 2))


def _shared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Areas of the intersections: N x M."""
    low = np.maximum(a[:, None, _LOW], b[None, :, _LOW])
    high = np.minimum(a[:, None, _HIGH], b[None, :, _HIGH])
    return (high - low).clip(min=0).prod(axis=2)


def _ious(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """N x M; 0 of boxes without area."""
    areas = [(boxes[:, _HIGH] - boxes[:, _LOW]).prod(axis=1) for boxes in (a, b)]
    shared = _shared(a, b)
    return shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-9)
