import json

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode
from PIL import Image

from locount.data.inspection import inspect_datasets
from locount.errors import InputError

CLEAN = {"a": "5,5,40,40,cup,3\n50,5,90,40,box,1\n", "b": ""}


def findings(*names, **options):
    """Kind, file name and line of each finding."""
    found = inspect_datasets(names, **options).findings
    return [(f.kind, f.problem.path.rpartition("/")[2], f.problem.line) for f in found]


def image_path(tmp_path, key, split="Train"):
    return tmp_path / "shelf" / f"Locount_Images{split}" / f"{key}.jpg"


def test_a_clean_dataset_has_no_finding(make_shelf):
    train, test = make_shelf(CLEAN), make_shelf(CLEAN, "Test")
    assert findings(train, test) == []


@pytest.mark.parametrize(
    ("second_line", "kind"),
    [
        ("5,5,40,40,cup,3", "repeated box"),
        ("5,5,40,41,cup,3", "near-duplicate box"),  # IoU 35/36
        ("5,5,40,40,cup,2", "near-duplicate box"),
        ("5,5,40,41,box,3", "two categories in one place"),
        ("50,5,53,40,box,1", "small box"),  # 3 pixels wide
        ("0,0,99,74,box,1", "large box"),  # 7326 of 8000 pixels
        ("5,60,95,64,box,1", "narrow box"),  # 90 x 4
    ],
)
def test_suspicious_boxes(make_shelf, second_line, kind):
    assert findings(make_shelf({"a": f"5,5,40,40,cup,3\n{second_line}"})) == [(kind, "a.txt", 2)]


@pytest.mark.parametrize(
    "second_line",
    [
        "5,5,40,36,cup,1",  # IoU with the 35 x 35 box: 31/35
        "50,5,54,40,box,1",  # 4 pixels wide
        "0,0,100,72,box,1",  # 7200 of 8000 pixels
        "5,60,85,64,box,1",  # 80 x 4
    ],
)
def test_boxes_on_the_limits_are_not_suspicious(make_shelf, second_line):
    assert findings(make_shelf({"a": f"5,5,40,40,cup,3\n{second_line}"})) == []


def test_a_box_is_compared_with_its_own_category_first(make_shelf):
    # The third line overlaps the box of line 1 more, but it repeats the cup of line 2.
    name = make_shelf({"a": "5,5,40,40,box,1\n5,5,40,41,cup,1\n5,5,40,40,cup,1"})
    report = inspect_datasets([name])
    assert [(f.kind, f.problem.line) for f in report.findings] == [
        ("near-duplicate box", 3),
        ("two categories in one place", 2),
    ]
    assert "line 2" in report.findings[0].problem.text


def test_what_the_loader_refuses_does_not_hide_the_rest(make_shelf, tmp_path):
    name = make_shelf(
        {
            "a": "5,5,40,40,cup,3\n5,5,40,40,can,3\n5,5,40,40,cup,3\n5,5,4o,40,cup,3",
            "b": "",
            "c": "",
        }
    )
    image_path(tmp_path, "b").unlink()
    image_path(tmp_path, "c").write_bytes(b"no image")
    report = inspect_datasets([name])
    found = sorted((f.kind, f.problem.path[-5:], f.problem.line or 0) for f in report.findings)
    assert found == [
        ("repeated box", "a.txt", 3),
        ("unreadable image", "c.jpg", 0),
        ("unusable", "a.txt", 2),
        ("unusable", "a.txt", 4),
        ("unusable", "b.txt", 0),
    ]
    assert report.findings[0].severity == "error"
    assert report.statistics[name].summary[0]["boxes"] == 2


def test_an_unusable_list_of_categories_is_told(make_shelf, tmp_path):
    name = make_shelf(CLEAN)
    (tmp_path / "shelf" / "categories.txt").write_text("cup\ncup\n")
    assert findings(name) == [("unusable", "categories.txt", 2)]


# Images


def test_orientation_tags_other_than_upright(make_shelf, tmp_path, noise):
    name = make_shelf(CLEAN)
    for key, orientation in (("a", 6), ("b", 1)):
        exif = Image.Exif()
        exif[274] = orientation
        noise(f"Train{key}").save(image_path(tmp_path, key), exif=exif)
    assert findings(name) == [("EXIF orientation", "a.jpg", None)]
    assert findings(name, decode=False) == []


