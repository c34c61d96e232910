import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locount.data import DatasetError
from locount.data.formats import FORMATS, Dataset, Split
from locount.errors import InputError

from .cases import content, read, record, write

SHELF = Dataset(
    ("cup", "bowl"),
    {"train": Split([record(([1, 2, 30, 40], 0, 3), ([5, 6, 70, 78], 1, 12))], ["a.jpg"])},
)
# How the first box starts, whose line must be named; json has no lines.
FIRST = {"cvat": '<box label="cup"', "voc": "<object>", "yolo": "0 0.155"}
SECOND = {("train", "a.jpg"): [([5, 6, 70, 78], "bowl", 12)]}


def fault(key, file, old, new, word):
    return pytest.param(key, file, old, new, word, id=f"{key}-{word}")


FAULTS = [
    fault("cvat", "train.xml", 'xtl="1"', 'xtl="x"', "xtl is 'x'"),
    fault("cvat", "train.xml", 'ytl="2"', 'ytl="nan"', "ytl is 'nan'"),
    fault("cvat", "train.xml", 'xbr="30"', 'xbr="1"', "has no area"),
    fault("cvat", "train.xml", 'xbr="30"', 'xbr="0"', "is reversed"),
    fault("cvat", "train.xml", 'xbr="30"', 'xbr="102"', "outside its image of 100x80"),
    fault("cvat", "train.xml", 'box label="cup"', 'box label="cap"', "category 'cap'"),
    fault("cvat", "train.xml", ">3<", ">2.5<", "count is '2.5'"),
    fault("cvat", "train.xml", ">3<", ">0<", "count is 0"),
    fault("cvat", "train.xml", ">3<", ">99999999999999999999<", "from 1 to 999999999"),
    fault(
        *("cvat", "train.xml", ">3<", '>3</attribute><attribute name="count">4<'),
        "the count is there more than once (3, 4)",
    ),
    fault("cvat", "train.xml", 'label="cup"', 'rotation="9" label="cup"', "not an upright box"),
    fault("label-studio", "train.json", '"cup"', '"cup","bowl"', "rectanglelabels"),
    fault("label-studio", "train.json", '"number":3', '"number":3.5', "the count is 3.5"),
    fault("label-studio", "train.json", '"number":3', '"number":0', "count is 0"),
    fault("label-studio", "train.json", '"x":1.0', '"x":-3', "outside its image"),
    fault("label-studio", "train.json", '"x":1.0', '"x":"1"', "$.x"),
    fault("voc", "Annotations/a.xml", "<xmin>1<", "<xmin>x<", "xmin is 'x'"),
    fault("voc", "Annotations/a.xml", "<ymax>40<", "<ymax>82<", "outside its image"),
    fault("voc", "Annotations/a.xml", "<count>3</count>", "", "count is missing"),
    fault("voc", "Annotations/a.xml", "<count>3<", "<count>4</count><count>3<", "(4, 3)"),
    fault("voc", "Annotations/a.xml", "<bndbox>", "<bndbox /><bndbox>", "bndbox is there more"),
    fault("voc", "Annotations/a.xml", "<name>cup<", "<name><", "no category"),
    fault(
        *("voc", "Annotations/a.xml", "<count>3<"),
        "<attributes><attribute><name>rotation</name><value>9.5</value></attribute></attributes>"
        "<count>3<",
        "the box is rotated",
    ),
    fault("yolo", "labels/train/a.txt", "0 0.155", "2 0.155", "class is '2'"),
    fault("yolo", "labels/train/a.txt", "0 0.155", "0 x", "x is 'x'"),
    fault("yolo", "labels/train/a.txt", "0 0.155", "0 0.9", "outside its image"),
    fault("yolo", "labels/train/a.txt", " 1 3\n", " 0.7 3\n", "this is a prediction"),
    fault("yolo", "labels/train/a.txt", " 1 3\n", " 1\n", "this is a prediction"),
    fault("yolo", "labels/train/a.txt", " 1 3\n", " 1 3 4\n", "8 columns, as outlines"),
    fault("yolo", "labels/train/a.txt", " 1 3\n", " .5 .5 .1 .5\n", "9 columns, as outlines"),
    fault("yolo", "labels/train/a.txt", " 1 3\n", "\n", "count is missing"),
    fault("yolo", "labels/train/a.txt", " 1 3\n", " 1 1.5\n", "count is '1.5'"),
]


