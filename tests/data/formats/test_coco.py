import copy
import json
import math

import pytest
from detectron2.structures import BoxMode
from PIL import Image

from locount.data import DatasetError
from locount.data.formats import Reading
from locount.data.formats.coco import Coco
from locount.errors import InputError

CONTENT = {
    "images": [
        {"id": 7, "file_name": "a.jpg", "height": 80, "width": 100},
        {"id": 5, "file_name": "b.jpg", "height": 80, "width": 100},
    ],
    "categories": [{"id": 30, "name": "cup"}, {"id": 4, "name": "bowl"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 30, "bbox": [1, 2, 3.5, 4], "count": 12},
        {
            "id": 2,
            "image_id": 7,
            "category_id": 4,
            "bbox": [0, 0, 100, 80],
            "count": 1,
            "iscrowd": 1,
        },
    ],
}


@pytest.fixture
def content():
    return copy.deepcopy(CONTENT)


@pytest.fixture
def source(tmp_path):
    """Writes a COCO file and two images; returns its source."""

    def make(content):
        for name in ("a.jpg", "b.jpg"):
            Image.new("RGB", (100, 80)).save(tmp_path / name)
        path = tmp_path / "annotations.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return Coco(str(path), str(tmp_path), Reading())

    return make


def complaints(source):
    with pytest.raises(DatasetError) as caught:
        source.load()
    assert all(problem.path == source.path for problem in caught.value.problems)
    return [problem.text for problem in caught.value.problems]


def test_records_hold_what_the_file_says(source, content, tmp_path):
    coco = source(content)
    first, second = coco.load()
    assert first == {
        "file_name": str(tmp_path / "a.jpg"),
        "annotation_file": coco.path,
        "image_id": 7,
        "height": 80,
        "width": 100,
        "annotations": [
            {
                "bbox": [1.0, 2.0, 3.5, 4.0],
                "bbox_mode": BoxMode.XYWH_ABS,
                "category_id": 1,
                "count": 12,
                "iscrowd": 0,
                "id": 1,
            },
            {
                "bbox": [0.0, 0.0, 100.0, 80.0],
                "bbox_mode": BoxMode.XYWH_ABS,
                "category_id": 0,
                "count": 1,
                "iscrowd": 1,
                "id": 2,
            },
        ],
    }
    assert (second["image_id"], second["annotations"]) == (5, [])


def test_classes_stand_by_their_ids_in_the_file(source, content):
    metadata = source(content).metadata()
    assert metadata["thing_classes"] == ["bowl", "cup"]
    assert metadata["thing_dataset_id_to_contiguous_id"] == {4: 0, 30: 1}


def test_a_file_without_counts_is_one_of_single_items(source, content):
    for annotation in content["annotations"]:
        del annotation["count"]
    assert [a["count"] for a in source(content).load()[0]["annotations"]] == [1, 1]


def test_a_file_with_some_counts_is_an_error(source, content):
    del content["annotations"][1]["count"]
    (text,) = complaints(source(content))
    assert text.startswith('annotations[1]: has no "count": 1 other entries have it')


@pytest.mark.parametrize("count", [0, -3, 2.5, "3", None, True, math.nan])
def test_a_count_is_a_whole_number_from_one_on(source, content, count):
    content["annotations"][0]["count"] = count
    (text,) = complaints(source(content))
    assert text.startswith('annotations[0]: "count" is ')


@pytest.mark.parametrize(
    "box",
    [
        None,
        [1, 2, 3],
        [1, 2, "3", 4],
        [1, 2, math.nan, 4],
        [1, 2, math.inf, 4],
        [1, 2, -3, 4],
        [1, 2, 3, 0],
        [98, 2, 3.1, 4],
        [-1.1, 2, 3, 4],
    ],
)
def test_a_box_is_four_numbers_within_the_image(source, content, box):
    content["annotations"][0]["bbox"] = box
    (text,) = complaints(source(content))
    assert text.startswith('annotations[0]: "bbox" is ')


def test_a_box_may_reach_over_the_edge_by_a_rounded_pixel(source, content):
    content["annotations"][0]["bbox"] = [-0.4, -0.4, 101, 81]
    assert source(content).load()[0]["annotations"][0]["bbox"] == [-0.4, -0.4, 101.0, 81.0]


@pytest.mark.parametrize(
    ("key", "entry", "field", "value", "word"),
    [
        ("annotations", 0, "image_id", 8, '"image_id" is 8;'),
        ("annotations", 0, "image_id", [7], '"image_id" is [7]'),
        ("annotations", 0, "category_id", 5, '"category_id" is 5;'),
        ("annotations", 1, "id", 1, "is that of annotations[0]"),
        ("annotations", 0, "iscrowd", 2, '"iscrowd" is 2'),
        ("images", 1, "file_name", "c.jpg", "there is no file"),
        ("images", 1, "width", 0, '"width" is 0'),
        ("images", 1, "height", None, '"height" is None'),
        ("images", 1, "id", 5.5, '"id" is 5.5'),
        ("categories", 1, "name", "cup", "is that of categories[0] already"),
        ("categories", 1, "name", " ", "\"name\" is ' '"),
    ],
)
def test_a_wrong_field_is_an_error_of_its_entry(source, content, key, entry, field, value, word):
    content[key][entry][field] = value
    (text,) = complaints(source(content))
    assert text.startswith(f"{key}[{entry}]: ")
    assert word in text


def test_all_problems_are_in_one_error(source, content):
    content["annotations"][0]["count"] = 0
    content["annotations"][1]["category_id"] = 1
    content["images"][1]["id"] = 7
    assert len(complaints(source(content))) == 3


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"images": [1]}'])
def test_a_file_that_is_no_coco_json_is_an_error(source, text):
    coco = source(text)
    with pytest.raises(InputError, match=r"annotations\.json"):
        coco.metadata()
    with pytest.raises(InputError, match=r"annotations\.json"):
        coco.load()


def test_empty_lists_are_errors(source):
    texts = complaints(source({"images": [], "categories": [], "annotations": []}))
    assert [text.split(":")[0] for text in texts] == ["images", "categories"]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.json: can't be read"):
        Coco(str(tmp_path / "gone.json"), str(tmp_path), Reading()).load()


def test_without_a_category_what_is_wrong_is_said(source, content):
    content["categories"] = []
    assert any('"category_id" is 30' in text for text in complaints(source(content)))


def test_annotations_that_are_no_list_are_named(source, content):
    content["annotations"] = 1.5
    assert any("1.5" in text for text in complaints(source(content)))
