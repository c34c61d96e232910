import subprocess
import sys

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from locount.data import register_datasets
from locount.data.catalog import source_of
from locount.errors import InputError
from locount.shelf.categories import CLASSES, GOODS, GROUPS
from locount.shelf.render import render


@pytest.fixture
def name():
    name = "shelf:2:9"
    yield name
    if name in DatasetCatalog:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


def test_the_name_is_enough(name):
    register_datasets([name])
    assert MetadataCatalog.get(name).thing_classes == list(CLASSES)
    assert MetadataCatalog.get(name).thing_groups == list(GROUPS)
    records = DatasetCatalog.get(name)
    assert len(records) == 2
    assert all(record["annotations"] for record in records)


def test_names_say_the_size():
    (record,) = source_of("shelf:1:9:480x320").load()
    assert (record["width"], record["height"]) == (480, 320)


def test_names_say_the_style_and_the_rule():
    source = source_of("shelf:1:9?style=varied&rule=touching")
    picture = render(9, 0, style="varied", rule="touching")
    (record,) = source.load()
    assert [a["count"] for a in record["annotations"]] == picture.counts.tolist()
    assert source.metadata()["thing_classes"] == [goods.name for goods in GOODS]
    assert source.metadata()["thing_groups"] == [goods.group for goods in GOODS]
    folders = {
        source_of(f"shelf:1:9{query}").folder
        for query in ("", "?rule=row", "?style=varied", "?style=varied&rule=row")
    }
    assert len(folders) == 4
    assert source_of("shelf:1:9:1280x720?extent=2").folder.name.endswith("seed9-1-extent2")
    with pytest.raises(
        InputError, match=r"not one of plain, varied, shop: write style=plain\|varied\|shop"
    ):
        source_of("shelf:1:9?style=shiny")


def test_pictures_are_rendered_once(name, cache_folder):
    first = source_of(name).load()
    stamps = {p: p.stat().st_mtime_ns for p in cache_folder.rglob("*.jpg")}
    assert len(stamps) == 2
    assert source_of(name).load() == first
    assert {p: p.stat().st_mtime_ns for p in cache_folder.rglob("*.jpg")} == stamps


def test_processes_that_start_together_share_the_pictures(name, cache_folder):
    code = f"from locount.data.catalog import source_of; print(len(source_of({name!r}).load()))"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [p.communicate()[0].strip() for p in processes] == ["2"] * 2
    assert len(list(cache_folder.rglob("*.jpg"))) == 2


@pytest.mark.parametrize(
    "name", ["shelf:", "shelf:5", "shelf:a:1", "shelf:5:-1", "shelf:1:2:640x360:3", "shelf:²:1"]
)
def test_names_of_another_form(name):
    with pytest.raises(InputError, match="shelf:IMAGES:SEED"):
        register_datasets([name])


def test_impossible_series_are_refused_at_once():
    with pytest.raises(InputError, match="0 images"):
        register_datasets(["shelf:0:1"])


def test_a_cache_that_cannot_be_written_is_named(name, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LOCOUNT_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="LOCOUNT_CACHE"):
        source_of(name).load()
