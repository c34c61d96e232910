"""Seeded synthetic ground truth and detections, as large as one likes.

The default has the shape of the Locount test set: 16,372 images, 140 categories with a long tail,
some 15 boxes an image in rows of a few categories, and 104 detections an image, 1.7 million in all.

    python benchmarks/synthetic_shelves.py OUT [--images N] [--detections-per-image N] [--seed N]

writes OUT/gt.json, OUT/dt.json and OUT/dt.npz.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
import numpy as np

WIDTH, HEIGHT = 1920, 1080
NUM_CATEGORIES = 140
BOXES_PER_IMAGE = 15


def make_ground_truth(
    rng: np.random.Generator, num_images: int, boxes_per_image: int = BOXES_PER_IMAGE
) -> dict[str, np.ndarray]:
    """Columns of the annotations: image and category from 0, XYWH boxes, counts."""
    per_image = rng.poisson(boxes_per_image, num_images)
    image = np.repeat(np.arange(num_images), per_image)
    popularity = 1 / np.arange(1, NUM_CATEGORIES + 1)
    on_shelf = rng.choice(NUM_CATEGORIES, (num_images, 5), p=popularity / popularity.sum())
    category = on_shelf[image, rng.integers(0, 5, len(image))]
    size = np.exp(rng.normal(np.log(150), 0.5, (len(image), 2))).clip(12, 900)
    corner = rng.random((len(image), 2)) * (np.array([WIDTH, HEIGHT]) - size)
    counts = np.where(
        rng.random(len(image)) < 0.5, 1, 1 + rng.geometric(0.18, len(image)).clip(max=55)
    )
    return {
        "image": image,
        "category": category,
        "bbox": np.concatenate([corner, size], axis=1).round(1),
        "count": counts,
    }


def make_detections(
    rng: np.random.Generator, gt: dict[str, np.ndarray], num_images: int, per_image: int
) -> dict[str, np.ndarray]:
    """Columns of the detections, ``per_image`` in each image: about a third near ground truth, good
    and bad ones, and the rest anywhere, of the image's categories or others."""
    near = np.repeat(np.arange(len(gt["image"])), rng.integers(0, 5, len(gt["image"])))
    noise = rng.exponential(0.1, len(near))
    shift = rng.normal(0, 1, (len(near), 4)) * noise[:, None]
    box = gt["bbox"][near]
    box = box + shift * box[:, [2, 3, 2, 3]] * [1, 1, 0.7, 0.7]
    count = gt["count"][near] + np.rint(rng.normal(0, 0.2, len(near)) * gt["count"][near])
    wrong = rng.random(len(near)) < 0.1
    category = np.where(wrong, rng.integers(0, NUM_CATEGORIES, len(near)), gt["category"][near])
    columns = {
        "image": gt["image"][near],
        "category": category,
        "bbox": box,
        "count": count,
        "score": np.exp(-3 * noise) * rng.beta(6, 2, len(near)),
    }
    # Fill up with background to exactly per_image, dropping what is too much.
    have = np.bincount(columns["image"], minlength=num_images)
    image = np.repeat(np.arange(num_images), (per_image - have).clip(0))
    like = rng.integers(0, len(gt["image"]), len(image))
    first = np.searchsorted(gt["image"], image)
    here = (first + rng.integers(0, BOXES_PER_IMAGE, len(image))).clip(max=len(gt["image"]) - 1)
    size = gt["bbox"][like, 2:]
    columns = {
        "image": np.concatenate([columns["image"], image]),
        "category": np.concatenate([columns["category"], gt["category"][here]]),
        "bbox": np.concatenate([columns["bbox"], np.hstack([gt["bbox"][like, :2], size])]),
        "count": np.concatenate([columns["count"], gt["count"][like]]),
        "score": np.concatenate([columns["score"], rng.beta(1, 12, len(image))]),
    }
    order = np.lexsort((-columns["score"], columns["image"]))
    place = np.arange(len(order)) - np.searchsorted(
        columns["image"][order], columns["image"][order]
    )
    order = order[place < per_image]
    columns = {name: column[order] for name, column in columns.items()}
    columns["bbox"] = columns["bbox"].astype(np.float32).astype(np.float64).round(3)
    columns["bbox"][:, 2:] = columns["bbox"][:, 2:].clip(1)
    columns["count"] = columns["count"].astype(np.int64).clip(1)
    columns["score"] = columns["score"].round(6)
    return columns


def entries(columns: dict[str, np.ndarray], **more: np.ndarray) -> list[dict]:
    """Columns as COCO entries; image and category ids count from 1."""
    columns = {
        "image_id": columns["image"] + 1,
        "category_id": columns["category"] + 1,
        **{k: columns[k] for k in ("bbox", "score", "count") if k in columns},
        **more,
    }
    lists = [column.tolist() for column in columns.values()]
    return [dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True)]


def write(folder: Path, num_images: int, per_image: int, seed: int) -> None:
    """Write gt.json, dt.json and dt.npz."""
    rng = np.random.default_rng(seed)
    gt = make_ground_truth(rng, num_images)
    dt = make_detections(rng, gt, num_images, per_image)
    folder.mkdir(parents=True, exist_ok=True)
    size = {"width": WIDTH, "height": HEIGHT}
    annotations = entries(
        gt,
        id=np.arange(len(gt["image"])) + 1,
        area=gt["bbox"][:, 2] * gt["bbox"][:, 3],
        iscrowd=np.zeros(len(gt["image"]), int),
    )
    ground_truth = {
        "info": {},
        "images": [{"id": i + 1, "file_name": f"{i}.jpg", **size} for i in range(num_images)],
        "categories": [{"id": k + 1, "name": f"category {k}"} for k in range(NUM_CATEGORIES)],
        "annotations": annotations,
    }
    (folder / "gt.json").write_bytes(msgspec.json.encode(ground_truth))
    (folder / "dt.json").write_bytes(msgspec.json.encode(entries(dt)))
    columns = {k: dt[k] for k in ("bbox", "score", "count")}
    np.savez(folder / "dt.npz", image_id=dt["image"] + 1, category_id=dt["category"] + 1, **columns)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=16372)
    parser.add_argument("--detections-per-image", type=int, default=104)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    write(args.folder, args.images, args.detections_per_image, args.seed)
