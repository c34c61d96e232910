import json

import msgspec
import numpy as np
import pytest

from locount.coco.columns import ID, NUMBER, TEXT, Field, typed_columns

FIELDS = {"id": Field(ID), "score": Field(NUMBER), "note": Field(TEXT, optional=True)}


def read(entries, size):
    return typed_columns(msgspec.Raw(json.dumps(entries).encode()), FIELDS, size)


@pytest.mark.parametrize("size", [0, 1, 30, 1000])
@pytest.mark.parametrize(
    "entries",
    [
        pytest.param([], id="empty"),
        pytest.param([{"id": i, "score": i / 7} for i in range(9)], id="plain"),
        pytest.param([{"id": i, "score": 1, "note": "a},{b" * i} for i in range(9)], id="in text"),
        pytest.param(
            [{"mask": {"size": [1, {}], "x": {}}, "id": i, "score": i} for i in range(9)],
            id="nested",
        ),
        pytest.param([{"id": "a" * i, "score": 0.5} for i in range(9)], id="text ids"),
    ],
)
def test_pieces_read_as_the_whole(entries, size):
    found = read(entries, size)
    assert set(found) == {"id", "score"} | {key for entry in entries for key in entry} - {"mask"}
    for key, column in found.items():
        assert column.tolist() == [entry[key] for entry in entries]
    assert found["score"].dtype == np.float64


@pytest.mark.parametrize("size", [0, 1000])
@pytest.mark.parametrize(
    "odd",
    [
        {"id": "b", "score": 1},
        {"id": 1, "score": 1, "note": "x"},
        {"id": 1},
        {"id": 1, "score": "1"},
    ],
    ids=["text among numbers", "optional key in one", "missing key", "wrong type"],
)
def test_entries_that_differ_are_left_to_the_patient_way(odd, size):
    plain = {"id": 0, "score": 1}
    assert read([plain, plain, odd, plain], size) is None


@pytest.mark.parametrize("text", [b'[{"id": 1, "score": 1}', b'{"id": 1}', b"[1, 2]", b"[}]"])
def test_what_is_no_list_of_objects_is_left_to_the_patient_way(text):
    assert typed_columns(msgspec.Raw(text), FIELDS) is None
