import csv
import tempfile
from pathlib import Path

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.structures import BoxMode
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from locount.data import DatasetError, register_datasets
from locount.data.catalog import source_of
from locount.data.formats.sku110k.rows import parse_csv

ROW = "a.jpg,1,2,30,40,object,100,80\n"


@pytest.fixture
def make_root(tmp_path):
    """Writes a folder in SKU-110K layout with images of 100 x 80 pixels; returns it."""

    def make(text, images=("a.jpg", "b.jpg"), split="train", root=tmp_path / "sku"):
        (root / "annotations").mkdir(parents=True, exist_ok=True)
        (root / "images").mkdir(exist_ok=True)
        (root / "annotations" / f"annotations_{split}.csv").write_text(text, encoding="utf-8")
        for name in images:
            Image.effect_noise((100, 80), 50).save(root / "images" / name)
        return root

    return make


def source(root, split="train", options=""):
    return source_of(f"sku110k:{root}:{split}{options}")


def load(root, split="train", options=""):
    return source(root, split, options).load()


def complaints(root):
    with pytest.raises(DatasetError) as caught:
        load(root)
    return [(Path(p.path).name, p.line, p.text) for p in caught.value.problems]


def test_records_hold_what_the_rows_say(make_root):
    root = make_root(ROW + "b.jpg,0,0,100,80,object,100,80\n" + ROW.replace("30", "31"))
    first, second = load(root)
    assert first["file_name"] == str(root / "images" / "a.jpg")
    assert first["annotation_file"] == str(root / "annotations" / "annotations_train.csv")
    assert (first["width"], first["height"]) == (100, 80)
    assert first["annotations"] == [
        {
            "bbox": [1.0, 2.0, right, 40.0],
            "bbox_mode": BoxMode.XYXY_ABS,
            "category_id": 0,
            "count": 1,
            "line": line,
        }
        for right, line in ((30.0, 1), (31.0, 3))
    ]
    assert [a["bbox"] for a in second["annotations"]] == [[0, 0, 100, 80]]
    assert load(root) == [first, second]  # from the cache


def test_real_photos(shared_data):
    root = shared_data / "packs_sku110k"
    for split, boxes in (("train", 8284), ("test", 2439)):
        with open(root / "annotations" / f"annotations_{split}.csv", newline="") as file:
            rows = [(r[0], *map(float, r[1:5])) for r in csv.reader(file)]
        assert len(rows) == boxes
        records = load(root, split)
        assert rows == [
            (Path(record["file_name"]).name, *annotation["bbox"])
            for record in records
            for annotation in record["annotations"]
        ]


def test_classes_are_those_of_all_splits(make_root):
    root = make_root(ROW)
    make_root(ROW.replace("object", " can"), split="val")
    for split in ("train", "val"):
        assert source(root, split).metadata() == {"thing_classes": ["can", "object"]}
    assert load(root)[0]["annotations"][0]["category_id"] == 1


def test_a_folder_is_a_dataset_by_its_name(make_root, tmp_path, monkeypatch):
    root = make_root(ROW + ROW.replace("a.jpg", "b.jpg"), root=tmp_path / "sku110k")
    name = f"sku110k:{root}:train?subset=1&seed=3"
    register_datasets([name])
    assert len(DatasetCatalog.get(name)) == 1
    assert MetadataCatalog.get(name).thing_classes == ["object"]
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    assert len(DatasetCatalog.get("sku110k_train")) == 2
    with pytest.raises(DatasetError, match="has 2 images: a subset of 3828"):
        DatasetCatalog.get("sku110k_train_3828")
    with pytest.raises(DatasetError, match="no split 'val': it has train"):
        DatasetCatalog.get("sku110k_val")


@pytest.mark.parametrize(
    "option", ["subset", "subset=0", "seed=x", "seed=1", "skip_invalid=1", "skip=1"]
)
def test_an_unknown_option_of_a_name_is_an_error(make_root, option):
    with pytest.raises(DatasetError, match=r"subset=N|seed=N|skip_invalid$|needs subset"):
        register_datasets([f"sku110k:{make_root(ROW)}:train?{option}"])


def test_a_subset_depends_on_seed_and_names_alone(make_root):
    names = [f"{i}.jpg" for i in range(6)]
    rows = [ROW.replace("a.jpg", name) for name in names]
    root = make_root("".join(rows), names)
    make_root("".join(rows[::-1]), (), split="reversed")

    def chosen(number, seed=0, split="train"):
        records = load(root, split, f"?subset={number}&seed={seed}")
        return {Path(record["file_name"]).name for record in records}

    subset = chosen(3)
    assert len(subset) == 3
    assert chosen(3, split="reversed") == subset
    assert chosen(2) < subset < chosen(4)
    assert len({frozenset(chosen(3, seed)) for seed in range(8)}) > 1
    assert chosen(6) == set(names)
    with pytest.raises(DatasetError, match="has 6 images: a subset of 7"):
        chosen(7)


