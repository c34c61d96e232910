"""Detections whose photos and categories have names are those of these names."""

import json

import pytest

from locount.errors import InputError
from locount.evaluation import evaluate_detections
from locount.evaluation.reading import read_detections, read_ground_truth

TRUTH = {
    "images": [
        {"id": 1, "file_name": "b.jpg", "height": 300, "width": 400},
        {"id": 2, "file_name": "a.jpg", "height": 300, "width": 400},
    ],
    "categories": [{"id": 1, "name": "bowl"}, {"id": 2, "name": "cup"}, {"id": 3, "name": "can"}],
    "annotations": [
        {"image_id": 1, "category_id": 2, "bbox": [0, 0, 50, 50], "count": 2},
        {"image_id": 2, "category_id": 1, "bbox": [9, 9, 50, 50], "count": 3},
    ],
}
# The same boxes; photos and categories have the numbers of a run.
PHOTOS = [
    {"id": 1, "file_name": "shop/a.jpg", "height": 300, "width": 400},
    {"id": 2, "file_name": "shop/b.jpg", "height": 300, "width": 400},
]
CATEGORIES = [{"id": 0, "name": "can"}, {"id": 1, "name": "cup"}, {"id": 2, "name": "bowl"}]
FOUND = [
    {"image_id": 1, "category_id": 2, "bbox": [9, 9, 50, 50], "count": 3, "score": 0.9},
    {"image_id": 2, "category_id": 1, "bbox": [0, 0, 50, 50], "count": 2, "score": 0.8},
]


@pytest.fixture
def write(tmp_path):
    """Writes GT.json and what is in a folder of detections; returns both paths."""

    def make(photos=PHOTOS, categories=CATEGORIES, found=FOUND, truth=TRUTH, legend="images.json"):
        (tmp_path / "GT.json").write_text(json.dumps(truth))
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        content = {"images": photos, "categories": categories, "annotations": []}
        (folder / legend).write_text(json.dumps(content))
        name = "predictions" if legend == "images.json" else "locount_instances_results"
        (folder / f"{name}.json").write_text(json.dumps(found))
        return tmp_path / "GT.json", folder

    return make


@pytest.mark.parametrize("name", ["", "predictions.json"])
@pytest.mark.parametrize("parsed", [False, True])
def test_a_run_is_evaluated_by_names(write, name, parsed):
    """By its numbers every box would be of another photo and category."""
    gt, folder = write()
    metrics = evaluate_detections(TRUTH if parsed else gt, folder / name).metrics
    assert metrics["APlc"] == pytest.approx(100)


def test_every_command_reads_a_run_so(write):
    gt, folder = write()
    truth = read_ground_truth(gt)
    found = read_detections(folder, truth)
    assert truth.image_ids[found.image].tolist() == [2, 1]
    assert truth.category_ids[found.category].tolist() == [1, 2]


def test_results_of_an_evaluation_have_the_categories_of_the_ground_truth_beside_them(write):
    """Their photos have the ids of the data."""
    photos = [{"id": photo["id"]} for photo in TRUTH["images"]]
    found = [entry | {"image_id": 3 - entry["image_id"]} for entry in FOUND]
    gt, folder = write(photos, found=found, legend="locount_ground_truth.json")
    path = folder / "locount_instances_results.json"
    assert evaluate_detections(gt, path).metrics["APlc"] == pytest.approx(100)
    own = read_ground_truth(folder / "locount_ground_truth.json")
    assert own.category_ids[read_detections(path, own).category].tolist() == [2, 1]


def test_results_of_an_evaluation_have_the_photos_of_a_converted_dataset_by_their_names(write):
    photos = [photo | {"id": 1000 + photo["id"]} for photo in PHOTOS]
    found = [entry | {"image_id": 1000 + entry["image_id"]} for entry in FOUND]
    gt, folder = write(photos, found=found, legend="locount_ground_truth.json")
    path = folder / "locount_instances_results.json"
    assert evaluate_detections(gt, path).metrics["APlc"] == pytest.approx(100)


@pytest.mark.parametrize("of_truth", [False, True])
def test_without_names_of_categories_ids_decide(write, of_truth):
    bare = [{"id": i} for i in (1, 2, 3)]
    truth = TRUTH | {"categories": bare} if of_truth else TRUTH
    gt, folder = write(categories=CATEGORIES if of_truth else bare, truth=truth)
    read = read_ground_truth(gt)
    assert read.category_ids[read_detections(folder, read).category].tolist() == [2, 1]


def test_a_category_that_is_never_found_may_be_unknown(write):
    gt, folder = write(categories=[{"id": 0, "name": "jar"}, *CATEGORIES[1:]])
    assert evaluate_detections(gt, folder).metrics["APlc"] == pytest.approx(100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"categories": [*CATEGORIES[:2], {"id": 2, "name": "jar"}]},
            "GT.json lacks jar. The detections' are can, cup, jar; those of the ground truth "
            "bowl, cup, can: rename",
        ),
        ({"photos": [*PHOTOS, {"id": 3, "file_name": "c.jpg"}]}, "c.jpg is not in the ground"),
        ({"photos": [PHOTOS[0], PHOTOS[1] | {"file_name": "a.jpg"}]}, "is the same image as shop/"),
        (
            {"photos": [PHOTOS[0], PHOTOS[1] | {"height": 400, "width": 300}]},
            "shop/b.jpg was 300x400 pixels large, and is 400x300 there",
        ),
        ({"photos": PHOTOS[:1]}, '"image_id" is 2, and the file beside it'),
        ({"categories": CATEGORIES[:2]}, '"category_id" is 2, and the file beside it'),
    ],
)
def test_names_that_do_not_fit_are_an_error(write, change, message):
    gt, folder = write(**change)
    with pytest.raises(InputError) as error:
        evaluate_detections(gt, folder)
    assert str(error.value).startswith(str(folder / "predictions.json"))
    assert message in str(error.value)
