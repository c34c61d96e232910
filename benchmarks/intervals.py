"""How often intervals cover, on average over random splits of annotated photos.

    python benchmarks/intervals.py GT DT [GT DT ...] [--score T] [--max-overlap SHARE] [--splits N]

One calibration covers more or less than its level, which is a promise about the average. Half of
the photos calibrate, at random, the other half is covered or not, and that N times. Prints the mean
and the standard deviation of the shares covered.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from locount.calibration.coverage import coverage
from locount.calibration.fit import calibrate, joined
from locount.evaluation.annotations import Detections, GroundTruth
from locount.evaluation.parts import without_parts
from locount.evaluation.reading import read_detections, read_ground_truth

LEVELS = (0.8, 0.9)


def of_images(
    gt: GroundTruth, dt: Detections, images: np.ndarray
) -> tuple[GroundTruth, Detections]:
    """Those of some images, in their order."""
    place = np.full(len(gt.image_ids), -1, np.int32)
    place[images] = np.arange(len(images))

    def taken(objects):
        objects = objects.take(np.flatnonzero(place[objects.image] >= 0))
        return replace(objects, image=place[objects.image])

    return replace(taken(gt), image_ids=np.arange(len(images))), taken(dt)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="+", metavar="GT DT")
    parser.add_argument("--score", type=float, default=0.25)
    parser.add_argument("--max-overlap", type=float, default=0.7)
    parser.add_argument("--splits", type=int, default=50)
    args = parser.parse_args(argv)

    truths = [read_ground_truth(file) for file in args.files[::2]]
    found = map(read_detections, args.files[1::2], truths)
    gt, dt = joined(zip(truths, found, strict=True))
    dt = dt.take(np.flatnonzero(dt.scores >= args.score))
    dt = without_parts(dt, args.max_overlap)
    rng = np.random.default_rng(0)
    rows: dict[tuple[str, float], list[tuple[float, float]]] = {}
    for _ in range(args.splits):
        halves = np.array_split(rng.permutation(len(gt.image_ids)), 2)
        ours, others = (of_images(gt, dt, half) for half in halves)
        calibration = calibrate(*ours, score=args.score, source="files")
        for row in coverage(calibration, *others, LEVELS):
            rows.setdefault((row["of"], row["level"]), []).append((row["covered"], row["width"]))
    print(f"{len(gt.image_ids)} photos, {args.splits} splits")
    for (name, level), values in rows.items():
        covered, width = np.array(values).T
        print(
            f"{name}, {level:g}: covered {covered.mean():.3f} ± {covered.std():.3f}, "
            f"width {width.mean():.1f}"
        )


if __name__ == "__main__":
    main()
