"""Small random ground truth and detections, full of ties and borders."""

from __future__ import annotations

import numpy as np


def random_case(seed: int) -> tuple[dict, list[dict]]:
    """A COCO dictionary and a results list, both possibly empty.

    Few distinct scores, boxes and shifts, so that scores and IoUs tie; detections are mostly copies
    of ground truth, with counts near it, so that thresholds are met; sides reach the borders of the
    scale subsets, counts those of the count subsets; images and categories without annotations;
    crowds; annotation id 0; ids in no order.
    """
    rng = np.random.default_rng(seed)
    image_ids = rng.permutation(20)[: rng.integers(1, 5)].tolist()
    category_ids = rng.permutation(10)[: rng.integers(1, 4)].tolist()
    counts = [1, 2, 3, 10, 11, 12, 17, 20, 40]
    num_gt, num_dt = int(rng.integers(0, 14)), int(rng.integers(0, 24))
    annotations = []
    for _ in range(num_gt):
        x, y = rng.integers(0, 4, 2) * 30.0
        w, h = rng.choice([0, 20, 40, 100, 150, 150, 300, 310], 2) * 1.0
        annotations.append(
            {
                "image_id": int(rng.choice(image_ids)),
                "category_id": int(rng.choice(category_ids)),
                "bbox": [x, y, w, h],
                "area": float(w * h * rng.choice([1, 0.5])),
                "iscrowd": int(rng.random() < 0.15),
                "count": int(rng.choice(counts)),
            }
        )
    ids = rng.permutation(num_gt).tolist()
    annotations = [{"id": i} | a for i, a in zip(ids, annotations, strict=True)]
    detections = []
    for _ in range(num_dt):
        if annotations and rng.random() < 0.85:
            like = annotations[rng.integers(len(annotations))]
            shift = rng.integers(-1, 2, 4) * rng.choice([0, 2.0, 10.0, 25.5])
            box = (np.array(like["bbox"]) + shift).clip([-1e3, -1e3, 0, 0]).tolist()
            count = max(1, like["count"] + int(rng.integers(-4, 5)) * int(rng.random() < 0.7))
        else:
            like = {
                "image_id": int(rng.choice(image_ids)),
                "category_id": int(rng.choice(category_ids)),
            }
            box = (rng.integers(0, 12, 4) * 20.0).tolist()
            count = int(rng.choice(counts))
        category = like["category_id"] if rng.random() < 0.9 else int(rng.choice(category_ids))
        detections.append(
            {
                "image_id": like["image_id"],
                "category_id": category,
                "bbox": box,
                "score": float(rng.integers(-1, 5) / 4),
                "count": count,
            }
        )
    ground_truth = {
        "images": [{"id": i} for i in image_ids],
        "categories": [{"id": k, "name": f"category {k}"} for k in category_ids],
        "annotations": annotations,
    }
    return ground_truth, detections
