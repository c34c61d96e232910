"""Where counts play no part the engine is COCO's: pycocotools judges."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from locount.evaluation import evaluate_detections, match, score_matches
from locount.evaluation.matching.engine import Matcher
from locount.evaluation.protocol import COCO_SIZES, WHOLE
from locount.evaluation.reading import read_detections, read_ground_truth

from .cases import random_case

MAX_DETS = [1, 10, 100, 150, 300]


def coco_eval(gt: dict, dt: list[dict], max_dets: list[int]) -> COCOeval:
    """pycocotools' evaluation, with ids it does not mistake for "unmatched"."""
    coco, results = COCO(), COCO()
    annotations = [a | {"id": i + 1} for i, a in enumerate(gt["annotations"])]
    entries = [
        d | {"id": i + 1, "iscrowd": 0, "area": d["bbox"][2] * d["bbox"][3]}
        for i, d in enumerate(dt)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        for index, objects in ((coco, annotations), (results, entries)):
            index.dataset = gt | {"annotations": objects}
            index.createIndex()
        evaluation = COCOeval(coco, results, "bbox")
        evaluation.params.maxDets = max_dets
        evaluation.evaluate()
        evaluation.accumulate()
    return evaluation


def crowded_case(seed: int) -> tuple[dict, list[dict]]:
    """One category in two images with some 400 detections each, so that 300 of them matter.

    100 boxes of ground truth, so that recall meets every recall point; odd seeds have crowds.
    """
    rng = np.random.default_rng(seed)
    gt, _ = random_case(seed)
    gt["images"], gt["categories"] = [{"id": 5}, {"id": 2}], [{"id": 1}]
    corner = rng.integers(0, 40, (100, 2)) * 20.0
    gt["annotations"] = [
        {
            "id": i,
            "image_id": int(rng.choice([2, 5])),
            "category_id": 1,
            "iscrowd": int(i < 3 and seed % 2),
        }
        | {"bbox": [*c, 40.0, 40.0], "area": 1600.0, "count": 1}
        for i, c in enumerate(corner.tolist())
    ]
    dt = []
    for _ in range(800):
        box = np.array(gt["annotations"][rng.integers(100)]["bbox"]) + rng.integers(-6, 7, 4)
        dt.append({"image_id": int(rng.choice([2, 5])), "category_id": 1, "bbox": box.tolist()})
        dt[-1] |= {"score": float(rng.integers(1, 60) / 60), "count": 1}
    return gt, dt


@pytest.mark.parametrize(("make", "seeds"), [(random_case, range(150)), (crowded_case, range(4))])
def test_every_precision_and_recall_equals_pycocotools(make, seeds):
    """All IoU thresholds, recall points, categories, sizes and max_dets: the same floats, to the
    bit.
    """
    for seed in seeds:
        gt, dt = make(seed)
        expected = coco_eval(gt, dt, MAX_DETS).eval
        truth = read_ground_truth(gt)
        matcher = Matcher(truth, read_detections(dt, truth), max_dets=MAX_DETS[-1])
        for m, max_dets in enumerate(MAX_DETS):
            for a, subset in enumerate((WHOLE, *COCO_SIZES)):
                scores = matcher.score(subset, max_dets=max_dets, keep_precision=True)
                # theirs: -1 without ground truth; axes IoU, (recall,) category
                precision = np.nan_to_num(scores.precision[:, 0], nan=-1).transpose(1, 2, 0)
                recall = np.nan_to_num(scores.recall[:, 0], nan=-1).T
                message = f"{seed=} {max_dets=} {subset.name}"
                np.testing.assert_array_equal(
                    precision, expected["precision"][:, :, :, a, m], message
                )
                np.testing.assert_array_equal(recall, expected["recall"][:, :, a, m], message)


@pytest.mark.parametrize("seed", range(40))
def test_stats_equal_pycocotools(seed):
    """COCO's twelve stats, by their names here."""
    gt, dt = random_case(seed) if seed % 4 else crowded_case(seed)
    evaluation = coco_eval(gt, dt, [1, 10, 100])
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.summarize()
    matcher = match(gt, dt, 100)
    results = {n: score_matches(matcher, n, coco_sizes=True) for n in (1, 10, 100)}
    last = results[100].metrics
    ours = [last[name] for name in ("AP", "AP50", "AP75", "APs", "APm", "APl")]
    ours += [results[n].metrics[f"AR{n}"] for n in (1, 10, 100)]
    ours += [last[name] for name in ("ARs", "ARm", "ARl")]
    theirs = np.where(evaluation.stats < 0, np.nan, 100 * evaluation.stats)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("max_dets", MAX_DETS)
def test_ap_at_every_max_dets_equals_pycocotools(max_dets):
    gt, dt = crowded_case(max_dets)
    precision = coco_eval(gt, dt, [max_dets]).eval["precision"][:, :, :, 0, 0]
    assert evaluate_detections(gt, dt, max_dets).metrics["AP"] == pytest.approx(
        100 * precision.mean(), abs=1e-9
    )


def test_max_dets_changes_the_crowded_case():
    """The cases above would not notice a limit that no image reaches."""
    gt, dt = crowded_case(0)
    recalls = [evaluate_detections(gt, dt, n).metrics[f"AR{n}"] for n in MAX_DETS]
    assert recalls == sorted(set(recalls))


def test_counts_do_not_touch_the_count_blind_figures():
    gt, dt = random_case(2)
    blind = [{k: v for k, v in d.items() if k != "count"} for d in dt]
    for name, value in evaluate_detections(gt, dt).metrics.items():
        if "lc" not in name:
            assert evaluate_detections(gt, blind).metrics[name] == value
