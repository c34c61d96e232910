import copy
import json

import numpy as np
import pytest
from PIL import Image

from locount import coco
from locount.coco.checks import lookup
from locount.data.formats import Reading
from locount.data.formats.coco import Coco
from locount.errors import DatasetError
from locount.evaluation.reading import read_ground_truth

SOUND = {
    "images": [
        {"id": 7, "file_name": "a.jpg", "height": 80, "width": 100},
        {"id": 5, "file_name": "b.jpg", "height": 80, "width": 100},
    ],
    "categories": [{"id": 30, "name": "cup"}, {"id": 4, "name": "bowl"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 30, "bbox": [1, 2, 3.5, 4], "count": 12},
        {"id": 2, "image_id": 5, "category_id": 4, "bbox": [0, 0, 100, 80], "count": 1},
    ],
}


@pytest.fixture
def write(tmp_path):
    """Writes a COCO file beside its two images; returns its path."""
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (100, 80)).save(tmp_path / name)

    def make(content):
        path = tmp_path / "gt.json"
        path.write_text(json.dumps(content))
        return path

    return make


def complaints(read):
    try:
        read()
    except DatasetError as error:
        return list(map(str, error.problems))
    return None


@pytest.mark.parametrize(
    ("entries", "key", "value", "is_right"),
    [
        ("images", "id", "5", False),  # a text beside a number
        ("images", "height", 0, False),
        ("images", "height", None, False),
        ("images", "height", 80.0, True),
        ("categories", "id", 30, False),
        ("categories", "name", "cup", False),
        ("categories", "name", " ", False),
        ("annotations", "id", 1, False),
        ("annotations", "id", 2.0, True),
        ("annotations", "id", 2**60, True),
        ("annotations", "image_id", 8, False),
        ("annotations", "category_id", 5, False),
        ("annotations", "bbox", [1, 2, -3, 4], False),
        ("annotations", "bbox", [1, 2, 3], False),
        ("annotations", "bbox", [1, 2, "3", 4], False),
        ("annotations", "bbox", [1, 2, float("inf"), 4], False),
        ("annotations", "area", 5, True),
        ("annotations", "area", -5, False),
        ("annotations", "iscrowd", 1, True),
        ("annotations", "iscrowd", 2, False),
        ("annotations", "count", 3.0, True),
        ("annotations", "count", 2.5, False),
        ("annotations", "count", "3", False),
        ("annotations", "count", 10**9, False),
        ("annotations", "attributes", {"count": "1"}, True),
        ("annotations", "attributes", {"count": 2}, False),  # and 1 as a key
        ("annotations", "attributes", None, True),
        ("annotations", "attributes", {"rotation": 0.0}, True),
        ("annotations", "attributes", {"rotation": 30.5}, False),  # CVAT's box before it is turned
    ],
)
def test_what_is_trained_on_can_be_evaluated_and_the_other_way_round(
    write, tmp_path, entries, key, value, is_right
):
    content = copy.deepcopy(SOUND)
    content[entries][1][key] = value
    path = write(content)
    of_training = complaints(Coco(str(path), str(tmp_path), Reading()).load)
    assert (of_training is None) == is_right
    assert complaints(lambda: read_ground_truth(path)) == of_training


@pytest.mark.parametrize(
    ("entries", "key"),
    [("images", "id"), ("categories", "id"), ("categories", "name"), ("annotations", "id")],
)
def test_keys_that_may_be_missing_are_missing_everywhere(write, tmp_path, entries, key):
    content = copy.deepcopy(SOUND)
    del content[entries][1][key]
    of_training = complaints(Coco(str(write(content)), str(tmp_path), Reading()).load)
    assert f'{entries}[1]: has no "{key}"' in of_training[0]
    assert complaints(lambda: read_ground_truth(write(content))) == of_training


def test_ids_of_images_may_be_texts_and_names_and_ids_of_annotations_missing(write, tmp_path):
    content = copy.deepcopy(SOUND)
    for entry in content["images"]:
        entry["id"] = f"shelf {entry['id']}"
    for entry in content["annotations"]:
        entry["image_id"] = f"shelf {entry['image_id']}"
        del entry["id"]
    for entry in content["categories"]:
        del entry["name"]
    path = write(content)
    source = Coco(str(path), str(tmp_path), Reading())
    assert [record["image_id"] for record in source.load()] == ["shelf 7", "shelf 5"]
    assert source.metadata()["thing_classes"] == ["4", "30"]
    assert read_ground_truth(path).category_names == ("4", "30")


@pytest.mark.parametrize("box", [[5, 5, 0, 9], [60, 5, 60, 35]], ids=["no area", "outside"])
def test_a_box_that_cannot_be_found_stops_training_and_warns_in_evaluation(
    write, tmp_path, caplog, box
):
    content = copy.deepcopy(SOUND)
    content["annotations"][1]["bbox"] = box
    path = write(content)
    of_training = complaints(Coco(str(path), str(tmp_path), Reading()).load)
    assert len(read_ground_truth(path)) == 2
    (line,) = of_training
    assert line in caplog.text


