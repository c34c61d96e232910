"""Pictures of detections."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from detectron2.structures import Instances
from detectron2.utils.colormap import colormap
from detectron2.utils.visualizer import Visualizer


def draw_detections(
    image: np.ndarray, detections: Instances, class_names: Sequence[str]
) -> np.ndarray:
    """Boxes with category, count and score, one colour per category.

    Args:
        image: H x W x 3, uint8, BGR.
        detections: of that image, on the CPU: ``pred_boxes``, ``scores``, ``pred_classes`` and,
            where the model counts, ``pred_counts``; without them every box counts as 1.
        class_names: one per category.

    Returns:
        H x W x 3, uint8, BGR.
    """
    classes = detections.pred_classes.tolist()
    counts = (
        detections.pred_counts.tolist() if detections.has("pred_counts") else [1] * len(classes)
    )
    labels = [
        f"{class_names[k]} ×{count} {score:.0%}"
        for k, count, score in zip(classes, counts, detections.scores.tolist(), strict=True)
    ]
    colors = colormap(rgb=True, maximum=1)
    visualizer = Visualizer(image[:, :, ::-1])
    drawn = visualizer.overlay_instances(
        boxes=detections.pred_boxes,
        labels=labels,
        assigned_colors=[colors[k % len(colors)] for k in classes],
    )
    return drawn.get_image()[:, :, ::-1]
