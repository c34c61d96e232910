import errno
import json
import os
import subprocess
import sys

import cv2
import pytest

from locount.data.catalog import source_of
from locount.errors import InputError
from locount.shelf import write
from locount.shelf.categories import CLASSES, GOODS
from locount.shelf.render import render
from locount.shelf.write import Series, make_shelf, parse_size


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_folder_passes_the_loader(tmp_path):
    assert make_shelf(tmp_path / "out", "train", Series(3, 5))
    split = source_of(f"locount:{tmp_path / 'out'}:train")
    assert split.metadata()["thing_classes"] == list(CLASSES)
    records = split.load()
    assert len(records) == 3
    for i, record in enumerate(records):
        picture = render(5, i)
        assert cv2.imread(record["file_name"]).shape == picture.image.shape
        annotations = record["annotations"]
        assert [a["bbox"] for a in annotations] == picture.boxes.tolist()
        assert [a["count"] for a in annotations] == picture.counts.tolist()
        assert [a["category_id"] for a in annotations] == picture.categories.tolist()


def test_pictures_do_not_depend_on_their_number_or_the_workers(tmp_path, monkeypatch):
    # Two are drawn in this process, 33 by a pool of up to three.
    monkeypatch.setattr(write, "PICTURES_PER_WORKER", 16)
    make_shelf(tmp_path / "few", "train", Series(2, 5))
    make_shelf(tmp_path / "many", "train", Series(33, 5))
    few, many = content(tmp_path / "few"), content(tmp_path / "many")
    del few["shelf.json"], few["rows_train.json"]
    assert len(few) == 5
    assert few == {name: many[name] for name in few}
    assert sum(name.endswith(".jpg") for name in many) == 33


def test_what_is_there_already_is_left_alone(tmp_path):
    make_shelf(tmp_path, "train", Series(1, 5))
    before = content(tmp_path)
    assert not make_shelf(tmp_path, "train", Series(1, 5))
    assert content(tmp_path) == before


def test_a_second_split_joins_the_first(tmp_path):
    make_shelf(tmp_path, "train", Series(2, 5))
    before = content(tmp_path)
    assert make_shelf(tmp_path, "test", Series(1, 6))
    assert len(source_of(f"locount:{tmp_path}:train").load()) == 2
    assert len(source_of(f"locount:{tmp_path}:test").load()) == 1
    del before["shelf.json"]
    assert before.items() <= content(tmp_path).items()


def test_style_and_rule(tmp_path):
    series = Series(1, 5, style="varied", rule="row")
    make_shelf(tmp_path, "train", series)
    split = source_of(f"locount:{tmp_path}:train")
    assert split.metadata()["thing_classes"] == [goods.name for goods in GOODS]
    picture = render(5, 0, style="varied", rule="row")
    assert [a["count"] for a in split.load()[0]["annotations"]] == picture.counts.tolist()
    assert not make_shelf(tmp_path, "train", series)
    with pytest.raises(InputError, match="style 'varied', which have other categories"):
        make_shelf(tmp_path, "test", Series(1, 6))


def test_what_is_usual_is_not_in_the_manifest(tmp_path):
    # So that folders from before there were styles are still found complete.
    make_shelf(tmp_path, "train", Series(1, 5))
    manifest = json.loads((tmp_path / "shelf.json").read_text())
    assert set(manifest["splits"]["train"]) == {"images", "seed", "width", "height"}


@pytest.mark.parametrize(
    "series",
    [
        Series(0, 1),
        Series(1, 1, style="shiny"),
        Series(1, 1, rule="shelf"),
        Series(-3, 1),
        Series(1, -1),
        Series(1, 1, 640, 100),
        Series(1, 1, 320, 640),
        Series(1, 1, 9999, 640),
        Series(1, 1, extent=0),
        Series(1, 1, 1280, 639, extent=2),
    ],
)
def test_impossible_series(series, tmp_path):
    with pytest.raises(InputError, match="No shelves"):
        make_shelf(tmp_path / "out", "train", series)
    assert not (tmp_path / "out").exists()


def test_everything_wrong_with_a_series_is_said_at_once(tmp_path):
    with pytest.raises(InputError, match=r"0 images.*seed -1.*size 10x10"):
        make_shelf(tmp_path, "train", Series(0, -1, 10, 10))


@pytest.mark.parametrize("text", ["640", "640x", "x360", "640 x 360", "-640x360", "640x360.0", ""])
def test_sizes_of_another_form(text):
    with pytest.raises(InputError, match="WIDTHxHEIGHT"):
        parse_size(text)


@pytest.mark.parametrize("split", ["Train", "", "../x", "a b"])
def test_splits_that_are_no_names(split, tmp_path):
    with pytest.raises(InputError, match="lower case"):
        make_shelf(tmp_path, split, Series(1, 1))


def test_foreign_folders_are_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        make_shelf(tmp_path, "train", Series(1, 1))
    assert content(tmp_path) == {"mine.txt": b"mine"}
    with pytest.raises(InputError, match="is a file"):
        make_shelf(tmp_path / "mine.txt", "train", Series(1, 1))


def test_another_series_under_the_same_name_is_refused(tmp_path):
    make_shelf(tmp_path, "train", Series(1, 5))
    before = content(tmp_path)
    with pytest.raises(InputError, match="another split 'train'"):
        make_shelf(tmp_path, "train", Series(1, 6))
    assert content(tmp_path) == before


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"renderer": 0, "splits": {}})])
def test_folders_of_other_versions_are_refused(text, tmp_path):
    (tmp_path / "shelf.json").write_text(text)
    with pytest.raises(InputError, match=r"shelf\.json|version"):
        make_shelf(tmp_path, "train", Series(1, 5))


def test_an_interrupted_run_leaves_no_data(tmp_path, monkeypatch):
    # Everything is rendered, and then the disk is full.
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match="No space left"):
        make_shelf(tmp_path / "out", "train", Series(1, 5))
    assert content(tmp_path / "out") == {}


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    # Below a file: permissions would not stop root.
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't write to"):
        make_shelf(tmp_path / "file" / "out", "train", Series(1, 5))


def test_a_killed_run_is_made_up_for_and_other_folders_are_left_alone(tmp_path, monkeypatch):
    out = tmp_path / "out"
    monkeypatch.setattr(write, "_render_split", kill)
    with pytest.raises(KilledError):
        make_shelf(out, "train", Series(1, 5))
    monkeypatch.undo()
    (out / "Locount_ImagesTrain").mkdir()  # as far as it may have come
    (out / "Locount_ImagesTrain/000001.jpg").touch()
    (out / "Locount_ImagesTest").mkdir()
    (out / "Locount_ImagesTest/mine.jpg").touch()
    with pytest.raises(InputError, match="Locount_ImagesTest already exists"):
        make_shelf(out, "test", Series(1, 5))
    assert make_shelf(out, "train", Series(1, 5))
    assert not make_shelf(out, "train", Series(1, 5))
    assert (out / "Locount_ImagesTest/mine.jpg").exists()


class KilledError(Exception):
    pass


def kill(*arguments):
    raise KilledError


@pytest.mark.slow
def test_a_script_without_a_guard_ends_with_what_to_do(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from locount.shelf import write\n"
        "write.PICTURES_PER_WORKER = 1\n"
        "write.usable_cpus = lambda: 2\n"
        f"write.make_shelf(Path({str(tmp_path / 'out')!r}), 'train', write.Series(4, 2))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert "A process that renders shelves ended" in done.stderr
    assert '`if __name__ == "__main__":`' in done.stderr
