import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from locount.data import DatasetError
from locount.data.catalog import source_of
from locount.data.formats import index_cache
from locount.data.formats.index_cache import cached_arrays

LINE = "10,20,30,40,Soap,3\n"


@pytest.fixture
def root(make_split):
    return make_split({"000001": LINE, "000002": ""})


def counts(root):
    """The counts of all boxes as a fresh start reads them."""
    records = source_of(f"locount:{root}:train").load()
    return [a["count"] for record in records for a in record["annotations"]]


def inodes(folder):
    """A file that is written anew has another number."""
    return {path.name: path.stat().st_ino for path in folder.iterdir()}


def test_an_unchanged_folder_is_not_read_again(root, cache_folder):
    assert counts(root) == [3]
    before = inodes(cache_folder)
    assert len(before) == 2  # annotation lines and image sizes
    assert counts(root) == [3]
    assert inodes(cache_folder) == before


def test_a_folder_called_by_another_path_is_not_read_again(root, cache_folder, monkeypatch):
    counts(root)
    before = inodes(cache_folder)
    monkeypatch.chdir(root.parent)
    assert counts(root.name) == [3]
    assert inodes(cache_folder) == before


def test_nothing_is_written_beside_the_data(root):
    before = sorted(root.rglob("*"))
    counts(root)
    assert sorted(root.rglob("*")) == before


def test_an_edit_that_keeps_size_and_time_is_noticed(root):
    path = root / "Locount_GtTxtsTrain" / "000001.txt"
    counts(root)
    status = path.stat()
    path.write_text(LINE.replace(",3", ",7"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert counts(root) == [7]


def test_added_and_removed_files_are_noticed(root, make_split):
    counts(root)
    make_split({"000003": LINE.replace(",3", ",5")})
    assert counts(root) == [3, 5]
    (root / "Locount_GtTxtsTrain" / "000001.txt").unlink()
    (root / "Locount_ImagesTrain" / "000001.jpg").unlink()
    assert counts(root) == [5]


def test_another_folder_of_equal_files_has_its_own_index(root, make_split, tmp_path):
    other = make_split({"000001": LINE.replace(",3", ",9"), "000002": ""}, root=tmp_path / "other")
    for key in ("GtTxtsTrain/000001.txt", "GtTxtsTrain/000002.txt"):
        os.utime(root / f"Locount_{key}", ns=(0, 0))
        os.utime(other / f"Locount_{key}", ns=(0, 0))
    assert [counts(root), counts(other), counts(root)] == [[3], [9], [3]]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x93NUMPY"])
def test_a_damaged_index_is_built_again_with_a_word(root, cache_folder, caplog, content):
    counts(root)
    for path in cache_folder.iterdir():
        path.write_bytes(content)
    assert counts(root) == [3]
    assert "can't be used" in caplog.text
    caplog.clear()
    assert counts(root) == [3]
    assert "can't be used" not in caplog.text


def test_an_index_of_another_version_is_built_again(root, cache_folder, monkeypatch):
    counts(root)
    before = inodes(cache_folder)
    monkeypatch.setattr(index_cache, "FORMAT_VERSION", index_cache.FORMAT_VERSION + 1)
    assert counts(root) == [3]
    after = inodes(cache_folder)
    assert before.keys() == after.keys()
    assert all(before[name] != after[name] for name in before)


def test_splits_of_long_names_have_their_own_index(tmp_path, cache_folder):
    def read(kind):
        arrays = cached_arrays(kind, str(tmp_path), [], lambda: ({"a": np.array(kind)}, True))
        return str(arrays["a"])

    kinds = ["9" * 400 + end for end in ("1", "2", " ", "_")]
    assert [read(kind) for kind in kinds * 2] == kinds * 2
    assert len(inodes(cache_folder)) == 4


def test_faulty_lines_are_not_kept(root, cache_folder):
    (root / "Locount_GtTxtsTrain" / "000001.txt").write_text("wrong")
    with pytest.raises(DatasetError):
        counts(root)
    assert [path.name[:5] for path in cache_folder.iterdir()] == ["sizes"]


def test_without_a_place_for_the_cache_the_data_is_read_all_the_same(root, monkeypatch, caplog):
    taken = root.parent / "a file"
    taken.touch()
    monkeypatch.setenv("LOCOUNT_CACHE", str(taken / "cache"))
    assert counts(root) == [3]
    assert "LOCOUNT_CACHE" in caplog.text


def test_starts_at_the_same_time_do_not_disturb_each_other(root, cache_folder):
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(counts, [root] * 8)) == [[3]] * 8
    assert sorted(path.suffix for path in cache_folder.iterdir()) == [".npz", ".npz"]
