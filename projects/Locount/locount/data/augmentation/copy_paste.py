"""Copy-paste of whole stacks from one shelf to another."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from detectron2.structures import BoxMode

from ...counting import IGNORED_COUNT
from .aug_input import CountAugInput
from .transforms import CoverTransform
from .visibility import count_what_is_visible, uncover_boxes

# The state that Detectron2 seeds in each worker.
rng = np.random

# A stack of which other boxes hide more than this many items may show the wrong number.
MAX_HIDDEN_ITEMS = 0.5
# How many stacks a photo gives to later ones at most, and how many are kept.
STACKS_PER_PHOTO, STACKS_KEPT = 2, 16
# Candidate places per stack; the one that hides least is taken.
NUM_PLACES = 10


class Stack(NamedTuple):
    """The picture of a whole box, h x w x C, and what it shows."""

    picture: np.ndarray
    category_id: int
    count: int  # type: ignore[assignment]  # hides tuple's method


class CopyPaste:
    """Pastes groups (counts of 2 and more) from photos seen before into an image.

    A stack comes as the rectangle of its box, in its size, and stands on the lower edge of a box
    that is there. It hides what is behind it: the input's ``boxes`` and ``visible`` say how much.

    Nothing has to be read for it: each worker keeps some stacks of the last photos that it saw. So
    the first photo gets nothing, and the same order of photos and the same seed give the same
    pictures.
    """

    def __init__(self, max_stacks: int):
        """
        Args:
            max_stacks: an image gets 0 to this many stacks, each number equally likely.
        """
        self.max_stacks = max_stacks
        self._stacks: deque[Stack] = deque(maxlen=STACKS_KEPT)

    def __call__(self, aug_input: CountAugInput, annotations: Sequence[dict]) -> list[dict]:
        """Paste into an input, and keep some of its own stacks for later ones.

        Args:
            aug_input: an image as it was read, its boxes those of the annotations.
            annotations: Detectron2's, none of them a crowd.

        Returns:
            Annotations of the pasted stacks, in the order of the boxes that the input has got.
        """
        found = find_stacks(aug_input.image, aug_input.boxes, annotations)
        pasted = []
        for _ in range(rng.randint(self.max_stacks + 1) if self._stacks else 0):
            stack = self._stacks[rng.randint(len(self._stacks))]
            box = draw_place(stack.picture.shape[:2], aug_input.boxes, aug_input.image.shape[:2])
            if box is None:
                continue
            aug_input.transform(CoverTransform(box, stack.picture))
            aug_input.add_box(box)
            pasted.append(
                {
                    "bbox": box.tolist(),
                    "bbox_mode": BoxMode.XYXY_ABS,
                    "category_id": stack.category_id,
                    "count": stack.count,
                }
            )
        self._stacks.extend(found)
        return pasted


def find_stacks(image: np.ndarray, boxes: np.ndarray, annotations: Sequence[dict]) -> list[Stack]:
    """At most STACKS_PER_PHOTO groups that other boxes leave countable, drawn at random."""
    groups = [i for i, a in enumerate(annotations) if a.get("count", 1) > 1]
    stacks = []
    for i in rng.permutation(groups).astype(int):
        _, visible = uncover_boxes(boxes[i : i + 1], np.delete(boxes, i, axis=0))
        count = np.array([annotations[i]["count"]])
        (count,), _ = count_what_is_visible(count, visible, MAX_HIDDEN_ITEMS, 0)
        x1, y1, x2, y2 = np.rint(boxes[i]).astype(int)
        if count == IGNORED_COUNT or x1 == x2 or y1 == y2:
            continue
        picture = image[y1:y2, x1:x2].copy()
        stacks.append(Stack(picture, annotations[i]["category_id"], int(count)))
        if len(stacks) == STACKS_PER_PHOTO:
            break
    return stacks


def draw_place(
    size: tuple[int, int], boxes: np.ndarray, image_size: tuple[int, int]
) -> np.ndarray | None:
    """A place for a stack on the line on which one of the boxes stands.

    Args:
        size: height and width of the stack.
        boxes: N x 4, XYXY.
        image_size: height and width.

    Returns:
        A box (4 integers) inside the image; None if there is no room on the lines tried, or no box.
    """
    height, width = size
    places = []
    for _ in range(NUM_PLACES if len(boxes) and width <= image_size[1] else 0):
        bottom = int(boxes[rng.randint(len(boxes)), 3])
        left = rng.randint(image_size[1] - width + 1)
        if bottom >= height:
            place = np.array([left, bottom - height, left + width, bottom])
            _, visible = uncover_boxes(boxes, place[None])
            places.append(((1 - visible).sum(), place))
    return min(places, key=lambda p: p[0])[1] if places else None
