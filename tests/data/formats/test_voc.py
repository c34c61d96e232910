import pytest

from locount.data.formats import convert
from locount.data.formats.registry import guess_format
from locount.errors import InputError

from .cases import BOX, VOC, content, read


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