@pytest.mark.parametrize(("key", "file", "old", "new", "word"), FAULTS)
def test_a_fault_is_named_by_its_place_or_left_out_if_asked(
    tmp_path, caplog, key, file, old, new, word
):
    path = write(SHELF, key, tmp_path) / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    line = text[: text.index(FIRST[key])].count("\n") + 1 if key in FIRST else None
    with pytest.raises(DatasetError) as caught:
        read(key, tmp_path)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == (str(path), line)
    assert word in problem.text
    assert content(read(key, tmp_path, skip_invalid=True)) == SECOND
    assert word in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ('"number":3', '"number":3,"number":4', "the key 'number' is there twice"),
        ('"id":"box1"', '"id":"box0"', "the region 'box0' has more than one count"),
    ],
)
def test_a_task_of_label_studio_says_each_thing_once(tmp_path, old, new, word):
    path = write(SHELF, "label-studio", tmp_path) / "train.json"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DatasetError, match=rf"task \[0\]: {word}"):
        read("label-studio", tmp_path)


def test_an_object_of_pascal_voc_that_has_no_upright_box_is_named(tmp_path):
    path = write(SHELF, "voc", tmp_path) / "Annotations" / "a.xml"
    path.write_text(path.read_text().replace("bndbox>", "robndbox>"))
    with pytest.raises(DatasetError, match="the object has no bndbox, only robndbox: draw"):
        read("voc", tmp_path)


@pytest.mark.parametrize(
    ("task", "word"),
    [
        ({"image": "a.jpg", "label": [], "count": 3}, "but maybe its JSON-MIN"),
        ({"data": {"image": "a.jpg"}, "predictions": [{"result": []}]}, "has only predictions"),
        (
            {"data": {"image": "a.jpg"}, "annotations": [], "predictions": [{"result": []}]},
            "has only predictions, which nobody has checked",
        ),
        ({"data": {"image": "a.jpg"}, "annotations": []}, "has 0 annotations: leave one"),
    ],
)
def test_other_exports_of_label_studio_are_named_with_a_cure(tmp_path, task, word):
    path = write(SHELF, "label-studio", tmp_path) / "train.json"
    path.write_text(json.dumps([task]))
    with pytest.raises(DatasetError, match=word):
        read("label-studio", tmp_path)


@pytest.mark.parametrize("key", ["coco", "cvat", "label-studio", "voc"])
def test_an_image_of_another_size_than_written_is_an_error(tmp_path, key):
    dataset = Dataset(SHELF.classes, {"train": Split([*SHELF.splits["train"].records], ["a.jpg"])})
    dataset.splits["train"].records[0] = {
        **dataset.splits["train"].records[0],
        "width": 80,
        "height": 100,
    }
    write(dataset, key, tmp_path)
    with pytest.raises(DatasetError, match=r"100x80 pixels, but 80x100 are written(.|\n)*EXIF"):
        read(key, tmp_path)


@pytest.mark.parametrize("key", sorted(set(FORMATS) - {"locount"}))
def test_a_missing_image_is_named(tmp_path, key):
    write(SHELF, key, tmp_path)
    image = tmp_path / FORMATS[key].images("train") / "a.jpg"
    image.unlink()
    with pytest.raises(InputError, match=r"a\.(jpg|txt)"):
        read(key, tmp_path)


@pytest.mark.parametrize("key", ["cvat", "voc", "yolo"])
def test_files_without_counts_are_of_single_items(tmp_path, key):
    write(SHELF, key, tmp_path)
    for path in [*tmp_path.rglob("*.xml"), *tmp_path.rglob("*.txt")]:
        text = path.read_text()
        for count in (3, 12):
            text = text.replace(f'<attribute name="count">{count}</attribute>', "")
            text = text.replace(f"<count>{count}</count>", "").replace(f" 1 {count}\n", "\n")
        path.write_text(text)
    assert [count for *_, count in content(read(key, tmp_path))["train", "a.jpg"]] == [1, 1]


def test_regions_of_label_studio_without_numbers_are_of_single_items(tmp_path):
    path = write(SHELF, "label-studio", tmp_path) / "train.json"
    (task,) = json.loads(path.read_text())
    results = task["annotations"][0]["result"]
    task["annotations"][0]["result"] = [r for r in results if r["type"] != "number"]
    path.write_text(json.dumps([task]))
    found = content(read("label-studio", tmp_path))["train", "a.jpg"]
    assert [count for *_, count in found] == [1, 1]
    for result in results[1::2]:
        result["from_name"] = "price"  # of another control
    task["annotations"][0]["result"] = results
    path.write_text(json.dumps([task]))
    with pytest.raises(DatasetError, match=r"'price' \(2 boxes\).*--count-attribute price"):
        read("label-studio", tmp_path)
    assert content(read("label-studio", tmp_path, count="")) == {("train", "a.jpg"): found}
    counts = content(read("label-studio", tmp_path, count="price"))["train", "a.jpg"]
    assert [count for *_, count in counts] == [3, 12]


