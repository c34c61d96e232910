import json

import numpy as np
import pytest

from locount.evaluation import EvaluationInputError, evaluate_detections
from locount.evaluation.reading import read_detections, read_ground_truth

from .cases import random_case


def truth():
    return {
        "images": [{"id": 7}, {"id": 3}],
        "categories": [{"id": 5, "name": "cup"}, {"id": 2, "name": "bottle"}],
        "annotations": [
            {"id": 0, "image_id": 7, "category_id": 5, "bbox": [0, 0, 9.5, 9], "count": 2},
            {"id": 1, "image_id": 3, "category_id": 2, "bbox": [1, 2, 3, 4], "count": 1},
        ],
    }


def found():
    return [
        {"image_id": 7, "category_id": 5, "bbox": [0, 0, 9, 9], "count": 2, "score": 0.5},
        {"image_id": 3, "category_id": 2, "bbox": [1, 2, 3, 4], "count": 1, "score": 1},
    ]


def problems(gt, dt) -> str:
    with pytest.raises(EvaluationInputError) as error:
        evaluate_detections(gt, dt)
    return str(error.value)


NAN, INF = float("nan"), float("inf")
BAD_DETECTIONS = [
    ("image_id", 4, "no image of the ground truth has it"),
    ("image_id", "7", "no image of the ground truth|a text here and an integer there"),
    ("category_id", 1, "no category of the ground truth has it"),
    ("category_id", None, "must be an integer"),
    ("bbox", [0, 0, NAN, 1], "finite"),
    ("bbox", [0, 0, INF, 1], "finite"),
    ("bbox", [0, 0, 1e200, 1e200], "finite"),
    ("bbox", [1e308, 0, 1e308, 1], "finite"),
    ("bbox", [0, 0, -1, 1], "width and height must be 0 or more"),
    ("bbox", [0, 0, 1], "a list of 4 numbers"),
    ("bbox", "0 0 1 1", "a list of 4 numbers"),
    ("score", NAN, "finite"),
    ("score", -INF, "finite"),
    ("score", "0.5", "must be a number"),
    ("score", True, "must be a number"),
    ("score", 10**400, "must be a number"),
    ("count", 0, "must be from 1 to"),
    ("count", -3, "must be from 1 to"),
    ("count", 2.5, "must be an integer"),
    ("count", NAN, "must be an integer"),
    ("count", 2**31, "must be from 1 to"),
    ("count", 2**70, "must be an integer"),
]


@pytest.mark.parametrize("as_file", [False, True])
@pytest.mark.parametrize(("key", "value", "message"), BAD_DETECTIONS)
def test_bad_detection_is_named(tmp_path, key, value, message, as_file):
    dt = found()
    dt[1][key] = value
    source = dt
    if as_file:
        source = tmp_path / "dt.json"
        source.write_text(json.dumps(dt))
    text = problems(truth(), source)
    assert text.startswith(str(source) if as_file else "detections: one problem")
    assert f'detections[1]: "{key}" is ' in text or f'detections: "{key}" is' in text
    assert any(part in text for part in message.split("|"))


@pytest.mark.parametrize("key", ["image_id", "category_id", "bbox", "score", "count"])
def test_missing_key_of_a_detection_is_named(key):
    dt = found()
    del dt[0][key]
    assert f'detections[0]: has no "{key}"' in problems(truth(), dt)


BAD_ANNOTATIONS = [
    ("image_id", 4, "no image of the ground truth"),
    ("category_id", 4, "no category of the ground truth"),
    ("bbox", [0, 0, 5, -5], "width and height must be 0 or more"),
    ("bbox", [0, None, 5, 5], "a list of 4 numbers"),
    ("count", 0, "must be from 1 to"),
    ("count", 1.5, "must be an integer"),
    ("id", 0, "is that of annotations[0] already"),
    ("iscrowd", 2, "must be 0 or 1"),
]


@pytest.mark.parametrize(("key", "value", "message"), BAD_ANNOTATIONS)
def test_bad_annotation_is_named(key, value, message):
    gt = truth()
    gt["annotations"][1][key] = value
    text = problems(gt, found())
    assert "annotations[1]" in text
    assert message in text


@pytest.mark.parametrize("key", ["image_id", "category_id", "bbox", "count", "id"])
def test_missing_key_of_an_annotation_is_named(key):
    gt = truth()
    del gt["annotations"][1][key]
    assert f'annotations[1]: has no "{key}"' in problems(gt, found())


@pytest.mark.parametrize("key", ["images", "categories"])
def test_repeated_ids_are_named(key):
    gt = truth()
    gt[key].append(gt[key][0])
    assert f"{key}[2]" in problems(gt, found())


@pytest.mark.parametrize("key", ["images", "categories", "annotations"])
def test_missing_list_is_named(key):
    gt = truth()
    del gt[key]
    assert f'has no "{key}"' in problems(gt, found())


