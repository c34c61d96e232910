import numpy as np
import pytest

from locount.evaluation import match
from locount.evaluation.analysis.count_statistics import count_statistics, subset_confusion

from ..cases import random_case
from ..reference import match_image

WHOLE = ((0, float("inf")), (1, float("inf")))


def rows_of_boxes(*counts):
    """Ground truth and detections: side by side, each (true, predicted), predicted None for
    missed.
    """
    boxes = [[200 * i, 0, 100, 100] for i in range(len(counts))]
    shared = {"image_id": 1, "category_id": 1}
    pairs = list(zip(boxes, counts, strict=True))
    gt = {
        "images": [{"id": 1}],
        "categories": [{"id": 1, "name": "cup"}, {"id": 2, "name": "bottle"}],
        "annotations": [shared | {"bbox": box, "count": true} for box, (true, _) in pairs],
    }
    dt = [shared | {"bbox": b, "count": pred, "score": 0.5} for b, (_, pred) in pairs if pred]
    return gt, dt


def statistics(gt, dt, max_dets=150):
    return count_statistics(match(gt, dt, max_dets), max_dets=max_dets)


def test_statistics_by_hand():
    result = statistics(*rows_of_boxes((1, 1), (1, 3), (4, 3), (20, 20), (20, None)))
    # errors 0, 2, -1, 0; AC 1, 0, 3/4, 1
    assert result.total == {"boxes": 4, "MAE": 0.75, "exact": 50, "AC": 68.75, "bias": 0.25}
    assert result.by_count[1] == {"boxes": 2, "MAE": 1, "exact": 50, "AC": 50, "bias": 1}
    assert list(result.by_count) == [1, 4, 20]
    assert result.by_subset["MN"] == result.by_count[4]
    assert result.by_subset["LN"]["boxes"] == 1
    assert result.by_category == [{"id": 1, "name": "cup"} | result.total]


def test_no_match_is_undefined():
    result = statistics(*rows_of_boxes((5, None)))
    assert result.total["boxes"] == 0
    assert np.isnan(result.total["MAE"])
    assert result.by_count == {}
    assert result.by_category == []


@pytest.mark.parametrize("seed", range(30))
def test_number_of_matches_equals_reference(seed):
    gt, dt = random_case(seed)
    hits = 0
    for image in gt["images"]:
        for category in gt["categories"]:
            gts, dts = (
                [
                    e
                    for e in entries
                    if (e["image_id"], e["category_id"]) == (image["id"], category["id"])
                ]
                for entries in (gt["annotations"], dt)
            )
            hits += sum(o == "hit" for _, o in match_image(gts, dts, 0.5, 0, WHOLE, 3))
    assert statistics(gt, dt, max_dets=3).total["boxes"] == hits


def test_confusion_of_subsets_sums_to_all_boxes():
    # 1 said 1, 1 said 2, 10 said 11, 11 said 11; missed 56.
    table = subset_confusion(np.array([1, 2, 11, 11]), np.array([1, 1, 10, 11]), np.array([56]))
    np.testing.assert_array_equal(table, [[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]])
