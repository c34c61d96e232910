import os

import pytest

from locount.data.formats.image_files import image_path


def test_every_spelling_of_a_place_is_one_path():
    names = ["b/a.jpg", "./b/a.jpg", "b//a.jpg", "b/../b/a.jpg", "../photos/b/a.jpg", r"b\a.jpg"]
    assert {image_path("photos", name) for name in names} == {"photos/b/a.jpg"}
    inside = os.path.abspath("photos/b/a.jpg")
    assert image_path("photos", inside) == "photos/b/a.jpg"


def test_a_backslash_that_is_part_of_a_name_stays(tmp_path):
    (tmp_path / r"b\a.jpg").touch()
    assert image_path(str(tmp_path), r"b\a.jpg") == str(tmp_path / r"b\a.jpg")


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("../a.jpg", "leads out"),
        ("/etc/hostname", "leads out"),
        (r"..\..\a.jpg", "leads out"),
        ("b/../../a.jpg", "leads out"),
        ("http://host/a.jpg", "download it"),
        ("a\0.jpg", "NUL"),
    ],
)
def test_no_name_leads_out_of_the_root(name, word):
    with pytest.raises(ValueError, match=word):
        image_path("root", name)