@pytest.mark.parametrize("key", ["images", "categories", "annotations"])
def test_a_list_that_is_there_twice_is_named(write, key, tmp_path):
    path = write(SOUND)
    path.write_text(path.read_text()[:-1] + f', "{key}": []}}')
    expected = [f'{path}: has "{key}" more than once: make one list of them']
    assert complaints(lambda: read_ground_truth(path)) == expected
    assert complaints(Coco(str(path), str(tmp_path), Reading()).load) == expected


@pytest.mark.parametrize("key", ["id", "bbox", "count"])
def test_a_key_that_is_there_twice_is_named(write, key, tmp_path):
    content = copy.deepcopy(SOUND)
    content["annotations"][1] |= {key: 0, "twice": 0}
    path = write(content)
    path.write_text(path.read_text().replace("twice", key))
    for read in (lambda: read_ground_truth(path), Coco(str(path), str(tmp_path), Reading()).load):
        (problem,) = complaints(read)
        assert f"the key '{key}' is there twice in {{'id'" in problem


@pytest.mark.parametrize("key", ["iscrowd", "area"])
def test_a_key_that_others_lack_is_there_once(write, key, tmp_path):
    """The entry without the key must not make up for the one that has it twice."""
    content = copy.deepcopy(SOUND)
    content["annotations"][1] |= {key: 1, "twice": 0}
    path = write(content)
    path.write_text(path.read_text().replace("twice", key))
    for read in (lambda: read_ground_truth(path), Coco(str(path), str(tmp_path), Reading()).load):
        (problem,) = complaints(read)
        assert f"the key '{key}' is there twice in {{'id'" in problem


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ({"shapes": [], "imagePath": "a.jpg"}, "file of LabelMe: export or convert it"),
        ({"a.jpg9": {"filename": "a.jpg", "regions": []}}, "file of VGG Image Annotator"),
        ({"size": {"height": 9, "width": 9}, "objects": []}, "file of Supervisely"),
        ([{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}], "this is a list of results"),
        ([{"data": {}, "annotations": []}], "file of Label Studio: --from label-studio"),
        (0, "has no object with images"),
        ([0], "has no object with images"),
        (SOUND | {"annotations": [{"image_id": 7, "segments_info": []}]}, "is of COCO panoptic"),
        (SOUND | {"annotations": [{"image_id": 7, "keypoints": [1, 2, 2]}]}, "of COCO key points"),
        (SOUND | {"annotations": [{"image_id": 7, "caption": "Tea."}]}, "is of COCO captions"),
    ],
)
def test_files_of_another_kind_are_one_problem_with_a_cure(write, tmp_path, content, word):
    path = write(content)
    for read in (lambda: read_ground_truth(path), Coco(str(path), str(tmp_path), Reading()).load):
        (problem,) = complaints(read)
        assert word in problem


def test_a_name_like_a_key_is_a_name(write):
    content = copy.deepcopy(SOUND)
    content["categories"][0]["name"] = content["images"][0]["file_name"] = "name"
    assert complaints(lambda: read_ground_truth(write(content))) is None


def test_a_text_that_names_a_list_is_none(write):
    assert complaints(lambda: read_ground_truth(write({**SOUND, "info": ["annotations"]}))) is None


def test_the_rest_of_a_faulty_file_is_what_has_no_fault(write, tmp_path):
    """Annotation 0 is of the faulty image; nothing is said of it but that."""
    content = copy.deepcopy(SOUND)
    content["images"][0]["height"] = None
    survey = Coco(str(write(content)), str(tmp_path), Reading()).survey()
    assert [problem.text for problem in survey.problems] == [
        'images[0]: "height" is None; it must be an integer of at most 18 digits'
    ]
    assert [record["image_id"] for record in survey.records] == [5]
    assert [a["id"] for a in survey.records[0]["annotations"]] == [2]


def test_what_is_written_is_read():
    records = [
        {
            "image_id": 1,
            "annotations": [
                {"bbox": [1, 2, 4, 6], "bbox_mode": 0, "category_id": 1, "count": 3},
                {"bbox": [1, 2, 3, 4], "bbox_mode": 1, "category_id": 0, "count": 5, "area": 7},
            ],
        }
    ]
    file = coco.read_truth(coco.dataset_to_coco(records, [4, 9], ["bowl", "cup"]))
    assert file.annotations["bbox"].tolist() == [[1, 2, 3, 4], [1, 2, 3, 4]]
    assert file.annotations["area"].tolist() == [12, 7]
    assert file.annotations["category_id"].tolist() == [9, 4]
    assert file.counts.tolist() == [3, 5]


@pytest.mark.parametrize("known", [[-3, 0, 0, 7], [2**62, 2**62 + 1], [-(2**62), 5, 2**62], []])
def test_places_of_ids(known):
    """Dense ids have a table, others are searched for; both find the first of equal ones."""
    ids = np.array([-(2**63), -3, 0, 5, 7, 8, 2**62, 2**62 + 1, 2**63 - 1])
    place, found = lookup(ids, np.array(known, np.int64))
    assert found.tolist() == [i in known for i in ids.tolist()]
    assert place[found].tolist() == [known.index(i) for i in ids[found].tolist()]
