import shutil

import pytest
from detectron2.structures import BoxMode
from PIL import Image

from locount.data import DatasetError
from locount.data.catalog import source_of
from locount.data.formats.locount.categories import LOCOUNT_CLASSES, LOCOUNT_GROUPS


def source(root, split="train"):
    return source_of(f"locount:{root}:{split}")


def load(root, split="train"):
    return source(root, split).load()


def classes(root, split="train"):
    return source(root, split).metadata()["thing_classes"]


def complaints(root, split="train"):
    """What loading complains of: file name, line, text."""
    with pytest.raises(DatasetError) as caught:
        load(root, split)
    root = str(root)
    return [(p.path.removeprefix(root)[1:], p.line, p.text) for p in caught.value.problems]


def test_records_hold_what_the_files_say(make_split):
    root = make_split({"a": "1,2,30,40,Bowl,3\n\n 5, 6,70,80, Soap ,12\n", "b": ""}, size=(90, 80))
    first, second = load(root)
    assert first["file_name"] == str(root / "Locount_ImagesTrain" / "a.jpg")
    assert first["annotation_file"] == str(root / "Locount_GtTxtsTrain" / "a.txt")
    assert (first["width"], first["height"]) == (90, 80)
    assert first["annotations"] == [
        {
            "bbox": [1.0, 2.0, 30.0, 40.0],
            "bbox_mode": BoxMode.XYXY_ABS,
            "category_id": LOCOUNT_CLASSES.index("Bowl"),
            "count": 3,
            "line": 1,
        },
        {
            "bbox": [5.0, 6.0, 70.0, 80.0],
            "bbox_mode": BoxMode.XYXY_ABS,
            "category_id": LOCOUNT_CLASSES.index("Soap"),
            "count": 12,
            "line": 3,
        },
    ]
    assert second["annotations"] == []


def test_a_second_start_gives_the_same_records(make_split):
    root = make_split({"a": "1,2,30,40,Bowl,3\n5,6,70,80,Soap,12\n", "b": "", "c": ""})
    assert load(root) == load(root)


def test_image_sizes_are_those_of_the_files(make_split):
    root = make_split({"wide": ""}, size=(40, 20))
    make_split({"high": "0,0,10,50,Bowl,1"}, size=(10, 50))
    assert [(r["width"], r["height"]) for r in load(root)] == [(10, 50), (40, 20)]


def test_archives_unpacked_twice_and_subfolders_are_found(make_split):
    root = make_split({"000001": "1,2,30,40,Bowl,1", "shop/000001": "1,2,30,40,Bowl,2"})
    images = root / "Locount_ImagesTrain"
    images.rename(root / "inner")
    images.mkdir()
    (root / "inner").rename(images / "Locount_ImagesTrain")
    records = load(root)
    assert [r["annotations"][0]["count"] for r in records] == [1, 2]
    assert records[1]["file_name"].endswith("Train/Locount_ImagesTrain/shop/000001.jpg")


@pytest.mark.parametrize("suffix", [".JPG", ".jpeg", ".png", ".bmp", ".webp"])
def test_image_types_by_suffix_in_any_case(make_split, suffix):
    root = make_split({"a": "1,2,30,40,Bowl,1"})
    image = root / "Locount_ImagesTrain" / "a.jpg"
    Image.open(image).save(image.with_suffix(suffix))
    image.unlink()
    assert load(root)[0]["file_name"].endswith(f"a{suffix}")


def test_what_macos_leaves_behind_is_no_image(make_split):
    root = make_split({"a": "1,2,30,40,Bowl,1"})
    (root / "Locount_ImagesTrain" / "._a.jpg").write_bytes(b"finder")
    (root / "Locount_ImagesTrain" / "__MACOSX").mkdir()
    (root / "Locount_ImagesTrain" / "__MACOSX" / "b.jpg").write_bytes(b"finder")
    assert len(load(root)) == 1


def test_image_ids_differ_and_stay_when_images_come_and_go(make_split):
    root = make_split({"2": "1,2,30,40,Bowl,1", "shop/2": "", "3": ""})
    make_split({"2": ""}, split="Test")
    ids = {r["file_name"]: r["image_id"] for split in ("train", "test") for r in load(root, split)}
    assert len(set(ids.values())) == 4
    assert all(0 <= i < 2**53 for i in ids.values())
    make_split({"1": ""})
    assert (
        ids.items()
        < {r["file_name"]: r["image_id"] for r in [*load(root), *load(root, "test")]}.items()
    )


