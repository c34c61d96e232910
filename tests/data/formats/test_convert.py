import json
import resource

import pytest
from detectron2.data import DatasetCatalog
from PIL import Image

from locount.cli.convert import FORMATS as CLI_FORMATS
from locount.cli.convert import LOSSES as CLI_LOSSES
from locount.cli.main import main
from locount.data import register_datasets
from locount.data.formats import FORMATS, LOSSES, Dataset, Split, convert
from locount.errors import InputError

from .cases import content, read, record, write

SHELF = Dataset(
    ("cup", "bowl", "tray"),
    {
        "test": Split([record(([0, 0, 100, 80], 0, 2))], ["1.jpg"]),
        "train": Split([record(([1, 2, 30, 40], 1, 1)), record()], ["1.jpg", "2.jpg"]),
    },
)


@pytest.fixture
def shelf(tmp_path):
    return write(SHELF, "locount", tmp_path / "shelf")


def test_the_command_line_knows_all_formats_and_losses():
    assert set(CLI_FORMATS) == set(FORMATS)
    assert set(CLI_LOSSES) == set(LOSSES)


def test_the_command_says_what_it_wrote_and_what_was_lost(shelf, tmp_path, capsys):
    out = tmp_path / "sku"
    assert main(["convert", str(shelf), str(out), "--to", "sku110k"]) == 2
    refused = capsys.readouterr().err
    assert "--lossy counts empty-images category-list" in refused
    assert "counts: 1 box(es) of 2 items would become one item each" in refused
    assert not out.exists()
    lossy = ["--lossy", "counts", "empty-images", "category-list"]
    assert main(["convert", str(shelf), str(out), "--to", "sku110k", *lossy]) == 0
    printed = capsys.readouterr().out
    assert "lost empty-images: 1 image(s)" in printed
    assert "train: 1 images, 1 boxes, 1 items" in printed
    register_datasets([f"sku110k:{out}:test"])
    (record,) = DatasetCatalog.get(f"sku110k:{out}:test")
    assert record["annotations"][0]["bbox"] == [0, 0, 100, 80]


def test_images_of_two_splits_that_share_folder_and_name_get_the_split_in_front(shelf, tmp_path):
    convert(shelf, tmp_path / "voc", to="voc", lossy=["category-list"])
    assert sorted(path.name for path in (tmp_path / "voc" / "JPEGImages").iterdir()) == [
        "test_1.jpg",
        "train_1.jpg",
        "train_2.jpg",
    ]
    assert set(content(read("voc", tmp_path / "voc"))) == {
        ("test", "test_1.jpg"),
        ("train", "train_1.jpg"),
        ("train", "train_2.jpg"),
    }


def test_one_split_has_the_categories_of_all(shelf, tmp_path):
    convert(shelf, tmp_path / "voc", to="voc", lossy=["category-list"])
    dataset, _ = convert(tmp_path / "voc", tmp_path / "out", to="locount", split="train")
    assert list(dataset.splits) == ["train"]
    assert dataset.classes == ("bowl", "cup")
    with pytest.raises(InputError, match="no split 'val': it has test, train"):
        convert(tmp_path / "voc", tmp_path / "other", to="locount", split="val")


@pytest.mark.parametrize("form", ["locount", "coco"])
def test_what_does_not_fit_a_turned_photo_is_told_from_what_is_only_named_so(shelf, tmp_path, form):
    """Its box may be one of the photo as it is seen; a category "5 pixels" is not known either."""
    source = shelf if form == "locount" else write(SHELF, form, tmp_path / form)
    photo = next(source.glob("*[tT]est/1.jpg"))
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (100, 80)).save(photo, exif=exif)
    if form == "locount":
        path = source / "Locount_GtTxtsTest" / "1.txt"
        path.write_text("0,0,80,100,cup,2\n0,0,9,9,5 pixels,1\n")
        other = "unknown category '5 pixels'"
    else:
        path = source / "test.json"
        data = json.loads(path.read_text())
        data["annotations"][0]["bbox"] = [0, 0, 80, 100]
        data["images"].append({"id": 2, "file_name": "5 pixels.jpg", "height": 80, "width": 100})
        path.write_text(json.dumps(data))
        other = "there is no file"
    with pytest.raises(InputError) as error:
        convert(source, tmp_path / "out", to="yolo", from_=form)
    turned, summary, rest = (problem.text for problem in error.value.problems)
    assert turned.startswith("has the EXIF orientation 6")
    assert summary.startswith("1 boxes or sizes do not fit")
    assert other in rest


