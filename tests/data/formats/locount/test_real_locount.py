"""The loader against what is known of the real Locount dataset, whose photos are not here."""

import csv

import pytest

from locount.data.catalog import source_of
from locount.data.formats.locount.categories import LOCOUNT_CATEGORIES, LOCOUNT_CLASSES


@pytest.fixture
def facts(shared_data):
    """A row for each category: id, name, group, train_boxes, test_boxes."""
    with open(shared_data / "locount" / "categories.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def as_in_the_files(row):
    """The name as the annotation files spell it: one of them with a space after it."""
    return f"{row['name']} " if row["name"] == "Baby handkerchiefs" else row["name"]


def lines(rows):
    return "".join(f"1,2,30,40,{as_in_the_files(row)},1\n" for row in rows)


def test_each_name_of_the_files_gets_its_id_and_group(make_split, facts):
    root = make_split({"000001": lines(reversed(facts))})
    folder = source_of(f"locount:{root}:train")
    (record,) = folder.load()
    metadata = folder.metadata()
    for row, annotation in zip(reversed(facts), record["annotations"], strict=True):
        assert annotation["category_id"] == int(row["id"])
        assert metadata["thing_classes"][annotation["category_id"]] == row["name"].strip()
        assert metadata["thing_groups"][annotation["category_id"]] == row["group"]


def test_splits_have_the_same_ids_though_other_categories_stand_in_them(make_split, facts):
    # As in Locount, stems repeat, and some categories are frequent in one split only.
    parts = {"train": facts[::2], "test": facts[1::2]}
    for split, rows in parts.items():
        root = make_split({"000001": lines(rows)}, split=split.capitalize())
    records = {split: source_of(f"locount:{root}:{split}").load()[0] for split in parts}
    for split, rows in parts.items():
        ids = [annotation["category_id"] for annotation in records[split]["annotations"]]
        assert ids == [int(row["id"]) for row in rows]
    assert records["train"]["image_id"] != records["test"]["image_id"]


def test_the_table_names_every_box_of_both_splits(facts):
    # 569,507 and 240,152 boxes in 34,022 and 16,372 images: 16.7 and 14.7 an image.
    boxes = {row["name"]: (int(row["train_boxes"]), int(row["test_boxes"])) for row in facts}
    train, test = zip(*(boxes[category.name] for category in LOCOUNT_CATEGORIES), strict=True)
    assert (sum(train), sum(test)) == (569_507, 240_152)
    assert (round(sum(train) / 34_022, 1), round(sum(test) / 16_372, 1)) == (16.7, 14.7)
    soap, bowl = (LOCOUNT_CLASSES.index(name) for name in ("Soap", "Bowl"))
    assert (train[soap], test[soap]) == (43, 3_483)
    assert (train[bowl], test[bowl]) == (44_324, 6_872)
