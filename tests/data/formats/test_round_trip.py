import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from locount.data.formats import FORMATS, LOSSES, convert

from .cases import content, datasets, read, write


def reduced(boxes, holds):
    """The boxes of an image as a format can hold them."""
    for corners, category, count in boxes:
        if "fractions" not in holds:
            corners = [math.floor(value + 0.5) for value in corners]
        yield corners, category, count if "counts" in holds else 1


def plain(found):
    """Without the name of the split that is put before names that two splits share."""
    return {
        (split, "/".join(part.removeprefix(f"{split}_") for part in name.split("/"))): boxes
        for (split, name), boxes in found.items()
    }


@pytest.mark.parametrize("key", FORMATS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_a_format_can_hold_survives(key, data):
    holds = FORMATS[key].holds
    dataset = data.draw(datasets(st.floats if "fractions" in holds else st.integers))
    expected = {
        place: list(reduced(boxes, holds))
        for place, boxes in content(dataset).items()
        if boxes or "empty-images" in holds
    }
    assume({split for split, _ in expected} == set(dataset.splits))
    with tempfile.TemporaryDirectory() as folder:
        source = write(dataset, "coco", Path(folder, "coco"))
        there = Path(folder, "there")
        convert(source, there, to=key, from_="coco", images="link", lossy=list(LOSSES))
        back = read(key, there)
    assert plain(content(back)) == expected
    if "category-list" in holds:
        assert back.classes == dataset.classes
    else:
        assert back.classes == tuple(
            sorted({c for boxes in expected.values() for _, c, _ in boxes})
        )


@pytest.mark.parametrize("key", [key for key in FORMATS if key != "sku110k"])
@settings(max_examples=5, deadline=None)
@given(dataset=datasets(st.integers))
def test_locount_comes_back_through_every_format(key, dataset):
    with tempfile.TemporaryDirectory() as folder:
        source = write(dataset, "locount", Path(folder, "locount"))
        there, back = Path(folder, "there"), Path(folder, "back")
        convert(source, there, to=key, images="link", lossy=["category-list"])
        convert(there, back, to="locount", from_=key, categories=source / "categories.txt")
        assert plain(content(read("locount", back))) == content(dataset)
        if "category-list" in FORMATS[key].holds:
            assert (back / "categories.txt").read_text() == (source / "categories.txt").read_text()


def test_real_shelves_come_back_through_every_format(shared_data, tmp_path):
    source = shared_data / "packs"
    before = content(read("locount", source, "test"))
    for key in set(FORMATS) - {"sku110k"}:
        there = tmp_path / key
        lossy = ["category-list"]
        convert(source, there, to=key, split="test", images="link", lossy=lossy)
        assert content(read(key, there)) == before
