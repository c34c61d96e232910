"""Anchors that suit a dataset: k-means on 1 - IoU of widths and heights.

The centers are what Detectron2's DefaultAnchorGenerator can express: on each level of the pyramid
every one of its sizes with every one of its aspect ratios.

Shape shorthand: N boxes, L levels, S sizes and R aspect ratios on each, K = L·S·R anchors.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from detectron2.config import CfgNode
from detectron2.data.transforms import ResizeShortestEdge
from detectron2.structures import BoxMode

from ..errors import InputError

# So many boxes, drawn at random, are enough to fit anchors to.
MAX_FITTED = 20_000
RESTARTS, MAX_ITERATIONS = 5, 100
# A range of training sizes is sampled this many times.
SIZES_OF_RANGE = 5


@dataclass(frozen=True)
class Anchors:
    sizes: np.ndarray  # (L, S) square root of the area, in pixels
    ratios: np.ndarray  # (L, R) height over width

    @classmethod
    def from_config(cls, cfg: CfgNode) -> Anchors:
        """Those of MODEL.ANCHOR_GENERATOR.

        Raises:
            InputError: for a model without such anchors, and for levels with different numbers.
        """
        node = cfg.MODEL.ANCHOR_GENERATOR
        num_levels = len(_features(cfg))
        if node.NAME != "DefaultAnchorGenerator":
            raise InputError(
                f"MODEL.ANCHOR_GENERATOR.NAME is {node.NAME}; anchors can only be fitted for "
                "DefaultAnchorGenerator"
            )
        columns = []
        for key in ("SIZES", "ASPECT_RATIOS"):
            rows = [list(row) for row in node[key]]
            rows = rows * num_levels if len(rows) == 1 else rows
            if len(rows) != num_levels or len(set(map(len, rows))) != 1:
                raise InputError(
                    f"MODEL.ANCHOR_GENERATOR.{key} is {node[key]}; it must be one list, or one for "
                    f"each of the {num_levels} levels, all of one length"
                )
            columns.append(np.array(rows, float))
        return cls(*columns)

    @property
    def shapes(self) -> np.ndarray:
        """Width and height of each: (K, 2), by level, then size, then ratio."""
        sides, ratios = self.sizes[:, :, None], self.ratios[:, None, :]
        shapes = np.stack([sides / np.sqrt(ratios), sides * np.sqrt(ratios)], axis=-1)
        return shapes.reshape(-1, 2)

    def rounded(self) -> Anchors:
        """With the digits that a config should have; levels, sizes and ratios ascending."""
        by_size = self.sizes.mean(axis=1).argsort(kind="stable")
        return Anchors(
            np.sort(self.sizes[by_size], axis=1).round(1),
            np.sort(self.ratios[by_size], axis=1).round(2),
        )


def _features(cfg: CfgNode) -> list[str]:
    """The levels that have anchors."""
    architecture = cfg.MODEL.META_ARCHITECTURE
    if architecture in ("GeneralizedRCNN", "ProposalNetwork"):
        return cfg.MODEL.RPN.IN_FEATURES
    if architecture in ("RetinaNet", "CountingRetinaNet"):
        return cfg.MODEL.RETINANET.IN_FEATURES
    raise InputError(
        f"MODEL.META_ARCHITECTURE is {architecture}, which has no anchors of MODEL.ANCHOR_GENERATOR"
    )


def training_shapes(records: Iterable[dict], cfg: CfgNode) -> np.ndarray:
    """Width and height of every box that is not a crowd, in the pixels of the resized image.

    Each box is there once for each size of INPUT.MIN_SIZE_TRAIN, and for five sizes where that is a
    range. Crops and other augmentations are not considered.

    Returns:
        (N, 2), above 0.
    """
    inputs = cfg.INPUT
    min_sizes = sorted(set(inputs.MIN_SIZE_TRAIN))
    if inputs.MIN_SIZE_TRAIN_SAMPLING == "range":
        min_sizes = np.linspace(min_sizes[0], min_sizes[-1], SIZES_OF_RANGE).tolist()
    shapes = [np.empty((0, 2))]
    for record in records:
        boxes = [
            BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYWH_ABS)[2:]
            for a in record["annotations"]
            if not a.get("iscrowd", 0)
        ]
        size = record["height"], record["width"]
        for min_size in min_sizes:
            # 0 asks for no resizing.
            height, width = (
                ResizeShortestEdge.get_output_shape(*size, min_size, inputs.MAX_SIZE_TRAIN)
                if min_size
                else size
            )
            shapes.append(np.reshape(boxes, (-1, 2)) * (width / size[1], height / size[0]))
    every = np.concatenate(shapes)
    return every[(every > 0).all(axis=1)]


def best_anchors(shapes: np.ndarray, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each box the anchor of highest IoU, both with the same center.

    Args:
        shapes: (N, 2) widths and heights.
        anchors: (K, 2) likewise, K at least 1.

    Returns:
        Its place in [0, K), the first of equal ones, and the IoU: (N,) each.
    """
    areas = shapes.prod(axis=1)
    best, place = np.full(len(shapes), -1.0), np.zeros(len(shapes), int)
    for k, anchor in enumerate(anchors):  # not N x K at once: there may be millions of boxes
        intersection = np.minimum(shapes, anchor).prod(axis=1)
        iou = intersection / (areas + anchor.prod() - intersection)
        better = iou > best
        best[better], place[better] = iou[better], k
    return place, best