# Categories


def test_names_of_locount_get_its_ids_and_groups(make_split):
    root = make_split({"a": "1,2,30,40,Baby handkerchiefs ,1"})
    metadata = source(root).metadata()
    assert metadata["thing_classes"] == list(LOCOUNT_CLASSES)
    assert metadata["thing_groups"] == list(LOCOUNT_GROUPS)
    assert load(root)[0]["annotations"][0]["category_id"] == 4


def test_own_names_are_sorted_over_all_splits(make_split):
    root = make_split({"a": "1,2,30,40,wheel,1"})
    make_split({"a": "1,2,30,40,nut,1\n1,2,30,41,wheel,1"}, split="Test")
    assert classes(root) == classes(root, "test") == ["nut", "wheel"]
    assert load(root)[0]["annotations"][0]["category_id"] == 1
    assert "thing_groups" not in source(root).metadata()


def test_a_category_list_gives_order_and_names_without_boxes(make_split):
    root = make_split({"a": "1,2,30,40,wheel,1"})
    (root / "categories.txt").write_text("\ufeffwheel \r\n\r\naxle\r\nSoap\r\n", encoding="utf-8")
    assert classes(root) == ["wheel", "axle", "Soap"]


def test_a_name_missing_in_the_category_list_is_an_error_of_its_line(make_split):
    root = make_split({"a": "1,2,30,40,wheel,1\n1,2,30,40,whee1,1"})
    (root / "categories.txt").write_text("wheel\naxle\n")
    ((path, line, text),) = complaints(root)
    assert (path, line) == ("Locount_GtTxtsTrain/a.txt", 2)
    assert "'whee1' (is it 'wheel'?)" in text
    assert "categories.txt" in text


def test_a_misspelt_name_does_not_change_the_ids_of_locount(make_split):
    # Sorted names would turn all ids around in silence. But the list may also be the user's own,
    # so it is asked for.
    root = make_split({"a": "1,2,30,40,Soap,1\n1,2,30,40,Soup bowl,1"})
    make_split({"a": "1,2,30,40,Bowll,1"}, split="Test")
    found = complaints(root)
    assert [(path, line) for path, line, _ in found] == [
        ("Locount_GtTxtsTest/a.txt", 1),
        ("Locount_GtTxtsTrain/a.txt", 2),
    ]
    assert "is it 'Bowl'?" in found[0][2]
    assert "categories.txt" in found[0][2]
    (root / "categories.txt").write_text("Soap\nSoup bowl\nBowll\n")
    assert load(root)[0]["annotations"][1]["category_id"] == 1


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("wheel\nnut\nwheel\n", 3, "line 1"),
        ("wheel\nnut, bolt\n", 2, "comma"),
        ("\n \n", None, "names no category"),
    ],
)
def test_a_faulty_category_list_is_an_error(make_split, text, line, word):
    root = make_split({"a": "1,2,30,40,wheel,1"})
    (root / "categories.txt").write_text(text)
    with pytest.raises(DatasetError) as caught:
        classes(root)
    ((path, where, message),) = caught.value.problems
    assert path == str(root / "categories.txt")
    assert where == line
    assert word in message


def test_categories_of_images_without_any_box_are_asked_for(make_split):
    root = make_split({"a": ""})
    assert "categories.txt" in complaints(root)[0][0]
    (root / "categories.txt").write_text("wheel")
    assert load(root)[0]["annotations"] == []


def test_lines_that_hide_all_categories_are_named(make_split):
    root = make_split({"a": "1;2;30;40;wheel;1"})
    ((path, line, text),) = complaints(root)
    assert (path, line) == ("Locount_GtTxtsTrain/a.txt", 1)
    assert "categories.txt" not in text


# Bad input


