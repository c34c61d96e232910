"""AutoAugment for detection: learnt sequences of color and box-geometry operations.

Source: Zoph et al., "Learning Data Augmentation Strategies for Object Detection" (2019).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
from detectron2.data import transforms as T

from .color import ColorOperation, color_operations
from .operations import BOX_OPERATIONS, IMAGE_OPERATIONS, rng

# An operation is a name, a probability and a level from 0 to 10.
SubPolicy = list[tuple[str, float, int]]

# A policy is a list of sub-policies, one of which is drawn for an image; its operations follow each
# other. v0 is the paper's, v1 was published beside it. Operations of probability 0, which the
# published lists contain, are left out.
V0: list[SubPolicy] = [
    [("TranslateX", 0.6, 4), ("Equalize", 0.8, 10)],
    [("BoxTranslateY", 0.2, 2), ("Cutout", 0.8, 8)],
    [("ShearX", 0.4, 0)],
    [("ShearY", 1.0, 2), ("BoxTranslateY", 0.6, 6)],
    [("Rotate", 0.6, 10), ("Color", 1.0, 6)],
]

V1: list[SubPolicy] = [
    *V0,
    [("BoxShearX", 0.8, 4)],
    [("BoxShearY", 0.8, 2)],
    [("Equalize", 0.6, 10), ("TranslateX", 0.2, 2)],
    [("Color", 1.0, 10), ("BoxTranslateY", 0.4, 6)],
    [("Rotate", 0.8, 10)],
    [("Cutout", 0.2, 2), ("Brightness", 0.8, 10)],
    [("Color", 1.0, 6), ("Equalize", 1.0, 2)],
    [("BoxCutout", 0.4, 6), ("BoxTranslateY", 0.8, 2)],
    [("Color", 0.2, 8), ("Rotate", 0.8, 10)],
    [("Sharpness", 0.4, 4)],
    [("Sharpness", 1.0, 4), ("SolarizeAdd", 0.4, 4)],
    [("Rotate", 1.0, 8), ("Sharpness", 0.2, 8)],
    [("ShearY", 0.6, 10), ("BoxEqualize", 0.6, 8)],
    [("ShearX", 0.2, 6), ("BoxTranslateY", 0.2, 10)],
    [("SolarizeAdd", 0.6, 8), ("Brightness", 0.8, 10)],
]

POLICIES = {"v0": V0, "v1": V1}


class AutoAugment(T.Augmentation):
    """Draws a sub-policy and applies its operations one after the other.

    docs/augmentation.md lists the operations and where they differ from the published code.
    """

    def __init__(self, policy: str | Sequence[SubPolicy], image_format: str = "BGR"):
        """
        Args:
            policy: "v0" or "v1", or sub-policies as in POLICIES.
            image_format: of 3-channel uint8 pictures, "BGR" or "RGB".
        """
        super().__init__()
        self.policy, self.image_format = policy, image_format
        self._sub_policies = POLICIES[policy] if isinstance(policy, str) else policy
        color = color_operations(image_format)
        self._image_operations = IMAGE_OPERATIONS | {
            name: functools.partial(_color_image, operation) for name, operation in color.items()
        }
        self._box_operations = BOX_OPERATIONS | {
            "BoxEqualize": functools.partial(_color_boxes, color["Equalize"])
        }

    def __call__(self, aug_input: T.AugInput) -> T.TransformList:
        steps = []
        for name, probability, level in self._sub_policies[rng.randint(len(self._sub_policies))]:
            if name in self._image_operations:
                step = T.NoOpTransform()
                if rng.rand() < probability:
                    step = self._image_operations[name](aug_input.image, level)
            else:
                step = self._draw_box_operation(name, probability, level, aug_input)
            aug_input.transform(step)
            steps.append(step)
        return T.TransformList(steps)

    def _draw_box_operation(
        self, name: str, probability: float, level: int, aug_input: T.AugInput
    ) -> T.Transform:
        boxes = np.hstack([np.floor(aug_input.boxes[:, :2]), np.ceil(aug_input.boxes[:, 2:])])
        boxes = boxes.astype(int)
        not_empty = np.flatnonzero((aug_input.boxes[:, 2:] > aug_input.boxes[:, :2]).all(axis=1))
        # Fewer than the policy says, since neighbors would be spoilt with each other.
        chosen = not_empty[rng.rand(len(not_empty)) < probability / 3]
        return self._box_operations[name](aug_input.image, boxes, chosen, level)


def _color_image(operation: ColorOperation, image: np.ndarray, level: int) -> T.Transform:
    return T.ColorTransform(lambda pixels: operation(pixels, level))


def _color_boxes(
    operation: ColorOperation,
    image: np.ndarray,
    boxes: np.ndarray,
    chosen: np.ndarray,
    level: int,
) -> T.Transform:
    def color(pixels: np.ndarray) -> np.ndarray:
        pixels = pixels.copy()
        for x1, y1, x2, y2 in boxes[chosen]:
            pixels[y1:y2, x1:x2] = operation(pixels[y1:y2, x1:x2], level)
        return pixels

    return T.ColorTransform(color)
