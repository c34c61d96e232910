"""What Ultralytics, Roboflow, labelImg, Label Studio and CVAT write as YOLO."""

import pytest
from PIL import Image

from locount.data.formats.registry import guess_format
from locount.errors import InputError

from .cases import BOX, content, read

LINE = "1 0.5 0.5 0.2 0.5\n"
NAMES = "names: [tea, rice]\n"


def yolo(files, data_yaml, *photos):
    photos = photos or ("train/images/a.jpg",)
    labels = {p.replace("images/", "labels/").replace(".jpg", ".txt"): LINE for p in photos}
    return files({"data.yaml": data_yaml, **labels, **dict.fromkeys(photos, "")})


@pytest.mark.parametrize(
    "train",
    ["train/images", "../train/images", r"train\images", "[train/images]", "./train/images/"],
)
def test_yolo_folders_as_roboflow_and_others_write_them(files, train):
    folder = yolo(files, f"{NAMES}train: {train}\nval:\npath: /content/shop\nnc: 2\n")
    assert guess_format(folder) == "yolo"
    assert content(read("yolo", folder)) == {("train", "a.jpg"): BOX}


def test_yolo_lists_of_folders_and_of_images(files, caplog):
    photos = ("images/a/1.jpg", "images/b/1.jpg", "images/c/2.jpg")
    text = "train: [images/a, images/b]\nval: val.txt\nholdout: images/c\nlicense: private\n"
    folder = yolo(files, NAMES + text, *photos)
    (folder / "val.txt").write_text("./images/c/2.jpg\r\n\r\nimages/a/1.jpg\n")
    assert content(read("yolo", folder)) == {
        ("train", "a/1.jpg"): BOX,
        ("train", "b/1.jpg"): BOX,
        ("val", "c/2.jpg"): BOX,
        ("val", "a/1.jpg"): BOX,
        ("holdout", "2.jpg"): BOX,
    }
    assert "not read: license" in caplog.text


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("train: images/train", r"'images/train'.*below .*\. There are train/images\."),
        ("train: [train/images, 3]", "train is 3"),
        ("train: {a: train/images}", "train is {'a'"),
        ("train: train/images\nval: vall.txt", "val is 'vall.txt'"),
        ("train: train/images\nholdout: images/x", "holdout is 'images/x'"),
        ("license: private", "names no split"),
        ("train: train/images\nnc: 3", "nc is 3, but there are 2 names"),
    ],
)
def test_a_yolo_list_that_is_not_understood_is_an_error(files, text, word):
    folder = yolo(files, f"{NAMES}{text}\n")
    with pytest.raises(InputError, match=word):
        read("yolo", folder)


def test_a_yolo_list_of_images_leads_nowhere_else(files, tmp_path):
    folder = yolo(files, f"{NAMES}train: train.txt\n")
    Image.new("RGB", (9, 9)).save(tmp_path / "secret.jpg")
    for name in ("../secret.jpg", str(tmp_path / "secret.jpg"), "none.jpg"):
        (folder / "train.txt").write_text(f"{name}\n")
        with pytest.raises(InputError, match=r"train\.txt:1: .* is not an image below"):
            read("yolo", folder)


def test_names_that_yaml_takes_for_numbers_are_asked_for_in_quotes(files):
    with pytest.raises(InputError, match=r"4006381333931.*False.*in quotes"):
        read("yolo", yolo(files, "names: [4006381333931, no]\ntrain: train/images\n"))


def test_classes_as_numpy_writes_them_and_a_list_among_the_labels(files):
    folder = yolo(files, f"{NAMES}train: train/images\n")
    (folder / "train/labels/a.txt").write_text("1.000000 0.5 0.5 0.2 0.5\n")
    (folder / "train/labels/classes.txt").write_text("tea\nrice\n")
    assert content(read("yolo", folder)) == {("train", "a.jpg"): BOX}
    (folder / "train/labels/a.txt").write_text("0.5 0.5 0.5 0.2 0.5\n")
    with pytest.raises(InputError, match=r"class is '0\.5'"):
        read("yolo", folder)


@pytest.mark.parametrize(
    "contents",
    [
        # Label Studio
        {
            "classes.txt": "tea\nrice\n",
            "images/a.jpg": "",
            "labels/a.txt": LINE,
            "notes.json": "{}",
        },
        # labelImg
        {"classes.txt": "tea\nrice\n", "a.jpg": "", "a.txt": LINE},
        {"labels/classes.txt": "tea\nrice\n", "images/a.jpg": "", "labels/a.txt": LINE},
        # CVAT
        {
            "obj.data": "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\n",
            "obj.names": "tea\nrice\n",
            "train.txt": "data/obj_train_data/a.jpg\n",
            "obj_train_data/a.jpg": "",
            "obj_train_data/a.txt": LINE,
        },
    ],
)
def test_yolo_without_data_yaml(files, contents):
    folder = files(contents)
    assert guess_format(folder) == "yolo"
    assert content(read("yolo", folder)) == {("train", "a.jpg"): BOX}


@pytest.mark.parametrize("train", ["train/images", "train.txt"])
def test_yolo_without_a_folder_of_labels_is_an_error(files, train):
    """Labels in "Labels", or nowhere, are not shelves without products."""
    folder = files(
        {
            "data.yaml": f"{NAMES}train: {train}\n",
            "train.txt": "train/images/a.jpg\n",
            "train/images/a.jpg": "",
            "train/Labels/a.txt": LINE,
        }
    )
    with pytest.raises(InputError, match=r"train/labels: is not there"):
        read("yolo", folder)


def test_without_any_list_yolo_says_what_to_write(files):
    with pytest.raises(InputError, match=r"write data\.yaml with the lines"):
        read("yolo", files({"images/a.jpg": "", "labels/a.txt": LINE}))