def recall(shapes: np.ndarray, anchors: Anchors) -> dict[str, float]:
    """The share of boxes whose best anchor has at least such an IoU, and the mean IoU; in percent.

    NaN without boxes.
    """
    _, iou = best_anchors(shapes, anchors.shapes)
    values = {"IoU ≥ 0.5": iou >= 0.5, "IoU ≥ 0.7": iou >= 0.7, "mean IoU": iou}
    return {name: 100 * float(v.mean()) if len(v) else np.nan for name, v in values.items()}


def fit_anchors(
    shapes: np.ndarray, num_levels: int, num_sizes: int, num_ratios: int, *, seed: int = 0
) -> Anchors:
    """The anchors of highest mean IoU found by k-means from several starts.

    Args:
        shapes: (N, 2) widths and heights, above 0, N at least 1.
    """
    rng = np.random.default_rng(seed)
    if len(shapes) > MAX_FITTED:
        shapes = rng.choice(shapes, MAX_FITTED, replace=False)
    counts = (num_levels, num_sizes, num_ratios)
    found = [_k_means(shapes, _start(shapes, *counts, rng)) for _ in range(RESTARTS)]
    return max(found, key=lambda anchors: recall(shapes, anchors)["mean IoU"])


def _start(
    shapes: np.ndarray, num_levels: int, num_sizes: int, num_ratios: int, rng: np.random.Generator
) -> Anchors:
    """Boxes drawn as k-means++ does, far from each other, and dealt to the levels by area."""
    drawn = shapes[rng.integers(len(shapes), size=1)]
    for _ in range(num_levels * num_sizes * num_ratios - 1):
        distance = np.square(1 - best_anchors(shapes, drawn)[1])
        total = distance.sum()
        place = rng.choice(len(shapes), p=distance / total if total > 0 else None)
        drawn = np.concatenate([drawn, shapes[place : place + 1]])
    area = np.sort(drawn.prod(axis=1))
    sides = np.log(area).reshape(num_levels, num_sizes, num_ratios) / 2
    by_level = drawn[drawn.prod(axis=1).argsort(kind="stable")].reshape(num_levels, -1, 2)
    log_ratios = np.sort(np.log(by_level[..., 1] / by_level[..., 0]), axis=1)
    return Anchors(
        np.exp(sides.mean(axis=2)),
        np.exp(log_ratios.reshape(num_levels, num_ratios, num_sizes).mean(axis=2)),
    )


def _k_means(shapes: np.ndarray, anchors: Anchors) -> Anchors:
    """Lloyd's iteration; the best of its steps, which need not be the last.

    Sizes and ratios become the geometric means of the boxes that have chosen them; those that no
    box has chosen stay.
    """
    log_side = np.log(shapes.prod(axis=1)) / 2
    log_ratio = np.log(shapes[:, 1] / shapes[:, 0])
    num_sizes, num_ratios = anchors.sizes.shape[1], anchors.ratios.shape[1]
    best, best_iou, last_place = anchors, -1.0, None
    for _ in range(MAX_ITERATIONS):
        place, iou = best_anchors(shapes, anchors.shapes)
        if iou.mean() > best_iou:
            best, best_iou = anchors, iou.mean()
        if last_place is not None and (place == last_place).all():
            break
        last_place = place
        level, size = place // (num_sizes * num_ratios), place // num_ratios
        ratio = level * num_ratios + place % num_ratios
        anchors = Anchors(
            _means(log_side, size, anchors.sizes), _means(log_ratio, ratio, anchors.ratios)
        )
    return best


def _means(logs: np.ndarray, group: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Geometric mean of each group, given logarithms; ``otherwise`` where a group is empty."""
    number = np.bincount(group, minlength=otherwise.size)
    total = np.bincount(group, logs, minlength=otherwise.size)
    means = np.exp(total / np.maximum(number, 1))
    return np.where(number > 0, means, otherwise.ravel()).reshape(otherwise.shape)