def test_a_photo_cut_short(make_shelf, tmp_path):
    name = make_shelf(CLEAN)
    path = image_path(tmp_path, "a")
    path.write_bytes(path.read_bytes()[:-500])
    assert findings(name) == [("unreadable image", "a.jpg", None)]


def test_equal_pixels_in_two_datasets_and_in_one(make_shelf, tmp_path):
    train, test = make_shelf(CLEAN), make_shelf({"c": "", "d": ""}, "Test")
    # Another file, the same pixels: PNG keeps them as they are.
    for key in ("c", "d"):
        path = image_path(tmp_path, key, "Test")
        path.unlink()
        Image.open(image_path(tmp_path, "a")).save(path.with_suffix(".png"))
    assert findings(train, test) == [
        ("image in two datasets", "c.png", None),
        ("image in two datasets", "d.png", None),
    ]
    assert findings(test) == [("repeated image", "d.png", None)]


def test_a_smaller_copy_looks_similar(make_shelf, tmp_path):
    train, test = make_shelf(CLEAN), make_shelf({"c": ""}, "Test")
    copy = Image.open(image_path(tmp_path, "a")).resize((50, 40), Image.Resampling.BOX)
    copy.save(image_path(tmp_path, "c", "Test"), quality=95)
    assert findings(train, test) == [("similar image in two datasets", "c.jpg", None)]


def test_pictures_without_structure_are_not_similar(make_shelf, tmp_path):
    train, test = make_shelf({"a": ""}), make_shelf({"b": ""}, "Test")
    Image.new("RGB", (100, 80), "red").save(image_path(tmp_path, "a"))
    Image.new("RGB", (100, 80), "blue").save(image_path(tmp_path, "b", "Test"))
    assert findings(train, test) == []


# Other sources


@pytest.fixture
def coco(tmp_path, noise):
    """Writes a COCO file of two images; returns its name."""

    def make(annotations, width=100):
        for key in "ab":
            noise(key).save(tmp_path / f"{key}.jpg")
        content = {
            "images": [
                {"id": 1, "file_name": "a.jpg", "width": width, "height": 80},
                {"id": 2, "file_name": "b.jpg", "width": 100, "height": 80},
            ],
            "categories": [{"id": 7, "name": "cup"}],
            "annotations": [
                {"id": i, "image_id": 1, "category_id": 7, **a} for i, a in enumerate(annotations)
            ],
        }
        (tmp_path / "gt.json").write_text(json.dumps(content))
        return f"coco:{tmp_path / 'gt.json'}:{tmp_path}"

    return make


def test_coco_files_by_entry(coco):
    box = [5, 5, 35, 35]
    report = inspect_datasets(
        [coco([{"bbox": box}, {"bbox": [0, 0, 0, 9]}, {"bbox": box}, {"bbox": box, "iscrowd": 1}])]
    )
    assert [(f.kind, f.problem.text.partition(":")[0]) for f in report.findings] == [
        ("unusable", "annotations[1]"),
        ("repeated box", "annotation id 2"),  # a crowd region is no box
    ]


def test_an_image_of_another_size_than_its_file_says(coco):
    (finding,) = inspect_datasets([coco([], width=90)]).findings
    assert finding.kind == "unusable"
    assert "a.jpg has 100x80 pixels, but 90x80 are written" in finding.problem.text


def test_datasets_of_other_code(tmp_path, noise):
    noise("a").save(tmp_path / "a.jpg")
    box = {"bbox": [5, 5, 35, 35], "bbox_mode": BoxMode.XYWH_ABS, "category_id": 0}
    record = {"file_name": str(tmp_path / "a.jpg"), "height": 80, "width": 100}
    DatasetCatalog.register("theirs", lambda: [{**record, "annotations": [box, box]}])
    MetadataCatalog.get("theirs").set(thing_classes=["cup"])
    try:
        assert findings("theirs") == [("repeated box", "a.jpg", None)]
    finally:
        DatasetCatalog.remove("theirs")
        MetadataCatalog.remove("theirs")


def test_a_name_that_leads_nowhere(tmp_path):
    for name in ("nowhere", f"locount:{tmp_path / 'gone'}:train"):
        with pytest.raises(InputError, match=r"nowhere|gone"):
            inspect_datasets([name])