def test_a_list_of_categories_gives_the_ids(shelf, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("plate\nbowl\ncup\n")
    dataset, _ = convert(shelf, tmp_path / "out", to="coco", categories=names)
    assert dataset.classes == ("plate", "bowl", "cup")
    assert content(read("coco", tmp_path / "out")) == content(SHELF)
    names.write_text("bowl\n")
    with pytest.raises(InputError, match=r"lacks these categories(.|\n)*cup"):
        convert(shelf, tmp_path / "other", to="coco", categories=names)


def test_images_are_copied_linked_or_left_out(shelf, tmp_path):
    for images in ("copy", "link", "none"):
        convert(shelf, tmp_path / images, to="coco", images=images)
    original = shelf / "Locount_ImagesTrain" / "1.jpg"
    copy, link = (tmp_path / name / "train" / "1.jpg" for name in ("copy", "link"))
    assert not copy.is_symlink()
    assert copy.read_bytes() == original.read_bytes()
    assert link.resolve() == original.resolve()
    assert sorted(path.name for path in (tmp_path / "none").iterdir()) == [
        "test.json",
        "train.json",
    ]


def test_fractions_are_rounded_into_the_image_only_if_asked(tmp_path):
    boxes = [([-0.6, 1.5, 100.4, 2.51], 0, 1), ([3.001, 4, 5, 6], 0, 1)]
    dataset = Dataset(("cup",), {"train": Split([record(*boxes)], ["a.jpg"])})
    source = write(dataset, "coco", tmp_path / "coco")
    # 3.001 is a whole pixel that a format of fractions has blurred.
    with pytest.raises(InputError, match=r"fractions: 1 box\(es\) .*rounded .*by up to 0\.6"):
        convert(source, tmp_path / "out", to="locount", from_="coco")
    convert(source, tmp_path / "out", to="locount", from_="coco", lossy=["fractions"])
    (found,) = content(read("locount", tmp_path / "out")).values()
    assert [box for box, *_ in found] == [[0, 2, 100, 3], [3, 4, 5, 6]]


def test_a_box_that_rounding_would_make_empty_is_an_error(tmp_path):
    dataset = Dataset(("cup",), {"train": Split([record(([1.6, 1, 2.4, 9], 0, 1))], ["a.jpg"])})
    source = write(dataset, "coco", tmp_path / "coco")
    with pytest.raises(InputError, match="has no area in whole pixels"):
        convert(source, tmp_path / "out", to="locount", from_="coco", lossy=["fractions"])


def test_a_crowd_region_is_left_out_only_if_asked(tmp_path):
    dataset = Dataset(("cup",), {"train": Split([record(([1, 1, 9, 9], 0, 1))], ["a.jpg"])})
    dataset.splits["train"].records[0]["annotations"][0]["iscrowd"] = 1
    source = write(dataset, "coco", tmp_path / "coco")
    with pytest.raises(InputError, match=r"crowds: 1 crowd region\(s\)"):
        convert(source, tmp_path / "out", to="yolo", from_="coco")
    convert(source, tmp_path / "out", to="yolo", from_="coco", lossy=["crowds"])
    assert content(read("yolo", tmp_path / "out")) == {("train", "a.jpg"): []}


def test_a_single_file_needs_its_split_and_its_images(shelf, tmp_path):
    convert(shelf, tmp_path / "cvat", to="cvat")
    file, images = tmp_path / "cvat" / "train.xml", tmp_path / "cvat" / "train"
    with pytest.raises(InputError, match="give --split, such as train, and --image-root"):
        convert(file, tmp_path / "out", to="locount")
    dataset, _ = convert(file, tmp_path / "out", to="locount", split="shop", image_root=images)
    assert set(content(dataset)) == {("shop", "1.jpg"), ("shop", "2.jpg")}


def test_a_format_is_guessed_only_where_the_files_show_it(shelf, tmp_path):
    for key in set(FORMATS) - {"coco", "label-studio"}:
        out = tmp_path / key
        convert(shelf, out, to=key, lossy=list(LOSSES))
        convert(out, tmp_path / f"from-{key}", to="coco")
    for path in (tmp_path / "from-cvat", tmp_path / "from-cvat" / "train.json"):
        with pytest.raises(InputError, match="say which with --from"):
            convert(path, tmp_path / "out", to="coco")


@pytest.mark.parametrize("name", ["../1.jpg", "a.tif", "b.jpg", ".a.jpg", "line\nend.jpg"])
def test_names_that_would_be_lost_are_errors(tmp_path, name):
    source = tmp_path / "coco" / "x"
    dataset = Dataset(("cup",), {"train": Split([record(), record()], ["b.png", name])})
    write(dataset, "coco", source)
    words = r"can't hold these names(.|\n)*the image|leads out of the folder of images"
    with pytest.raises(InputError, match=words):
        convert(source, tmp_path / "out", to="locount", from_="coco")
    assert not (tmp_path / "out").exists()


def test_two_images_of_one_stem_are_called_as_in_the_source(tmp_path):
    dataset = Dataset(("cup",), {"train": Split([record(), record()], ["b.png", "b.jpg"])})
    write(dataset, "coco", tmp_path / "x")
    with pytest.raises(InputError, match=r"the image 'b\.jpg' beside 'b\.png': rename one"):
        convert(tmp_path / "x", tmp_path / "out", to="yolo", from_="coco")


@pytest.mark.parametrize("name", ["a, b", " a", "a\u200bb"])
def test_categories_that_would_be_lost_are_errors(tmp_path, name):
    dataset = Dataset((name,), {"train": Split([record()], ["a.jpg"])})
    source = write(dataset, "coco", tmp_path / "coco")
    with pytest.raises(InputError, match="the category"):
        convert(source, tmp_path / "out", to="locount", from_="coco")


def test_a_folder_that_is_there_is_not_touched(shelf, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="already exists"):
        convert(shelf, out, to="coco")
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_a_full_disk_leaves_nothing_behind(shelf, tmp_path, capsys):
    Image.effect_noise((100, 80), 90).save(shelf / "Locount_ImagesTrain" / "2.jpg", quality=95)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))  # fits all but that image
    try:
        status = main(["convert", str(shelf), str(tmp_path / "out"), "--to", "coco"])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert status == 2
    assert "can't write" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} <= {"shelf", "cache"}