def test_all_problems_of_a_split_are_in_one_error(make_split):
    root = make_split(
        {
            "a": "1,2,30,40,Soap,1\n1,2,30,40,Soap\n1,2,x,40,Soap,1",
            "b": "30,2,1,40,Soap,1\n1,2,1,40,Soap,1\n1,2,101,40,Soap,0",
            "c": "",
            "d": "",
            "e": "1,2,30,40,Soap,1",
        }
    )
    (root / "Locount_ImagesTrain" / "c.jpg").unlink()
    (root / "Locount_GtTxtsTrain" / "d.txt").unlink()
    (root / "Locount_ImagesTrain" / "e.jpg").write_bytes(b"no image")
    assert sorted((path[8:], line) for path, line, _ in complaints(root) if line is None) == [
        ("GtTxtsTrain/c.txt", None),
        ("ImagesTrain/d.jpg", None),
        ("ImagesTrain/e.jpg", None),
    ]
    found = [(path[-5:], line, text) for path, line, text in complaints(root) if line]
    expected = [
        ("a.txt", 2, "5 columns"),
        ("a.txt", 3, "x2 is 'x'"),
        ("b.txt", 1, "is reversed"),
        ("b.txt", 2, "no area"),
        ("b.txt", 3, "outside its image of 100x80"),
        ("b.txt", 3, "the count is 0"),
    ]
    assert [(path, line) for path, line, _ in found] == [e[:2] for e in expected]
    assert all(word in text for (*_, text), (*_, word) in zip(found, expected, strict=True))


def test_boxes_may_touch_the_edges_of_the_image(make_split):
    root = make_split({"a": "0,0,100,80,Soap,1"}, size=(100, 80))
    assert load(root)[0]["annotations"][0]["bbox"] == [0, 0, 100, 80]


def test_a_message_is_cut_but_the_error_holds_everything(make_split):
    root = make_split({"a": "1,2,30,40,Soap,0\n" * 30})
    with pytest.raises(DatasetError, match=r"has 30 problems(.|\n)*\.\.\. and 10 more") as caught:
        load(root)
    assert len(caught.value.problems) == 30


def test_equal_lines_are_kept_and_named(make_split, caplog):
    root = make_split({"a": "1,2,30,40,Soap,1\n1,2,30,40,Soap,1\n"})
    assert len(load(root)[0]["annotations"]) == 2
    assert f"{root / 'Locount_GtTxtsTrain' / 'a.txt'}:2" in caplog.text


def test_two_images_of_one_name_are_an_error(make_split):
    root = make_split({"a": "1,2,30,40,Soap,1"})
    shutil.copy(root / "Locount_ImagesTrain" / "a.jpg", root / "Locount_ImagesTrain" / "a.jpeg")
    ((path, _, text),) = complaints(root)
    assert path == "Locount_ImagesTrain/a.jpg"
    assert "a.jpeg" in text


def test_a_link_to_nowhere_is_an_unreadable_image(make_split):
    root = make_split({"a": "1,2,30,40,Soap,1"})
    image = root / "Locount_ImagesTrain" / "a.jpg"
    image.unlink()
    image.symlink_to(root / "gone.jpg")
    ((path, _, text),) = complaints(root)
    assert path == "Locount_ImagesTrain/a.jpg"
    assert "can't be read" in text


def test_an_empty_split_is_an_error(make_split):
    root = make_split({"a": "1,2,30,40,Soap,1"})
    (root / "Locount_ImagesTest").mkdir()
    (root / "Locount_GtTxtsTest").mkdir()
    ((path, _, text),) = complaints(root, "test")
    assert path == "Locount_ImagesTest"
    assert "no image" in text


def test_folders_that_are_missing_are_named(make_split, tmp_path):
    with pytest.raises(DatasetError, match="nowhere is not a folder"):
        source(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="not in Locount layout"):
        source(tmp_path)
    root = make_split({"a": ""})
    with pytest.raises(DatasetError, match="no split 'test': it has train"):
        source(root, "test")
    shutil.rmtree(root / "Locount_GtTxtsTrain")
    with pytest.raises(DatasetError, match=r"no folder .*Locount_GtTxtsTrain"):
        source(root)


def test_real_photos(shared_data):
    boxes = {}
    for split, expected in (("train", 1873), ("test", 558)):
        records = load(shared_data / "packs", split)
        texts = list((shared_data / "packs").glob(f"Locount_GtTxts{split.capitalize()}/*.txt"))
        assert len(records) == len(texts) > 0
        boxes[split] = [a for record in records for a in record["annotations"]]
        assert len(boxes[split]) == expected
    counts = [a["count"] for a in boxes["train"]]
    assert (min(counts), max(counts)) == (1, 30)
    assert {a["category_id"] for a in boxes["train"]} == set(range(11))


def test_a_split_without_annotations_leaves_the_others_alone(make_split):
    root = make_split({"a": "1,2,30,40,wheel,1"})
    (root / "Locount_ImagesVal").mkdir()
    assert len(load(root)) == 1
    with pytest.raises(DatasetError, match=r"annotations of .*Locount_ImagesVal are missing"):
        load(root, "val")
