"""What holds for every format, or for several, however it is laid out."""

import os

import pytest
from PIL import Image

from locount.data.formats import FORMATS, Dataset, Split, convert
from locount.data.formats.convert import name_problems
from locount.errors import InputError

from .cases import BOX, CVAT, VOC, coco, content, read, record, write


@pytest.mark.parametrize(
    ("file", "image", "split"),
    [
        ("valid/_annotations.coco.json", "valid/a.jpg", "valid"),  # Roboflow
        ("annotations/instances_default.json", "images/default/a.jpg", "default"),  # CVAT
        ("annotations/instances_val2017.json", "val2017/a.jpg", "val2017"),
        ("train.json", "images/a.jpg", "train"),
    ],
)
def test_coco_as_others_lay_it_out(files, file, image, split):
    folder = files({file: coco({}), image: ""})
    assert content(read("coco", folder)) == {(split, "a.jpg"): BOX}


@pytest.mark.parametrize("name", ["images\\a.jpg", "..\\train\\images\\a.jpg", "./images/a.jpg"])
def test_coco_names_as_windows_writes_them(files, name):
    folder = files({"train.json": coco({}, name), "train/images/a.jpg": ""})
    assert content(read("coco", folder)) == {("train", "images/a.jpg"): BOX}


# How each format says that a box has an attribute of a name and a value.
ATTRIBUTES = {
    "coco": lambda name, value: coco({"attributes": {"occluded": False, name: value}}),
    "cvat": lambda name, value: CVAT.format(f'<attribute name="{name}">{value}</attribute>'),
    "voc": lambda name, value: VOC.format(
        f"<attributes><attribute><name>{name}</name><value>{value}</value></attribute></attributes>"
    ),
}
PLACES = {"coco": "train.json", "cvat": "train.xml", "voc": "train/a.xml"}


def with_attribute(files, key, name, value):
    return files({PLACES[key]: ATTRIBUTES[key](name, value), "train/a.jpg": ""})


@pytest.mark.parametrize("key", ATTRIBUTES)
@pytest.mark.parametrize("value", [7, "7", 7.0])
def test_a_count_among_the_attributes_is_read(files, key, value):
    folder = with_attribute(files, key, "count", value)
    assert content(read(key, folder)) == {("train", "a.jpg"): [(*BOX[0][:2], 7)]}


@pytest.mark.parametrize("key", ATTRIBUTES)
def test_a_count_of_another_name_is_named_or_read_as_asked(files, caplog, key):
    folder = with_attribute(files, key, "quantity", 7)
    assert content(read(key, folder)) == {("train", "a.jpg"): BOX}
    assert "--count-attribute quantity" in caplog.text
    caplog.clear()
    found = content(read(key, folder, count="quantity"))
    assert found == {("train", "a.jpg"): [(*BOX[0][:2], 7)]}
    assert not caplog.text.replace("tags of whole images", "").count("quantity")


@pytest.mark.parametrize("key", ATTRIBUTES)
@pytest.mark.parametrize("value", [0, 2.5, "many", 10**12])
def test_a_count_among_the_attributes_that_is_none_is_an_error(files, key, value):
    with pytest.raises(InputError, match=r'count"? is .*(whole number|integer|from 1 to)'):
        read(key, with_attribute(files, key, "count", value))


@pytest.mark.parametrize("key", ["locount", "sku110k", "yolo"])
def test_formats_without_attributes_have_no_name_of_the_count_to_choose(tmp_path, key):
    with pytest.raises(InputError, match="--count-attribute can't be chosen"):
        read(key, tmp_path, count="n")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("key", FORMATS)
def test_every_format_reads_every_encoding_of_windows(tmp_path, key, encoding):
    dataset = Dataset(("Käse",), {"train": Split([record(([1, 2, 30, 40], 0, 1))], ["a.jpg"])})
    folder = write(dataset, key, tmp_path)
    for path in folder.rglob("*.*"):
        if path.suffix in (".json", ".yaml", ".csv", ".txt"):
            path.write_bytes(path.read_text("utf-8").replace("\n", "\r\n").encode(encoding))
    assert content(read(key, folder)) == content(dataset)


# How each format names its image, and two boxes that leave no choice: reversed, and over the edge.
WRONG = Dataset(
    ("cup",),
    {"train": Split([record(([30, 40, 1, 2], 0, 1), ([90, 5, 104, 9], 0, 1))], ["a.jpg"])},
)


@pytest.mark.parametrize("key", FORMATS)
def test_boxes_are_mended_on_request_with_a_list(tmp_path, key):
    folder = write(WRONG, key, tmp_path / "in")
    with pytest.raises(InputError, match="mend"):
        convert(folder, tmp_path / "no", to="coco", from_=key)
    dataset, _ = convert(folder, tmp_path / "out", to="coco", from_=key, mend=True)
    boxes = [box for box, *_ in content(dataset)["train", "a.jpg"]]
    assert boxes == [[1, 2, 30, 40], [90, 5, 100, 9]]
    header, *changes = (tmp_path / "out" / "changes.csv").read_text().splitlines()
    assert header == "file,line,before,after,why"
    assert not any("float64" in line for line in changes)
    assert [line.rpartition(",")[2] for line in changes] == [
        "reversed corners",
        "reached outside the image",
    ]


