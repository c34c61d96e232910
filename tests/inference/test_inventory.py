import csv
import json

import msgspec

from locount.calibration import Total, Totals
from locount.class_names import Classes
from locount.inference.inventory import write_tables
from locount.inference.journal import Detection, Entry

CLASSES = Classes(("box", "cup", "jar"), ("", "crockery", "food"), (3, 7, 9))


def detection(category_id, score, count, count_score=0.5):
    name = CLASSES.names[CLASSES.ids.index(category_id)]
    return Detection(category_id, name, (1.0, 2.0, 3.0, 4.0), score, count, count_score)


ENTRIES = [
    Entry(
        1,
        "a.jpg",
        60,
        80,
        (0, 0),
        "1_a.jpg",
        [detection(7, 0.9, 2), detection(7, 0.8, 5, 0.25), detection(3, 0.7, 1)],
    ),
    Entry(2, "b.jpg", 30, 40, (0, 0), None, []),
    Entry(4, "c.jpg", 30, 40, (0, 0), None, [detection(7, 0.6, 3, None)]),
]


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return [list(row.values()) for row in csv.DictReader(file)]


def test_what_stands_on_each_photo(tmp_path):
    write_tables(ENTRIES, CLASSES, tmp_path)
    assert rows(tmp_path / "inventory.csv") == [
        ["a.jpg", "box", "", "1", "1", "0.7", "0.5"],
        ["a.jpg", "cup", "crockery", "2", "7", "0.8", "0.25"],
        ["b.jpg", "", "", "0", "0", "", ""],
        ["c.jpg", "cup", "crockery", "1", "3", "0.6", ""],
    ]


def test_photos_that_were_looked_at_in_tiles_have_no_intervals(tmp_path):
    totals = Totals(0.9, Total(8, 6, 11), {3: Total(1, 1, 2), 7: Total(7, 5, 9)})
    write_tables(
        [msgspec.structs.replace(ENTRIES[0], totals=totals), *ENTRIES[1:]], CLASSES, tmp_path
    )
    assert [row[4:] for row in rows(tmp_path / "inventory.csv")] == [
        ["1", "0.7", "0.5", "1", "2"],
        ["7", "0.8", "0.25", "5", "9"],
        ["0", "", "", "", ""],
        ["3", "0.6", "", "", ""],
    ]
    assert rows(tmp_path / "photos.csv") == [
        ["a.jpg", "3", "8", "6", "11", "0.9"],
        ["b.jpg", "0", "0", "", "", ""],
        ["c.jpg", "1", "3", "", "", ""],
    ]


def test_totals_name_categories_without_a_box_too(tmp_path):
    totals = write_tables(ENTRIES, CLASSES, tmp_path)
    assert rows(tmp_path / "totals.csv") == [
        ["box", "", "1", "1", "0.7", "0.5", "1"],
        ["cup", "crockery", "3", "10", "0.6", "0.25", "2"],
        ["jar", "food", "0", "0", "", "", "0"],
    ]
    assert [row["instances"] for row in totals] == [1, 10, 0]


def test_ids_of_the_results_are_those_of_the_images(tmp_path):
    write_tables(ENTRIES, CLASSES, tmp_path)
    images = json.loads((tmp_path / "images.json").read_text())
    assert [(i["id"], i["file_name"], i["height"], i["width"]) for i in images["images"]] == [
        (1, "a.jpg", 60, 80),
        (2, "b.jpg", 30, 40),
        (4, "c.jpg", 30, 40),
    ]
    assert [(c["id"], c["name"]) for c in images["categories"]] == [
        (3, "box"),
        (7, "cup"),
        (9, "jar"),
    ]
    results = json.loads((tmp_path / "predictions.json").read_text())
    assert [r["image_id"] for r in results] == [1, 1, 1, 4]
    assert results[1] == {
        "image_id": 1,
        "category_id": 7,
        "bbox": [1, 2, 3, 4],
        "score": 0.8,
        "count": 5,
        "count_score": 0.25,
    }
    assert "count_score" not in results[3]


def test_a_run_without_photos_has_empty_tables(tmp_path):
    write_tables([], CLASSES, tmp_path)
    assert rows(tmp_path / "inventory.csv") == []
    assert json.loads((tmp_path / "predictions.json").read_text()) == []
