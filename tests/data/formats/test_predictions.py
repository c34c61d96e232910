import json
import shutil

import pytest
from lxml import etree
from PIL import Image

from locount.cli.main import main
from locount.data import DatasetError
from locount.data.formats import convert
from locount.data.formats.registry import source_of
from locount.errors import InputError

from .cases import content, read

# Of 100 x 80 pixels: a cup and a stack of five bowls on a.jpg, nothing on b.jpg.
RESULTS = [
    {"image_id": 1, "category_id": 9, "bbox": [10, 20, 30, 40], "score": 0.75, "count": 1},
    {"image_id": 1, "category_id": 4, "bbox": [50, 8, 25, 16], "score": 0.25, "count": 5},
]
for entry, count_score in zip(RESULTS, (0.875, 0.5), strict=True):
    entry["count_score"] = count_score
CATEGORIES = [{"id": 4, "name": "bowl"}, {"id": 9, "name": "cup"}]
BOXES = {
    ("photos", "a.jpg"): [([10, 20, 40, 60], "cup", 1), ([50, 8, 75, 24], "bowl", 5)],
    ("photos", "b.jpg"): [],
}


@pytest.fixture
def run(tmp_path):
    """A folder as `locount predict` leaves it; ``changes`` are of the entry of a.jpg."""

    def run(**changes):
        photos, folder = tmp_path / "photos", tmp_path / "run"
        photos.mkdir()
        folder.mkdir()
        images = []
        for i, name in enumerate(("a.jpg", "b.jpg"), 1):
            Image.new("RGB", (100, 80)).save(photos / name)
            path = str(photos / name)
            images.append({"id": i, "file_name": path, "height": 80, "width": 100})
        images[0] |= changes
        text = json.dumps({"images": images, "categories": CATEGORIES})
        (folder / "images.json").write_text(text)
        (folder / "predictions.json").write_text(json.dumps(RESULTS))
        return f"predictions:{folder}"

    return run


def test_tasks_of_label_studio_begin_with_predictions(run, tmp_path):
    convert(run(), tmp_path / "out", to="label-studio")
    with_boxes, without = json.loads((tmp_path / "out" / "photos.json").read_text())
    assert "annotations" not in with_boxes
    (prediction,) = with_boxes["predictions"]
    assert prediction["score"] == 0.5  # the mean of 0.75 and 0.25
    regions = [(r["id"], r["type"], r["score"]) for r in prediction["result"]]
    assert regions == [
        ("box0", "rectanglelabels", 0.75),
        ("box0", "number", 0.875),
        ("box1", "rectanglelabels", 0.25),
        ("box1", "number", 0.5),
    ]
    # Nobody has said yet that there is nothing.
    assert "annotations" not in without
    assert without["predictions"] == [{"model_version": "locount", "result": []}]


def test_corrections_come_back_from_label_studio(run, tmp_path):
    out = tmp_path / "out"
    convert(run(), out, to="label-studio")
    tasks = json.loads((out / "photos.json").read_text())
    for task in tasks:  # what submitting does
        task["annotations"] = task["predictions"]
    (tasks[0]["annotations"][0]["result"][3])["value"]["number"] = 7
    (out / "photos.json").write_text(json.dumps(tasks))
    cup, (box, name, _) = BOXES["photos", "a.jpg"]
    corrected = BOXES | {("photos", "a.jpg"): [cup, (box, name, 7)]}
    assert content(read("label-studio", out)) == corrected


def test_corrections_come_back_from_cvat(run, tmp_path):
    out = tmp_path / "out"
    convert(run(), out, to="cvat")
    dataset = read("cvat", out)
    assert content(dataset) == BOXES
    assert dataset.classes == ("bowl", "cup")
    root = etree.parse(out / "photos.xml")
    assert root.xpath("//box/attribute[@name='score']/text()") == ["0.750", "0.250"]
    assert root.xpath("//box/@source") == ["auto", "auto"]
    attributes = root.xpath("//label[name='cup']/attributes/attribute/name/text()")
    assert attributes == ["count", "score"]


def test_boxes_below_a_score_are_left_out(run):
    records = source_of(run() + "?score=0.5").load()
    assert [[a["score"] for a in record["annotations"]] for record in records] == [[0.75], []]


@pytest.mark.parametrize("score", ["1.5", "-1", "nan", ""])
def test_a_score_is_a_number_from_0_to_1(run, score):
    with pytest.raises(DatasetError, match=f"'score={score}' is not a number from 0 to 1"):
        source_of(f"{run()}?score={score}")


def test_a_format_without_scores_takes_predictions_only_if_asked(run, tmp_path):
    name = run()
    with pytest.raises(InputError, match=r"scores: 2 box\(es\) of a model"):
        convert(name, tmp_path / "out", to="coco")
    convert(name, tmp_path / "out", to="coco", lossy=["scores"])
    assert content(read("coco", tmp_path / "out")) == BOXES


def test_photos_are_found_where_they_were_predicted(run, tmp_path, monkeypatch):
    name = run(file_name="photos/a.jpg")
    with pytest.raises(DatasetError, match=r"a\.jpg: is not there: go to the folder in which"):
        source_of(name).load()
    monkeypatch.chdir(tmp_path)
    assert [record["file_name"] for record in source_of(name).load()] == [
        str(tmp_path / "photos" / "a.jpg"),
        str(tmp_path / "photos" / "b.jpg"),
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"orientation": 6}, "was turned as its EXIF orientation 6 says"),
        ({"file_name": "film.mp4#000003"}, "is a frame of a video"),
        ({"width": 90}, "has 100x80 pixels, but 90x80 are written"),
    ],
)
def test_what_is_no_photo_of_a_dataset_is_named(run, changes, words):
    source = source_of(run(**changes))
    with pytest.raises(DatasetError, match=words):
        source.load()
    (record,) = source.load(skip_invalid=True)
    assert record["file_name"].endswith("b.jpg")


def test_a_folder_without_results_is_an_error(run, tmp_path):
    name = run()
    (tmp_path / "run" / "predictions.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"predictions\.json can't be read as a file of"):
        source_of(name)
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(InputError, match=r"images\.json"):
        source_of(name)
    with pytest.raises(DatasetError, match="write predictions:DIR"):
        source_of("predictions:")


def test_the_folder_itself_leads_to_its_name(run, tmp_path, capsys):
    name = run()
    status = main(["convert", str(tmp_path / "run"), str(tmp_path / "out"), "--to", "cvat"])
    assert status == 2
    assert f"name {name}" in capsys.readouterr().err