@pytest.mark.parametrize("key", ["coco", "cvat", "label-studio", "voc", "sku110k"])
def test_no_format_reads_photos_outside_its_folder(tmp_path, key):
    dataset = Dataset(("cup",), {"train": Split([record(([1, 2, 30, 40], 0, 1))], ["a.jpg"])})
    folder = write(dataset, key, tmp_path / "in")
    secret = tmp_path / "secret.jpg"
    Image.new("RGB", (100, 80)).save(secret)
    for path in [*folder.rglob("*.json"), *folder.rglob("*.csv"), *folder.glob("*.xml")]:
        path.write_text(path.read_text().replace("a.jpg", str(secret)))
    if key == "voc":
        (folder / "ImageSets/Main/train.txt").write_text("../../secret\n")
    with pytest.raises(InputError, match="leads out of"):
        read(key, folder)


@pytest.mark.parametrize("key", ["coco", "cvat", "label-studio", "voc", "sku110k"])
def test_two_records_of_one_photo_are_an_error(tmp_path, key):
    records = [record(([1, 2, 30, 40], 0, 1)), record(([5, 6, 70, 78], 0, 1))]
    folder = write(Dataset(("cup",), {"train": Split(records, ["a.jpg", "b.jpg"])}), key, tmp_path)
    for path in [*folder.rglob("*.json"), *folder.rglob("*.csv"), *folder.glob("*.xml")]:
        path.write_text(path.read_text().replace("b.jpg", "./a.jpg"))
    if key == "voc":
        (folder / "ImageSets/Main/train.txt").write_text("a\na\n")
    with pytest.raises(
        InputError, match=r"is there already|that of images\[0\] already|of other rows"
    ):
        read(key, folder)


def test_no_writer_writes_one_file_twice(tmp_path):
    records = [record(), record()]
    dataset = Dataset(("cup",), {"train": Split(records, ["a.jpg", "a.jpg"])})
    assert any("is there 2 times" in p for p in name_problems(dataset, FORMATS["cvat"]))


def test_links_that_lead_in_circles_are_named(tmp_path):
    dataset = Dataset(("cup",), {"train": Split([record(([1, 2, 30, 40], 0, 1))], ["a.jpg"])})
    folder = write(dataset, "locount", tmp_path)
    (folder / "Locount_ImagesTrain" / "loop").symlink_to(folder / "Locount_ImagesTrain")
    (folder / "Locount_GtTxtsTrain" / "self.txt").symlink_to("self.txt")
    with pytest.raises(InputError) as caught:
        read("locount", folder)
    assert "loop: is a link to a folder that it is in" in str(caught.value)
    assert "self.txt" in str(caught.value)


def test_a_broken_list_of_categories_is_never_passed_over(tmp_path):
    dataset = Dataset(("cup",), {"train": Split([record(([1, 2, 30, 40], 0, 1))], ["a.jpg"])})
    folder = write(dataset, "locount", tmp_path / "locount")
    (folder / "categories.txt").write_text("a,b\ncup\n")
    with pytest.raises(InputError, match="contains a comma"):
        read("locount", folder, skip_invalid=True)
    folder = write(dataset, "yolo", tmp_path / "yolo")
    (folder / "data.yaml").write_text("train: images/train\nnames: [cup, cup]\n")
    with pytest.raises(InputError, match="listed twice"):
        read("yolo", folder, skip_invalid=True)


def test_a_box_without_a_category_makes_no_category(tmp_path):
    boxes = record(([1, 2, 30, 40], 0, 1), ([5, 6, 70, 78], 0, 1))
    folder = write(Dataset(("cup",), {"train": Split([boxes], ["a.jpg"])}), "voc", tmp_path)
    path = folder / "Annotations" / "a.xml"
    path.write_text(path.read_text().replace("<name>cup<", "<name> <", 1))
    assert read("voc", folder, skip_invalid=True).classes == ("cup",)


def test_photos_of_kinds_that_are_not_read_are_named(tmp_path):
    dataset = Dataset(("cup",), {"train": Split([record(([1, 2, 30, 40], 0, 1))], ["a.jpg"])})
    for key, part in (("locount", "Locount_ImagesTrain"), ("yolo", "images/train")):
        folder = write(dataset, key, tmp_path / key)
        (folder / part / "b.HEIC").touch()
        with pytest.raises(InputError, match=r"b\.HEIC: is a photo of a kind that is not read"):
            read(key, folder)
        os.remove(folder / part / "b.HEIC")
