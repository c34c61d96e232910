import json
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locount.coco.columns import typed_columns
from locount.coco.doubles import to_double
from locount.coco.reading import ANNOTATION, DETECTION, flat_table

slow_to_compile = settings(deadline=None)

numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 1),
    st.floats(0, 2000, width=32),
    st.integers(-(2**70), 2**70),
    st.integers(-9, 9),
)
integers = st.one_of(st.integers(-(2**66), 2**66), st.integers(0, 99))
others = st.one_of(st.none(), st.booleans(), st.text(), numbers, st.lists(numbers, max_size=3))


def same(text: bytes, fields) -> bool:
    """Whether the flat reader reads a text; if so, as the typed decoder does."""
    table = flat_table(msgspec.Raw(text), "detections", fields, min_size=0)
    if table is None:
        return False
    expected = typed_columns(msgspec.Raw(text), fields)
    assert table.columns.keys() == expected.keys()
    for key, column in table.columns.items():
        assert column.dtype == expected[key].dtype
        # to the bit: 0.0 is not -0.0
        assert column.tobytes() == np.ascontiguousarray(expected[key]).tobytes(), key
    return True


@st.composite
def detections(draw):
    """A results list, mostly a sound one, with spaces, other keys, and keys in any order."""
    with_count = draw(st.booleans())
    entries = []
    for _ in range(draw(st.integers(1, 8))):
        entry = {
            "image_id": draw(integers),
            "category_id": draw(integers),
            "bbox": draw(st.lists(numbers, min_size=4, max_size=4)),
            "score": draw(numbers),
        }
        if with_count:
            entry["count"] = draw(integers)
        if draw(st.integers(0, 3)) == 0:
            entry[draw(st.sampled_from(["count_score", "x", "bbox", "score", "é"]))] = draw(others)
        entries.append(dict(draw(st.permutations(list(entry.items())))))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:\r")]))
    return json.dumps(entries, separators=separators, ensure_ascii=draw(st.booleans())).encode()


@slow_to_compile
@given(detections())
def test_what_is_read_is_what_the_typed_decoder_reads(text):
    same(text, DETECTION)


@slow_to_compile
@given(detections(), st.data())
def test_damaged_text_is_left_alone_or_read_as_the_typed_decoder_does(text, data):
    text = bytearray(text)
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(text) - 1))
        new = data.draw(st.sampled_from(list(b'[]{},:" \n\\0159.-+eE\x00\x7f')))
        text[place : place + data.draw(st.integers(0, 2))] = [new]
    same(bytes(text), DETECTION)


PLAIN = {"image_id": 1, "category_id": 2, "bbox": [1, 2.5, 3e1, 4], "score": 0.123456789012345678}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([PLAIN]),
        json.dumps([PLAIN | {"count": 3}] * 40),
        json.dumps([PLAIN | {"x": None, "y": True, "z": -1.5e-7}] * 3),
        json.dumps([PLAIN | {"score": 5e-324}, PLAIN | {"score": 1.7976931348623157e308}]),
        " [" + json.dumps(PLAIN) + "] \n",
        json.dumps([PLAIN]).replace("0.12345", "0.0000000000000000000000000000000012345"),
    ],
)
def test_lists_that_are_read(text):
    assert same(text.encode(), DETECTION)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[{}]",
        "{}",
        json.dumps([PLAIN])[:-1],
        json.dumps([PLAIN])[:-1] + ",]",
        json.dumps([PLAIN, 5]),
        json.dumps([PLAIN, PLAIN | {"count": 3}]),
        json.dumps([PLAIN | {"image_id": "a"}]),
        json.dumps([PLAIN | {"image_id": 1.0}]),
        json.dumps([PLAIN | {"image_id": 10**18}]),
        json.dumps([PLAIN | {"bbox": [1, 2, 3]}]),
        json.dumps([PLAIN | {"bbox": [1, 2, 3, None]}]),
        json.dumps([PLAIN | {"score": math.nan}]),
        json.dumps([PLAIN | {"note": "a},{b" * 9}] * 40),  # where parts may be cut wrongly
        json.dumps([PLAIN | {"segmentation": []}]),
        json.dumps([PLAIN | {"note": 'a"b'}]),
        json.dumps([PLAIN]).replace("0.1", "1e999"),
        json.dumps([PLAIN]).replace("0.1", "00.1"),
        json.dumps([PLAIN]).replace('"image_id"', '"image_id": 1, "image_id"'),
    ],
)
def test_lists_that_are_left_to_others(text):
    assert not same(text.encode(), DETECTION)


def test_annotations_without_crowds_and_areas():
    entries = [{"image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4], "id": i} for i in range(9)]
    entries[3] |= {"iscrowd": 1, "area": 7.5}
    assert same(json.dumps(entries).encode(), ANNOTATION)
    assert not same(json.dumps([*entries, entries[0] | {"iscrowd": 2}]).encode(), ANNOTATION)


@slow_to_compile
@given(st.integers(0, 2**64 - 1), st.integers(-80, 80))
def test_doubles_are_the_nearest_ones(digits, power):
    value, known = to_double(np.uint64(digits), power)
    if known:
        assert value == float(f"{digits}e{power}")
    else:
        assert not -60 <= power <= 60


@pytest.mark.parametrize(
    "text",
    [
        "9007199254740993",  # half way between two doubles: to the even one
        "9007199254740995",
        "9007199254740993.0",
        "90071992547409930e-1",
        "4503599627370496.5",
        "4503599627370497.5",
        "1.00000000000000011102230246251565404236316680908203125",
        "7.2057594037927933e16",
    ],
)
def test_doubles_half_way_between_two(text):
    plain = json.dumps([PLAIN]).replace("0.12345678901234568", text)
    assert text in plain
    assert same(plain.encode(), DETECTION)