def test_an_image_without_a_label_file_is_empty_in_yolo(tmp_path):
    write(SHELF, "yolo", tmp_path)
    (tmp_path / "labels" / "train" / "a.txt").unlink()
    assert content(read("yolo", tmp_path)) == {("train", "a.jpg"): []}


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("/data/local-files/?d=a.jpg", "a.jpg"),
        ("/data/local-files/?d=train/a.jpg", "a.jpg"),  # from above the folder of images
        ("http://localhost:8080/data/local-files/?d=a.jpg", "a.jpg"),
        ("/data/local-files/?d=sh%26p/1%202.jpg", "sh&p/1 2.jpg"),
        ("/data/upload/7/1f-a.jpg", "upload/7/1f-a.jpg"),
    ],
)
def test_the_ways_of_label_studio_to_name_an_image(tmp_path, reference, name):
    dataset = SHELF._replace(splits={"train": Split(SHELF.splits["train"].records, [name])})
    path = write(dataset, "label-studio", tmp_path) / "train.json"
    start, _, rest = path.read_text().partition('"image":"')
    path.write_text(f'{start}"image":"{reference}"{rest.partition(chr(34))[2]}')
    assert list(content(read("label-studio", tmp_path))) == [("train", name)]


def test_label_studio_takes_the_interface_and_finds_the_photos(tmp_path):
    """It refuses an XML declaration, and to serve the files of its root itself."""
    write(SHELF, "label-studio", tmp_path)
    assert (tmp_path / "interface.txt").read_text().startswith("<View>")
    (task,) = json.loads((tmp_path / "train.json").read_text())
    assert task["data"]["image"] == "/data/local-files/?d=train/a.jpg"


@pytest.mark.parametrize("number", [0, 2])
def test_a_task_of_label_studio_has_one_annotation(tmp_path, number):
    path = write(SHELF, "label-studio", tmp_path) / "train.json"
    start, key, rest = path.read_text().partition('"annotations":')
    annotation = rest[1 : rest.rindex("]}]")]
    skipped = '{"result":[],"was_cancelled":true}'
    path.write_text(f"{start}{key}[{','.join([*[annotation] * number, skipped])}]}}]")
    with pytest.raises(DatasetError, match=rf"task \[0\]: has {number} annotations"):
        read("label-studio", tmp_path)
    path.write_text(f"{start}{key}[{annotation},{skipped}]}}]")
    assert content(read("label-studio", tmp_path)) == content(SHELF)


def test_lists_of_voc_that_share_an_image_must_be_chosen_from(tmp_path):
    lists = write(SHELF, "voc", tmp_path) / "ImageSets" / "Main"
    (lists / "trainval.txt").write_text("a\n")
    (lists / "cup_train.txt").write_text("a  1\n")
    with pytest.raises(InputError, match=r"train and trainval .* both name 'a'"):
        read("voc", tmp_path)
    assert list(read("voc", tmp_path, "trainval").splits) == ["trainval"]


@pytest.mark.parametrize("key", ["cvat", "voc"])
def test_entities_are_not_expanded(tmp_path, key):
    secret = tmp_path / "secret"
    secret.write_text("cup")
    file = write(SHELF, key, tmp_path) / {"cvat": "train.xml", "voc": "Annotations/a.xml"}[key]
    start, rest = file.read_text().split("\n", 1)
    file.write_text(f'{start}\n<!DOCTYPE a [<!ENTITY e SYSTEM "{secret}">]>\n{rest}')
    with pytest.raises(DatasetError, match="has a DOCTYPE"):
        read(key, tmp_path)


@pytest.mark.parametrize("key", FORMATS)
def test_whatever_is_in_a_file_the_error_is_an_input_error(tmp_path, key):
    write(SHELF, key, tmp_path)
    files = [path for path in tmp_path.rglob("*.*") if path.suffix != ".jpg"]
    contents = {path: path.read_bytes() for path in files if path.name != "interface.txt"}

    @settings(max_examples=30, deadline=None)
    @given(st.data())
    def read_damaged(data):
        path = data.draw(st.sampled_from(sorted(contents)))
        before = contents[path]
        start = data.draw(st.integers(0, len(before)))
        end = data.draw(st.integers(start, min(start + 20, len(before))) | st.just(len(before)))
        other = data.draw(st.sampled_from([b"", b"0", b"-1", b"1e999", b"null", b"[" * 2000])) or (
            data.draw(st.binary(max_size=9) | st.text(max_size=5).map(str.encode))
        )
        path.write_bytes(before[:start] + other + before[end:])
        try:
            read(key, tmp_path)
        except InputError:
            pass
        finally:
            path.write_bytes(before)

    read_damaged()
