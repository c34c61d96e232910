"""The joint evaluation written as plainly as possible, from the protocol in docs/evaluation.md: the
judge of the fast one.

Exact fractions for AC; nested Python loops for everything else. Slow on purpose.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

IOUS = np.linspace(0.5, 0.95, 10)
ACS = [Fraction(k, 20) for k in range(10, 20)]
RECALLS = np.linspace(0, 1, 101)

INF = float("inf")
SUBSETS = {
    "SS": ((0, 150**2), (1, INF)),
    "MS": ((150**2, 300**2), (1, INF)),
    "LS": ((300**2, INF), (1, INF)),
    "IN": ((0, INF), (1, 1)),
    "MN": ((0, INF), (2, 10)),
    "LN": ((0, INF), (11, INF)),
}


def iou(dt, gt, crowd):
    x, y, w, h = dt
    u, v, p, q = gt
    width = min(w + x, p + u) - max(x, u)
    height = min(h + y, q + v) - max(y, v)
    if width <= 0 or height <= 0:
        return 0.0
    overlap = width * height
    return overlap / (w * h if crowd else w * h + p * q - overlap)


def accuracy(pred, true):
    return max(Fraction(0), 1 - Fraction(abs(pred - true), true))


def is_in(entry, subset):
    (low, high), (fewest, most) = subset
    area = entry["bbox"][2] * entry["bbox"][3]
    return low <= area <= high and fewest <= entry.get("count", 1) <= most


def match_image(gts, dts, min_iou, min_ac, subset, max_dets):
    """Score and outcome ("hit", "miss" or None for ignored) of each detection of one image and
    category.
    """
    gts = [(g, bool(g.get("iscrowd", 0)), not is_in(g, subset)) for g in gts]
    taken = [False] * len(gts)
    outcomes = []
    for dt in sorted(dts, key=lambda d: -d["score"])[:max_dets]:
        best = None
        for i, (gt, crowd, outside) in enumerate(gts):
            if taken[i] and not crowd:
                continue
            overlap = iou(dt["bbox"], gt["bbox"], crowd)
            if overlap < min_iou or accuracy(dt.get("count", 1), gt.get("count", 1)) < min_ac:
                continue
            # a ground truth that counts before an ignored one, then IoU, then the later in the file
            rank = (not (crowd or outside), overlap, i)
            if best is None or rank > best:
                best = rank
        if best is None:
            outcomes.append((dt["score"], "miss" if is_in(dt, subset) else None))
        else:
            taken[best[2]] = True
            outcomes.append((dt["score"], "hit" if best[0] else None))
    return outcomes


def average_precision(outcomes, num_gt):
    """AP over 101 recall points, and the highest recall, of outcomes in order of their scores."""
    points, hits, misses = [], 0, 0
    for outcome in outcomes:
        hits += outcome == "hit"
        misses += outcome == "miss"
        points.append((hits / num_gt, hits / (hits + misses) if hits else 0.0))
    precisions = [max((p for recall, p in points if recall >= r), default=0.0) for r in RECALLS]
    return float(np.mean(precisions)), hits / num_gt


def cell(gt, dt, min_iou, min_ac, subset=((0, INF), (1, INF)), max_dets=150):
    """AP and highest recall of every category that has ground truth in the subset, at one pair of
    thresholds.
    """
    scores = {}
    for category in sorted(c["id"] for c in gt["categories"]):
        of_category = [a for a in gt["annotations"] if a["category_id"] == category]
        num_gt = sum(not a.get("iscrowd", 0) and is_in(a, subset) for a in of_category)
        if not num_gt:
            continue
        outcomes = []
        for image in sorted(i["id"] for i in gt["images"]):
            gts = [a for a in of_category if a["image_id"] == image]
            dts = [d for d in dt if d["image_id"] == image and d["category_id"] == category]
            outcomes += match_image(gts, dts, min_iou, min_ac, subset, max_dets)
        outcomes.sort(key=lambda o: -o[0])
        scores[category] = average_precision([o for _, o in outcomes], num_gt)
    return scores


def evaluate(gt, dt, max_dets=150):
    """All metrics, in percent, and the grid."""

    def mean(values):
        return 100 * float(np.mean(values)) if values else float("nan")

    def grid(acs, subset=((0, INF), (1, INF))):
        return {
            (i, j): list(cell(gt, dt, min_iou, min_ac, subset, max_dets).values())
            for i, min_iou in enumerate(IOUS)
            for j, min_ac in enumerate(acs)
        }

    def ap(cells):
        return mean([score[0] for scores in cells for score in scores])

    def ar(cells):
        return mean([score[1] for scores in cells for score in scores])

    blind, joint = grid([0]), grid(ACS)
    metrics = {
        "AP": ap(blind.values()),
        "AP50": ap([blind[0, 0]]),
        "AP75": ap([blind[5, 0]]),
        f"AR{max_dets}": ar(blind.values()),
        "APlc": ap(joint.values()),
        "APlc50": ap([joint[0, 0]]),
        "APlc75": ap([joint[5, 5]]),
        f"ARlc{max_dets}": ar(joint.values()),
    }
    parts = {name: grid(ACS, subset) for name, subset in SUBSETS.items()}
    metrics |= {f"APlc-{name}": ap(part.values()) for name, part in parts.items()}
    metrics |= {f"ARlc-{name}": ar(part.values()) for name, part in parts.items()}
    return metrics, np.array([[ap([joint[i, j]]) for j in range(10)] for i in range(10)])
