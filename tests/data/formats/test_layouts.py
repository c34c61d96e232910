"""What Roboflow, labelImg, CVAT, Label Studio and Windows write."""

import json
import os

import pytest
from PIL import Image

from locount.data.formats import FORMATS, Dataset, Split, convert
from locount.data.formats.convert import name_problems
from locount.data.formats.registry import guess_format
from locount.errors import InputError

from .cases import content, read, record, write

LINE = "1 0.5 0.5 0.2 0.5\n"
BOX = [([40, 20, 60, 60], "rice", 1)]


@pytest.fixture
def files(tmp_path):
    """Writes texts, and photos for names of photos; returns the folder."""

    def make(contents):
        for name, text in contents.items():
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(".jpg"):
                Image.new("RGB", (100, 80)).save(path)
            else:
                path.write_text(text)
        return tmp_path / "in"

    return make


def yolo(files, data_yaml, *photos):
    photos = photos or ("train/images/a.jpg",)
    labels = {p.replace("images/", "labels/").replace(".jpg", ".txt"): LINE for p in photos}
    return files({"data.yaml": data_yaml, **labels, **dict.fromkeys(photos, "")})


NAMES = "names: [tea, rice]\n"


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


VOC = """<annotation><filename>a.jpg</filename><size><width>100</width><height>80</height></size>
<object><name>rice</name>{}<bndbox><xmin>40</xmin><ymin>20</ymin><xmax>60</xmax><ymax>60</ymax>
</bndbox></object></annotation>"""


@pytest.mark.parametrize(
    ("contents", "split"),
    [
        ({"valid/a.xml": VOC.format(""), "valid/a.jpg": ""}, "valid"),  # Roboflow
        ({"a.xml": VOC.format(""), "a.jpg": "", "b.jpg": ""}, "train"),  # labelImg
        ({"Annotations/a.xml": VOC.format(""), "JPEGImages/a.jpg": ""}, "train"),
    ],
)
def test_voc_without_lists(files, caplog, contents, split):
    folder = files(contents)
    assert guess_format(folder) == "voc"
    assert content(read("voc", folder)) == {(split, "a.jpg"): BOX}
    assert ("b.jpg" in contents) == ("1 images" in caplog.text and "  b.jpg" in caplog.text)


@pytest.mark.parametrize("photos", ["JPEGImages/", ""])
def test_voc_without_lists_has_subfolders(files, caplog, photos):
    texts = "Annotations/" if photos else ""
    names = {f"{texts}{name}.xml": VOC.format("") for name in ("a", "left/a", "__MACOSX/left/._a")}
    folder = files({**names, **{f"{photos}{n}.jpg": "" for n in ("a", "left/a", "left/b")}})
    assert content(read("voc", folder)) == {("train", "a.jpg"): BOX, ("train", "left/a.jpg"): BOX}
    assert "1 images" in caplog.text
    assert "  left/b.jpg" in caplog.text


def test_images_that_share_an_xml_file_are_named(files, caplog):
    folder = files({"a.xml": VOC.format(""), "a.jpg": "", "a.png": ""})
    assert content(read("voc", folder)) == {("train", "a.jpg"): BOX}
    assert "  a.png" in caplog.text


def test_a_file_of_voc_is_not_taken_for_cvat(files, tmp_path):
    file = files({"a.xml": VOC.format("")}) / "a.xml"
    with pytest.raises(InputError, match="is a file of Pascal VOC"):
        convert(file, tmp_path / "out", to="coco", split="train", image_root=tmp_path)


def coco(annotation, name="a.jpg"):
    return json.dumps(
        {
            "images": [{"id": 1, "file_name": name, "width": 100, "height": 80}],
            "categories": [{"id": 1, "name": "rice"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 1, "bbox": [40, 20, 20, 40], **annotation}
            ],
        }
    )


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


CVAT = """<annotations><meta><task><labels><label><name>rice</name></label></labels></task></meta>
<image name="a.jpg" width="100" height="80"><tag label="blurred"/>
<box label="rice" xtl="40" ytl="20" xbr="60" ybr="60">{}</box></image></annotations>"""
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


def test_a_project_of_cvat_has_folders_of_its_subsets(files):
    text = CVAT.format("").replace("<image", '<image subset="Train"')
    folder = files({"annotations.xml": text, "images/Train/a.jpg": ""})
    assert content(read("cvat", folder)) == {("annotations", "Train/a.jpg"): BOX}
    (folder / "images/Train/a.jpg").rename(folder / "images/a.jpg")
    assert content(read("cvat", folder)) == {("annotations", "a.jpg"): BOX}


def test_what_cvat_says_of_photos_is_listed(files, caplog):
    text = CVAT.format("").replace('<image name="a', '<image subset="Train" name="a')
    other = text[text.index("<image") : text.index("</annotations>")]
    other = other.replace("a.jpg", "b.jpg").replace("Train", "Test")
    text = text.replace("</annotations>", f"{other}</annotations>")
    read("cvat", files({"train.xml": text, "train/a.jpg": "", "train/b.jpg": ""}))
    assert "subsets 'Train' (1), 'Test' (1)" in caplog.text
    assert "2 tags of whole images" in caplog.text


@pytest.mark.parametrize("name", ["images\\a.jpg", "..\\train\\images\\a.jpg", "./images/a.jpg"])
def test_coco_names_as_windows_writes_them(files, name):
    folder = files({"train.json": coco({}, name), "train/images/a.jpg": ""})
    assert content(read("coco", folder)) == {("train", "images/a.jpg"): BOX}


def label_studio(data, *results):
    value = {"x": 40, "y": 25, "width": 20, "height": 50, "rectanglelabels": ["rice"]}
    box = {"id": "r", "type": "rectanglelabels", "from_name": "label", "value": value}
    results = [{"id": "r", **result} for result in results]
    return json.dumps([{"data": data, "annotations": [{"result": [box, *results]}]}])


def test_answers_about_a_photo_are_listed_and_the_boxes_kept(files, caplog):
    choice = {"type": "choices", "from_name": "quality", "value": {"choices": ["good"]}}
    relation = {"type": "relation", "from_id": "r", "to_id": "r", "direction": "right"}
    text = label_studio({"image": "a.jpg"}, choice, relation)
    folder = files({"train.json": text, "train/a.jpg": ""})
    assert content(read("label-studio", folder)) == {("train", "a.jpg"): BOX}
    assert "not read: choices of quality (1), relation of no control (1)" in caplog.text


def test_a_count_of_label_studio_is_a_whole_number(files):
    def number(value):
        return {"type": "number", "from_name": "count", "value": {"number": value}}

    folder = files({"train.json": label_studio({"image": "a.jpg"}, number(3.0)), "train/a.jpg": ""})
    assert [count for *_, count in content(read("label-studio", folder))["train", "a.jpg"]] == [3]
    text = {"type": "textarea", "from_name": "count", "value": {"text": ["3"]}}
    for wrong, word in ((number(2.5), "the count is 2.5"), (text, "of the type textarea")):
        (folder / "train.json").write_text(label_studio({"image": "a.jpg"}, wrong))
        with pytest.raises(InputError, match=word):
            read("label-studio", folder)
    assert content(read("label-studio", folder, count="")) == {("train", "a.jpg"): BOX}


def test_the_key_of_the_photo_that_label_studio_must_have_is_named(files):
    folder = files({"train.json": label_studio({"photo": "a.jpg", "shop": 3})})
    with pytest.raises(InputError, match=r"no key 'image', only 'photo', 'shop': rename"):
        read("label-studio", folder)


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
