"""Transforms that move, cut or cover what boxes hold, and what is left of the boxes on the way.

Boxes are XYXY, images H x W x C.
"""

from __future__ import annotations

from abc import abstractmethod

import cv2
import numpy as np
from detectron2.data import transforms as T

from .visibility import clip_boxes, frame_of, uncover_boxes

# What lies outside the picture and under a cutout.
GREY = 128


def warp(
    image: np.ndarray, matrix: np.ndarray, *, flags: int = cv2.INTER_LINEAR, around: int = GREY
) -> np.ndarray:
    """An image under an affine map of its coordinates, in a frame of the same size.

    Args:
        matrix: 2 x 3, from old coordinates to new ones; pixel (0, 0) covers [0, 1] x [0, 1].
        around: what is outside of the old frame.
    """
    # OpenCV's coordinates are those of pixel centers: half a pixel less.
    shift = matrix @ [0.5, 0.5, 1] - 0.5
    matrix = np.column_stack([matrix[:, :2], shift])
    size = image.shape[1::-1]
    warped = cv2.warpAffine(image, matrix, size, flags=flags, borderValue=(around,) * 4)
    return warped.reshape(image.shape)


class AffineTransform(T.Transform):
    """Rotation, shear or translation of the whole image in its frame."""

    def __init__(self, matrix: np.ndarray):
        """
        Args:
            matrix: 2 x 3, from old coordinates to new ones.
        """
        super().__init__()
        self.matrix = np.asarray(matrix, dtype=float)

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        return warp(img, self.matrix)

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        return coords @ self.matrix[:, :2].T + self.matrix[:, 2]

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        return warp(segmentation, self.matrix, flags=cv2.INTER_NEAREST, around=0)


class HidingTransform(T.Transform):
    """Moves no coordinate, but hides a part of what some boxes hold."""

    @abstractmethod
    def hide(self, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """N x 4 boxes around what can still be seen of boxes, and N shares of it."""

    def apply_coords(self, coords: np.ndarray) -> np.ndarray:
        return coords

    def apply_segmentation(self, segmentation: np.ndarray) -> np.ndarray:
        raise NotImplementedError(f"{type(self).__name__} is for boxes, not for masks.")


class CoverTransform(HidingTransform):
    """Rectangles are covered with gray."""

    def __init__(self, covers: np.ndarray):
        """
        Args:
            covers: K x 4 integers, inside the image.
        """
        super().__init__()
        self.covers = np.asarray(covers).reshape(-1, 4)

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        img = img.copy()
        for x1, y1, x2, y2 in self.covers:
            img[y1:y2, x1:x2] = GREY
        return img

    def hide(self, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return uncover_boxes(boxes, self.covers)


class BoxContentTransform(HidingTransform):
    """What some boxes hold is moved, each within its own box, and cut by the box's edges."""

    def __init__(self, boxes: np.ndarray, chosen: np.ndarray, matrix: np.ndarray):
        """
        Args:
            boxes: all boxes of the image, N x 4 integers inside it.
            chosen: K indices of those whose content moves, none of them empty.
            matrix: 2 x 3, from old coordinates to new ones; a box's corner is the origin.
        """
        super().__init__()
        self.boxes, self.chosen, self.matrix = np.asarray(boxes), np.asarray(chosen), matrix

    def apply_image(self, img: np.ndarray) -> np.ndarray:
        img = img.copy()
        for x1, y1, x2, y2 in self.boxes[self.chosen]:
            img[y1:y2, x1:x2] = warp(img[y1:y2, x1:x2], self.matrix)
        return img

    def hide(self, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A chosen box shrinks to where its content now is. In the others' eyes it is covered."""
        boxes, shares = boxes.copy(), np.ones(len(boxes))
        for i in range(len(boxes)):
            others = self.boxes[self.chosen[self.chosen != i]]
            (boxes[i],), (shares[i],) = uncover_boxes(boxes[i : i + 1], others)
        for i in self.chosen:
            x1, y1, x2, y2 = region = self.boxes[i]
            content = np.ones((y2 - y1, x2 - x1, 1), np.float32)
            shares[i] *= warp(content, self.matrix, around=0).mean()
            corner = region[[0, 1, 0, 1]]
            moved = AffineTransform(self.matrix).apply_box(boxes[i : i + 1] - corner) + corner
            (boxes[i],), _ = clip_boxes(moved, region)
        return boxes, shares


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