def test_coco_files_of_different_categories_are_an_error(shelf, tmp_path):
    convert(shelf, tmp_path / "coco", to="coco")
    path = tmp_path / "coco" / "test.json"
    text = json.loads(path.read_text())
    text["categories"][0]["name"] = "other"
    path.write_text(json.dumps(text))
    with pytest.raises(InputError, match="have different categories"):
        convert(tmp_path / "coco", tmp_path / "out", to="locount", from_="coco")


def test_a_split_without_any_image_that_can_be_kept_is_an_error(tmp_path):
    boxes = record(([1, 1, 9, 9], 0, 1))
    splits = {"test": Split([record()], ["a.jpg"]), "train": Split([boxes], ["a.jpg"])}
    source = write(Dataset(("cup",), splits), "coco", tmp_path / "coco")
    with pytest.raises(InputError, match="No image is left in test"):
        convert(source, tmp_path / "out", to="sku110k", from_="coco", lossy=["empty-images"])
    convert(source, tmp_path / "out", to="sku110k", from_="coco", split="train")


def test_invalid_boxes_of_locount_are_left_out_only_if_asked(shelf, tmp_path, caplog):
    path = shelf / "Locount_GtTxtsTrain" / "2.txt"
    path.write_text("1,2,30,40,cup,0\n1,2,30,40,cup,7\n")
    with pytest.raises(InputError, match="the count is 0"):
        convert(shelf, tmp_path / "out", to="coco")
    dataset, _ = convert(shelf, tmp_path / "out", to="coco", skip_invalid=True)
    assert content(dataset)["train", "2.jpg"] == [([1, 2, 30, 40], "cup", 7)]
    assert f"{path}:1: the count is 0" in caplog.text
