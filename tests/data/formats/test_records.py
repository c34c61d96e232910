"""Records are the dicts that they stand for."""

import numpy as np
import pytest
from detectron2.structures import BoxMode

from locount.data.formats.records import Paths, Records, same

XYXY = BoxMode.XYXY_ABS


def box(left, category, crowd):
    values = {"bbox": [left, 0.0, left + 1, 1.0], "bbox_mode": XYXY}
    return {**values, "category_id": category, "iscrowd": crowd}


# A wide image with two boxes, a high one without, and a square one with a crowd.
DICTS = [
    {
        "file_name": "a.jpg",
        "image_id": "a",
        "height": 2,
        "width": 3,
        "annotations": [box(0.0, 2, 0), box(5.0, 0, 0)],
    },
    {"file_name": "ä\udcff.jpg", "image_id": "b", "height": 3, "width": 2, "annotations": []},
    {
        "file_name": "",
        "image_id": "c",
        "height": 4,
        "width": 4,
        "annotations": [box(7.0, 2, 1)],
    },
]


@pytest.fixture
def records():
    images = {
        "file_name": Paths(["a.jpg", "ä\udcff.jpg", ""]),
        "image_id": np.array(["a", "b", "c"]),
        "height": np.array([2, 3, 4]),
        "width": np.array([3, 2, 4]),
    }
    boxes = {
        "bbox": np.array([[0, 0, 1, 1], [5, 0, 6, 1], [7, 0, 8, 1]], float),
        "bbox_mode": same(XYXY, 3),
        "category_id": np.array([2, 0, 2]),
        "iscrowd": np.array([0, 0, 1], np.int8),
    }
    return Records(images, boxes, np.array([2, 0, 1]))


def types(value):
    if isinstance(value, dict):
        return {key: types(v) for key, v in value.items()}
    return list(map(types, value)) if isinstance(value, list) else type(value)


def test_they_are_the_dicts(records):
    assert records == DICTS
    assert list(map(types, records)) == list(map(types, DICTS))  # and nothing of numpy
    assert records[-1] == DICTS[2]
    assert records[1:] == DICTS[1:]
    assert records != DICTS[:2]
    with pytest.raises(IndexError):
        records[3]


def test_a_record_that_is_changed_changes_no_other(records):
    records[0]["annotations"].clear()
    assert records == DICTS


@pytest.mark.parametrize("places", [[], [2, 0], [1, 0, 0, 2, 1]])
def test_some_of_them(records, places):
    taken, dicts = records.take(places), [DICTS[i] for i in places]
    assert taken == dicts
    assert taken.take([*range(len(places))][::-1]) == dicts[::-1]
    assert taken.paths() == [d["file_name"] for d in dicts]
    assert taken.sizes().tolist() == [[d["height"], d["width"]] for d in dicts]
    objects = [[a["category_id"] for a in d["annotations"] if not a["iscrowd"]] for d in dicts]
    assert taken.num_objects().tolist() == list(map(len, objects))
    assert taken.objects_by_category(3).tolist() == [
        sum(found.count(i) for found in objects) for i in range(3)
    ]


def test_other_categories_and_columns(records):
    mapped = records.take([2, 0]).with_categories([None, None, 5])
    assert mapped == [
        {**DICTS[2], "annotations": [box(7.0, 5, 1)]},
        {**DICTS[0], "annotations": [box(0.0, 5, 0)]},
    ]
    more = mapped.with_columns({"predicted": same(True, 3)}, {"score": np.array([0.25, 0.5])})
    assert more == [
        {**DICTS[2], "predicted": True, "annotations": [{**box(7.0, 5, 1), "score": 0.5}]},
        {**DICTS[0], "predicted": True, "annotations": [{**box(0.0, 5, 0), "score": 0.25}]},
    ]
    assert records == DICTS
