import csv
import json
import os
from pathlib import Path

import pytest
from PIL import Image

from locount.data.inspection import inspect_datasets, write_fixed
from locount.errors import InputError


def changes(out):
    with open(out / "changes.csv", newline="") as file:
        return [(r["file"], r["line"], r["after"], r["why"]) for r in csv.DictReader(file)]


def contents(folder):
    return {path: path.read_bytes() for path in sorted(Path(folder).rglob("*")) if path.is_file()}


def test_a_corrected_folder_is_clean(make_shelf, tmp_path, noise):
    name = make_shelf(
        {
            "a": "40,5,5,40,cup,3\n50,5,110,40,box,1\n\n50,50,50,60,cup,1\n5,5,40,40,cup,3\n",
            "b": "5,5,40,40,cup,3\n",
            "c": "5,5,40,40, cup ,3\r\n",
        }
    )
    images = tmp_path / "shelf" / "Locount_ImagesTrain"
    (images / "b.jpg").write_bytes((images / "b.jpg").read_bytes()[:-500])
    exif = Image.Exif()
    exif[274] = 3
    noise("c").save(images / "c.jpg", exif=exif)
    before = contents(tmp_path / "shelf")

    out = tmp_path / "fixed"
    assert write_fixed(inspect_datasets([name]), out) == len(changes(out))
    assert contents(tmp_path / "shelf") == before
    assert (
        out / "Locount_GtTxtsTrain" / "a.txt"
    ).read_text() == "5,5,40,40,cup,3\n50,5,100,40,box,1\n\n"
    assert sorted(changes(out)) == [
        ("Locount_GtTxtsTrain/a.txt", "1", "5,5,40,40,cup,3", "reversed corners"),
        ("Locount_GtTxtsTrain/a.txt", "2", "50,5,100,40,box,1", "reached outside the image"),
        ("Locount_GtTxtsTrain/a.txt", "4", "", "no area"),
        ("Locount_GtTxtsTrain/a.txt", "5", "", "says the same as an earlier line"),
        ("Locount_GtTxtsTrain/b.txt", "", "", "the image can't be read"),
        ("Locount_ImagesTrain/b.jpg", "", "", "the image can't be read"),
        ("Locount_ImagesTrain/c.jpg", "", "EXIF orientation 1", "pixels stay as stored"),
    ]
    # What is right stays as it is, to the byte.
    assert (out / "Locount_GtTxtsTrain" / "c.txt").read_bytes() == b"5,5,40,40, cup ,3\r\n"
    assert inspect_datasets([f"locount:{out}:train"]).findings == []


def test_what_would_be_a_guess_stays_wrong(make_shelf, tmp_path):
    text = "5,5,40,40,cup,0\n5,5,4o,40,cup,1\n5,50,40,70,can,1\n"
    report = inspect_datasets([make_shelf({"a": text})])
    out = tmp_path / "fixed"
    assert write_fixed(report, out) == 0
    assert (out / "Locount_GtTxtsTrain" / "a.txt").read_text() == text
    again = inspect_datasets([f"locount:{out}:train"])
    assert [f.problem.line for f in again.findings] == [f.problem.line for f in report.findings]


def test_ids_of_categories_outlive_the_boxes(make_split, tmp_path):
    # Without categories.txt the ids are those of the sorted names: ant 0, bee 1.
    root = make_split({"a": "1,2,1,40,ant,1\n1,2,30,40,bee,1"})
    write_fixed(inspect_datasets([f"locount:{root}:train"]), tmp_path / "fixed")
    assert (tmp_path / "fixed" / "categories.txt").read_text() == "ant\nbee\n"


def test_two_splits_share_a_copy(make_shelf, tmp_path):
    names = [make_shelf({"a": "5,5,40,40,cup,3"}), make_shelf({"a": ""}, "Test")]
    write_fixed(inspect_datasets(names), tmp_path / "fixed")
    assert sorted(os.listdir(tmp_path / "fixed")) == [
        "Locount_GtTxtsTest",
        "Locount_GtTxtsTrain",
        "Locount_ImagesTest",
        "Locount_ImagesTrain",
        "categories.txt",
        "changes.csv",
    ]


