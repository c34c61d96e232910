import pytest

from locount.evaluation import match
from locount.evaluation.analysis.suspects import find_suspects

CUP, BOTTLE = 1, 2
A, B = [0, 0, 100, 100], [500, 0, 100, 100]


def beside(overlap):
    """A box as large as A that shares this part of its width with A: IoU = o / (2 - o)."""
    return [100 * (1 - overlap), 0, 100, 100]


def scene(*boxes):
    """Annotations in one image: (box, category, count) or with more keys fourth."""
    return {
        "images": [{"id": 7}],
        "categories": [{"id": CUP, "name": "cup"}, {"id": BOTTLE, "name": "bottle"}],
        "annotations": [
            {"image_id": 7, "bbox": b[0], "category_id": b[1], "count": b[2]} | dict(*b[3:])
            for b in boxes
        ],
    }


def found(*boxes):
    """Detections in it: (box, category, count, score)."""
    return [
        {"image_id": 7, "bbox": b[0], "category_id": b[1], "count": b[2], "score": b[3]}
        for b in boxes
    ]


def suspects(gt, dt, score=0.5):
    """Kind, annotation and detection of each."""
    rows = find_suspects(match(gt, dt, 150), score)
    return [(row["kind"], row["annotation"], row["detection"]) for row in rows]


def test_right_annotations_are_not_suspect():
    # an unfound annotation neither, without a detection that says something else
    assert suspects(scene((A, CUP, 4), (B, CUP, 1)), found((A, CUP, 4, 0.9))) == []


def test_missing():
    dt = found((A, CUP, 2, 0.9), (B, BOTTLE, 3, 0.8))
    (row,) = find_suspects(match(scene((A, CUP, 2)), dt, 150))
    assert row == {
        "image_id": 7,
        "kind": "missing",
        "score": 0.8,
        "annotation": None,
        "detection": 1,
        "category": "bottle",
        "bbox": B,
        "why": "highest IoU with an annotation 0.00",
    }


def test_only_confident_detections_say_anything():
    dt = found((A, CUP, 1, 0.5), (B, CUP, 1, 0.4))
    assert suspects(scene(), dt) == [("missing", None, 0)]
    assert suspects(scene(), dt, score=0.4) == [("missing", None, 0), ("missing", None, 1)]


def test_an_annotation_found_below_the_score_is_unfound():
    dt = found((A, CUP, 1, 0.4), (A, BOTTLE, 1, 0.9))
    assert suspects(scene((A, CUP, 1)), dt) == [("category", 0, 1)]


def test_category():
    dt = found((A, BOTTLE, 1, 0.9))
    (row,) = find_suspects(match(scene((A, CUP, 1)), dt, 150))
    assert (row["kind"], row["category"], row["why"]) == (
        "category",
        "cup",
        "detected as bottle, IoU 1.00",
    )


def test_a_found_annotation_has_the_right_category():
    dt = found((A, CUP, 1, 0.6), (A, BOTTLE, 1, 0.9))
    assert suspects(scene((A, CUP, 1)), dt) == []


@pytest.mark.parametrize(("count", "kinds"), [(2, []), (1, ["count"]), (6, []), (7, ["count"])])
def test_count(count, kinds):
    # Of 4: AC 1 - 2/4 = 0.50 for 2 and for 6, 0.25 for 1 and for 7.
    rows = find_suspects(match(scene((A, CUP, 4)), found((A, CUP, count, 0.9)), 150))
    assert [row["kind"] for row in rows] == kinds
    assert [row["why"] for row in rows] == [f"annotated 4, detected {count}"] * len(kinds)


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        (0.7, []),  # IoU 0.7/1.3 = 0.54: found
        (0.6, [("box", 0, 0)]),  # 0.6/1.4 = 0.43
        (0.5, [("box", 0, 0)]),  # 0.5/1.5 = 0.33
        (0.4, [("missing", None, 0)]),  # 0.4/1.6 = 0.25
    ],
)
def test_box(overlap, expected):
    dt = found((beside(overlap), CUP, 1, 0.9))
    assert suspects(scene((A, CUP, 1)), dt) == expected


def test_a_box_of_another_category_nearby_is_nothing():
    assert suspects(scene((A, CUP, 1)), found((beside(0.6), BOTTLE, 1, 0.9))) == []


def test_duplicate():
    # A detection on A takes A (IoU 1); the other annotation overlaps A by 0.9/1.1 = 0.82.
    gt = scene((beside(0.9), CUP, 1), (A, CUP, 1), (A, BOTTLE, 1))
    (row,) = find_suspects(match(gt, found((A, CUP, 1, 0.9)), 150))
    assert (row["kind"], row["annotation"], row["detection"]) == ("duplicate", 0, 0)
    assert row["why"] == "IoU 0.82 with annotation 1, which is found"


def test_a_second_detection_of_a_found_annotation_says_nothing():
    assert suspects(scene((A, CUP, 1)), found((A, CUP, 1, 0.9), (A, CUP, 1, 0.8))) == []


def test_an_unfound_annotation_is_suspected_once():
    # The second bottle overlaps A as well: 0.82. It has no annotation left, and is not far off.
    dt = found((A, BOTTLE, 1, 0.9), (beside(0.9), BOTTLE, 1, 0.8))
    assert suspects(scene((A, CUP, 1)), dt) == [("category", 0, 0)]


def test_detections_in_crowds_say_nothing():
    # The detection lies in the crowd with all its area.
    gt = scene(([0, 0, 900, 900], CUP, 1, {"iscrowd": 1}))
    assert suspects(gt, found((B, BOTTLE, 1, 0.9), (A, CUP, 1, 0.8))) == []


def test_places_are_those_of_the_files_and_best_scores_come_first():
    # The evaluation sorts both by category, image and score.
    far = [0, 500, 100, 100]
    gt = scene((A, BOTTLE, 4), (B, CUP, 4))
    dt = found((far, CUP, 1, 0.6), (A, BOTTLE, 1, 0.7), (B, CUP, 1, 0.8))
    assert suspects(gt, dt) == [("count", 1, 2), ("count", 0, 1), ("missing", None, 0)]


def test_nothing_at_all():
    assert suspects(scene(), []) == []
    assert suspects({"images": [], "categories": [], "annotations": []}, []) == []