def test_ids_of_another_dataset_are_one_problem_that_names_both_lists():
    """Thousands of lines, one a box, would say no more."""
    dt = [found()[0] | {"category_id": i % 3} for i in range(30)]
    text = problems(truth(), [*dt, found()[1] | {"image_id": 8}])
    assert "2 problems" in text
    assert text.count("detections[") == 2
    assert 'detections[30]: "image_id" is 8; no image of the ground truth has it. ' in text
    # 0 and 1: 20 of 30; 2 is a bottle
    assert 'detections[0]: "category_id" is 0; no category of the ground truth has it, ' in text
    assert "nor those of 19 more detections" in text
    assert "The detections have 0, 1, 2; the ground truth 2 (bottle), 5 (cup): " in text


def test_all_problems_are_listed_and_the_rest_counted():
    dt = [d | {"score": NAN} for d in found() * 15]
    text = problems(truth(), dt)
    assert "detections: 30 problems" in text
    assert text.count("detections[") == 20
    assert text.endswith("... and 10 more")


def test_problems_of_different_kinds_are_listed_together():
    dt = found()
    dt[0]["score"], dt[1]["category_id"] = "high", 77
    text = problems(truth(), dt)
    assert "detections[0]" in text
    assert "detections[1]" in text


@pytest.mark.parametrize("content", ['[{"image_id": 7, "cat', "", "not json", "[" * 5000])
def test_broken_file_is_an_error(tmp_path, content):
    path = tmp_path / "dt.json"
    path.write_text(content)
    assert "is not valid JSON" in problems(truth(), path)
    assert "is not valid JSON" in problems(path, found())


def test_missing_file_is_an_error(tmp_path):
    assert "can't be read (No such file" in problems(truth(), tmp_path / "dt.json")


def test_swapped_files_are_an_error():
    assert "is another kind of file?" in problems(truth(), truth())
    assert "no object with images" in problems(found(), found())


def test_no_detections_are_legal(tmp_path):
    path = tmp_path / "dt.json"
    path.write_text("[]")
    assert evaluate_detections(truth(), path).metrics["APlc"] == 0


def test_counts_missing_everywhere_are_ones():
    gt, dt = truth(), found()
    for entry in (*gt["annotations"], *dt):
        del entry["count"]
    ground_truth = read_ground_truth(gt)
    assert ground_truth.counts.tolist() == [1, 1]
    assert read_detections(dt, ground_truth).counts.tolist() == [1, 1]


def same_arrays(a, b):
    for name, array in vars(a).items():
        if name != "source":
            np.testing.assert_array_equal(array, getattr(b, name), err_msg=name)


@pytest.mark.parametrize("seed", range(20))
def test_all_ways_of_reading_agree(tmp_path, seed):
    """Parsed, json, npz; whole numbers written as floats, which the typed decoder refuses."""
    gt, dt = random_case(seed)
    for name, data in (("gt", gt), ("dt", dt)):
        (tmp_path / f"{name}.json").write_text(json.dumps(data))
    ground_truth = read_ground_truth(gt)
    same_arrays(read_ground_truth(tmp_path / "gt.json"), ground_truth)
    parsed = read_detections(dt, ground_truth)
    same_arrays(read_detections(tmp_path / "dt.json", ground_truth), parsed)
    columns = {k: [d[k] for d in dt] for k in ("image_id", "category_id", "bbox", "score", "count")}
    shapes = {"bbox": (-1, 4)}
    dtypes = {"bbox": float, "score": float}
    np.savez(
        tmp_path / "dt.npz",
        **{
            k: np.array(v, dtypes.get(k, int)).reshape(shapes.get(k, -1))
            for k, v in columns.items()
        },
    )
    same_arrays(read_detections(tmp_path / "dt.npz", ground_truth), parsed)
    floats = [d | {"count": float(d["count"])} for d in dt]
    same_arrays(read_detections(floats, ground_truth), parsed)
    numpy_types = [d | {"score": np.float64(d["score"]), "bbox": np.array(d["bbox"])} for d in dt]
    same_arrays(read_detections(numpy_types, ground_truth), parsed)


def test_image_ids_may_be_texts():
    gt, dt = random_case(5)
    expected = evaluate_detections(gt, dt).metrics
    for entry in gt["images"]:
        entry["id"] = f"image {entry['id']:02}"
    for entry in (*gt["annotations"], *dt):
        entry["image_id"] = f"image {entry['image_id']:02}"
    np.testing.assert_equal(evaluate_detections(gt, dt).metrics, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": None}, "score: is missing"),
        ({"bbox": np.zeros((2, 5))}, "bbox: has type float64 and shape (2, 5)"),
        ({"count": np.array([1.0, 2.0])}, "count: has type float64"),
        ({"count": np.array([1, 0])}, "detections[1]"),
        ({"score": np.array([0.5, NAN])}, "detections[1]"),
    ],
)
def test_bad_npz_is_named(tmp_path, change, message):
    columns = {
        "image_id": np.array([7, 3]),
        "category_id": np.array([5, 2]),
        "bbox": np.ones((2, 4)),
        "score": np.ones(2),
    } | change
    path = tmp_path / "dt.npz"
    np.savez(path, **{k: v for k, v in columns.items() if v is not None})
    assert message in problems(truth(), path)


def test_broken_npz_is_an_error(tmp_path):
    path = tmp_path / "dt.npz"
    path.write_text("no zip file")
    assert "can't be read as npz" in problems(truth(), path)