@pytest.fixture
def coco(tmp_path, noise):
    """Writes a COCO file and its images a, b and c, the second cut short; returns its name."""

    def make(annotations, names=("a.jpg", "b.jpg", "c.jpg")):
        images = tmp_path / "images"
        images.mkdir()
        for name in names:
            noise(name).save(images / name)
        (images / "b.jpg").write_bytes((images / "b.jpg").read_bytes()[:-500])
        content = {
            "info": {"year": 2021},
            "images": [
                {"id": i, "file_name": name, "width": 100, "height": 80}
                for i, name in enumerate(names)
            ],
            "categories": [{"id": 7, "name": "cup"}],
            "annotations": [
                {"id": i, "image_id": 0, "category_id": 7, "count": 2, **a}
                for i, a in enumerate(annotations)
            ],
        }
        (tmp_path / "gt.json").write_text(json.dumps(content))
        return f"coco:{tmp_path / 'gt.json'}:{images}"

    return make


def test_a_corrected_coco_file_is_clean(coco, tmp_path):
    name = coco(
        [
            {"bbox": [50, 5, -45, 35], "area": -1575},
            {"bbox": [60, 5, 60, 35], "area": 2100},
            {"bbox": [5, 5, 0, 9]},
            {"bbox": [60, 5, 40, 35], "area": 1400},
            {"bbox": [5, 5, 9, 9], "image_id": 1},
            {"bbox": [5, 50, 95.5, 20]},  # half a pixel outside is no fault
        ]
    )
    out = tmp_path / "fixed"
    write_fixed(inspect_datasets([name]), out)
    assert [(line, why) for _, line, _, why in changes(out)] == [
        ("images[1]", "the image can't be read"),
        ("annotations[0]", "reversed corners"),
        ("annotations[1]", "reached outside the image"),
        ("annotations[2]", "no area"),
        ("annotations[3]", "says the same as an earlier annotation"),
        ("annotations[4]", "the image can't be read"),
    ]
    content = json.loads((out / "gt.json").read_text())
    assert content["info"] == {"year": 2021}
    assert [(a["id"], a["bbox"], a.get("area")) for a in content["annotations"]] == [
        (0, [5, 5, 45, 35], 1575),
        (1, [60, 5, 40, 35], 1400),
        (5, [5, 50, 95.5, 20], None),
    ]
    assert inspect_datasets([f"coco:{out / 'gt.json'}:{out / 'images'}"]).findings == []


def test_a_copy_that_stops_half_way_leaves_nothing(coco, tmp_path):
    # The last name would be written outside the copy, over the original.
    name = coco([], names=("a.jpg", "b.jpg", "../c.jpg"))
    with pytest.raises(InputError, match=r"images\[2\].*leads out"):
        write_fixed(inspect_datasets([name]), tmp_path / "fixed")
    assert sorted(os.listdir(tmp_path)) == ["c.jpg", "cache", "gt.json", "images"]


@pytest.mark.parametrize("content", [[], {}, {"images": [], "annotations": {}}])
def test_a_file_without_its_lists_has_no_copy(content, tmp_path):
    (tmp_path / "gt.json").write_text(json.dumps(content))
    report = inspect_datasets([f"coco:{tmp_path / 'gt.json'}:{tmp_path}"])
    with pytest.raises(InputError, match=r"gt\.json has no list"):
        write_fixed(report, tmp_path / "fixed")
    assert not (tmp_path / "fixed").exists()


def test_entries_that_are_not_objects_stay(tmp_path):
    content = {"images": [None], "categories": [{"id": 1, "name": "cup"}], "annotations": [None, 3]}
    (tmp_path / "gt.json").write_text(json.dumps(content))
    report = inspect_datasets([f"coco:{tmp_path / 'gt.json'}:{tmp_path}"])
    assert write_fixed(report, tmp_path / "fixed") == 0
    assert json.loads((tmp_path / "fixed" / "gt.json").read_text()) == content


def test_sources_that_have_no_copy(coco, make_shelf, tmp_path):
    with pytest.raises(InputError, match="at a time"):
        write_fixed(inspect_datasets([coco([]), make_shelf({"a": ""})]), tmp_path / "fixed")
    assert not (tmp_path / "fixed").exists()


def test_files_that_links_lead_to_are_copied_only_if_they_are_the_datasets(
    make_shelf, tmp_path, noise
):
    name = make_shelf({"a": "5,5,40,40,cup,3\n"})
    images = tmp_path / "shelf" / "Locount_ImagesTrain"
    (tmp_path / "secret").write_text("secret")
    (images / "linked").symlink_to(tmp_path / "secret")
    noise("b").save(tmp_path / "b.jpg")
    (images / "b.jpg").symlink_to(tmp_path / "b.jpg")
    out = tmp_path / "fixed"
    write_fixed(inspect_datasets([name]), out)
    copied = out / "Locount_ImagesTrain"
    assert (copied / "linked").is_symlink()
    assert not (copied / "b.jpg").is_symlink()