# Each makes line 2 wrong.
FAULTY_ROWS = {
    "b.jpg,30,2,1,40,object,100,80\n": "30, 2, 1, 40 (left, top, right, bottom) is reversed",
    "b.jpg,1,2,30,2,object,100,80\n": "has no area",
    "b.jpg,1,2,101,40,object,100,80\n": "outside its image of 100x80",
    "b.jpg,-1,2,30,40,object,100,80\n": "outside its image",
    "b.jpg,1,2,30,40,object,80,100\n": "has 100x80 pixels, but 80x100 are written",
    "c.jpg,1,2,30,40,object,100,80\n": "there is no file",
    "b.jpg,1,2,30,40,object,100\n": "7 columns instead of 8",
    "b.jpg;1;2;30;40;object;100;80\n": "1 column instead of 8",
    "b.jpg,object,1,2,30,40,100,80\n": "x1 is 'object'",
    "b.jpg,1,2.5,30,40,object,100,80\n": "y1 is '2.5'",
    "b.jpg,1,2,30,1234567890,object,100,80\n": "at most 9 digits",
    "b.jpg,1,2,30,40, ,100,80\n": "class is ' '",
    ",1,2,30,40,object,100,80\n": "image is ''",
    "image,x1,y1,x2,y2,class,width,height\n": "is a header line: delete it",
}


@pytest.mark.parametrize("row", FAULTY_ROWS)
def test_a_faulty_row_is_named_by_file_and_line_or_left_out_if_asked(make_root, row, caplog):
    root = make_root(ROW + row)
    ((path, line, text),) = complaints(root)
    assert (path, line) == ("annotations_train.csv", 2)
    assert FAULTY_ROWS[row] in text
    (record,) = load(root, options="?skip_invalid")
    assert [a["line"] for a in record["annotations"]] == [1]
    assert "annotations_train.csv:2" in caplog.text
    assert FAULTY_ROWS[row] in caplog.text


def test_all_problems_are_in_one_error(make_root):
    assert [line for _, line, _ in complaints(make_root("".join([ROW, *FAULTY_ROWS])))] == [
        *range(8, 16),  # not of the form
        6,  # another size than in other rows
        7,  # no such image
        *range(2, 6),  # boxes
    ]


def test_a_truncated_image_is_an_error_or_left_out_if_asked(make_root, caplog):
    root = make_root(ROW + ROW.replace("a.jpg", "b.jpg"))
    image = root / "images" / "b.jpg"
    image.write_bytes(image.read_bytes()[:-100])  # the header is whole
    for _ in range(2):  # the second time from the cache
        ((path, line, text),) = complaints(root)
        assert (path, line) == ("b.jpg", None)
        assert "truncated" in text
    (record,) = load(root, options="?skip_invalid")
    assert record["file_name"].endswith("a.jpg")
    assert str(image) in caplog.text


def test_bytes_behind_the_end_of_a_jpeg_do_no_harm(make_root):
    root = make_root(ROW)
    with open(root / "images" / "a.jpg", "ab") as file:
        file.write(b"\0\0")
    assert len(load(root)) == 1


@pytest.mark.parametrize("text", ["", "\n \n", "image,x1,y1,x2,y2,class,width,height\n"])
def test_a_file_without_a_row_is_an_error(make_root, text):
    for options in ("", "?skip_invalid"):
        with pytest.raises(DatasetError, match=r"has no row that can be used|is a header line"):
            load(make_root(text), options=options)


def test_folders_that_are_missing_are_named(make_root, tmp_path):
    with pytest.raises(DatasetError, match=r"annotations/annotations_train\.csv"):
        source(tmp_path)
    with pytest.raises(DatasetError, match="no split 'test': it has train"):
        source(make_root(ROW), "test")


NAMES = st.text(min_size=1, max_size=9).map(str.strip).filter(lambda s: s and s.isprintable())
INTEGERS = st.integers(-999_999_999, 999_999_999)
ROWS = st.tuples(NAMES, *[INTEGERS] * 4, NAMES, *[INTEGERS] * 2)


def parse_text(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "annotations.csv")
        path.write_bytes(text)
        return parse_csv(str(path))


@given(st.lists(ROWS), st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"]))
def test_what_is_written_is_read(rows, line_end, bom):
    size = {row[0]: row[6:] for row in reversed(rows)}
    rows = [(*row[:6], *size[row[0]]) for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "annotations.csv")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(bom)
            csv.writer(file, lineterminator=line_end).writerows(rows)
        table, problems = parse_csv(str(path))
    assert not problems
    assert rows == [
        (str(table.images[i]), *box, str(table.names[k]), *table.size[i, ::-1])
        for i, box, k in zip(table.image, table.box.tolist(), table.category, strict=True)
    ]
    assert table.line.tolist() == list(range(1, len(rows) + 1))


@given(st.lists(st.sampled_from([ROW, ROW.replace("1", " 1"), *FAULTY_ROWS])))
def test_every_line_is_in_the_table_or_a_problem(lines):
    lines = [ROW, *lines]
    table, problems = parse_text("".join(lines).encode())
    found = sorted([*table.line.tolist(), *(p.line for p in problems)])
    assert found == list(range(1, len(lines) + 1))


@given(st.binary() | st.text().map(str.encode) | st.from_regex(r'([-0-9a", ]*\n)*').map(str.encode))
def test_no_content_raises_anything(content):
    table, problems = parse_text(content)
    assert all(p.text and p.path for p in problems)
    assert len(table.box) == len(table.line)
