"""An image on its way through augmentations, and what is left of its boxes."""

from __future__ import annotations

import numpy as np
from detectron2.data import transforms as T

from .transforms import HidingTransform
from .visibility import clip_boxes, frame_of


class CountAugInput(T.AugInput):
    """Detectron2's input of augmentations, which also knows how much of each box can be seen.

    After each step boxes are cut to the image: what has left it can't come back with a later one.

    Attributes:
        boxes (ndarray): N x 4 float64, XYXY, inside the image.
        visible (ndarray): share of each box that can be seen, relative to the box at the start.
            Steps multiply: that is exact as long as they don't cut into each other's shadow.
    """

    image: np.ndarray
    boxes: np.ndarray

    def __init__(self, image: np.ndarray, *, boxes: np.ndarray):
        boxes, _ = clip_boxes(np.asarray(boxes, dtype=float).reshape(-1, 4), frame_of(image))
        super().__init__(image, boxes=boxes)
        self.visible = np.ones(len(boxes))

    def transform(self, tfm: T.Transform) -> None:
        for step in tfm.transforms if isinstance(tfm, T.TransformList) else [tfm]:
            self.image = step.apply_image(self.image)
            if isinstance(step, HidingTransform):
                self.boxes, shares = step.hide(self.boxes)
            else:
                moved = step.apply_box(self.boxes.copy())
                self.boxes, shares = clip_boxes(moved, frame_of(self.image))
            self.visible = self.visible * shares
