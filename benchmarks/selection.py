"""What annotators would correct on photos that `locount select` names, and on photos drawn by lot.

    python benchmarks/selection.py shelf:40:501 'shelf:40:502?style=varied' --weights shelf

A correction is a wrong box, a missed one (IoU 0.5, category) or a wrong count of a right one.
"""

import argparse
import random

import numpy as np

from locount.data.formats.dataset import corners
from locount.data.formats.registry import source_of
from locount.inference import Predictor
from locount.inference.acquisition import Corrections, choose, look

DRAWS = 2000


def corrections(prediction, record, names):
    """Wrong boxes, missed ones, and wrong counts; ``names`` are the dataset's categories."""
    truth = record["annotations"]
    boxes = np.array([corners(entry) for entry in truth]).reshape(-1, 4)
    left = np.ones(len(truth), bool)
    wrong_boxes = wrong_counts = 0
    for found in prediction:
        box = np.array(found.box)
        sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
        shared = sides.clip(min=0).prod(axis=1)
        both = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - shared
        same = [names[entry["category_id"]] == found.name for entry in truth]
        iou = np.where(left & same, shared / both, 0)
        if not len(truth) or iou.max() < 0.5:
            wrong_boxes += 1
            continue
        left[iou.argmax()] = False
        wrong_counts += truth[iou.argmax()]["count"] != found.count
    return wrong_boxes, left.sum(), wrong_counts


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("datasets", nargs="+", metavar="DATASET")
    parser.add_argument("--weights", default="shelf")
    parser.add_argument("--number", type=int, default=10)
    args = parser.parse_args()
    sources = [source_of(name) for name in args.datasets]
    pairs = [(r, s.metadata()["thing_classes"]) for s in sources for r in s.load()]
    predictor = Predictor(args.weights)
    actual, expected, looks = [], [], []
    photos = [record["file_name"] for record, _ in pairs]
    predictions = predictor.stream(photos, keep_pixels=True)
    for prediction, pair in zip(predictions, pairs, strict=True):
        actual.append(sum(corrections(prediction, *pair)))
        max_overlap = predictor.cfg.PREDICT.MAX_OVERLAP
        expected.append(Corrections.expected(prediction, max_overlap).total)
        looks.append(look(prediction.pixels))
    actual, looks = np.array(actual), np.array(looks)
    ranks = [np.argsort(np.argsort(values)) for values in (expected, actual)]
    print(f"expected and actual corrections, rank correlation: {np.corrcoef(ranks)[0, 1]:.2f}")
    none, unlike = looks[:0], np.eye(len(looks))
    apart = unlike, unlike[:0]  # all as far from each other
    variants = {
        "corrections and looks": choose(expected, looks, none, args.number),
        "corrections only": choose(expected, *apart, args.number),
        "looks only": choose(np.zeros(len(looks)), looks, none, args.number),
    }
    lots = random.Random(0)
    draws = [actual[lots.sample(range(len(actual)), args.number)].mean() for _ in range(DRAWS)]
    print(f"by lot: {np.median(draws):.1f} corrections a photo (median of {DRAWS} draws)")
    for name, choices in variants.items():
        mean = actual[[choice.index for choice in choices]].mean()
        print(f"{name}: {mean:.1f}, more than {np.mean(np.array(draws) < mean):.0%} of the draws")


if __name__ == "__main__":
    main()
