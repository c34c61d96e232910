import fcntl
import json
import os
import stat
import tempfile
import time

import pytest

from locount.errors import InputError
from locount.files import locked_folder, new_folder, to_csv, to_json, write_bytes


def test_file_is_replaced_whole(tmp_path):
    path = tmp_path / "new" / "metrics.json"
    write_bytes(path, b"first")
    write_bytes(path, b"second")
    assert path.read_bytes() == b"second"
    assert os.listdir(path.parent) == ["metrics.json"]


def test_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "metrics.json"
    write_bytes(path, b"old")
    with pytest.raises(TypeError):
        write_bytes(path, "text is no bytes")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["metrics.json"]


def test_file_has_the_users_permissions(tmp_path):
    write_bytes(tmp_path / "ours", b"")
    (tmp_path / "plain").write_bytes(b"")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "plain")]
    assert modes[0] == modes[1]


def test_undefined_figures_are_null():
    assert json.loads(to_json({"AP": float("nan"), "AR": 1.5})) == {"AP": None, "AR": 1.5}


def test_csv_quotes_commas_and_leaves_undefined_figures_empty():
    rows = [{"name": "cup, red", "AP": float("nan")}, {"name": "box", "AP": 2.5}]
    assert to_csv(rows, ["name", "AP"]) == b'name,AP\r\n"cup, red",\r\nbox,2.5\r\n'
    assert to_csv([], ["name", "AP"]) == b"name,AP\r\n"


def test_a_new_folder_appears_at_the_end_of_the_block(tmp_path):
    path = tmp_path / "deep" / "out"
    with new_folder(path) as folder:
        (folder / "a").write_text("1")
        assert not path.exists()
    assert os.listdir(path.parent) == ["out"]
    assert (path / "a").read_text() == "1"
    (tmp_path / "plain").mkdir()
    modes = [stat.S_IMODE(p.stat().st_mode) for p in (path, tmp_path / "plain")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_folder_leaves_nothing(tmp_path, error):
    def write():
        with new_folder(tmp_path / "out") as folder:
            (folder / "a").write_text("1")
            raise error

    with pytest.raises(type(error)):
        write()
    assert os.listdir(tmp_path) == []


def test_an_empty_folder_may_be_taken_but_nothing_else(tmp_path):
    empty, full, file = tmp_path / "empty", tmp_path / "full", tmp_path / "file"
    empty.mkdir()
    full.mkdir()
    file.write_text("old")
    (full / "old").write_text("old")
    with new_folder(empty) as folder:
        (folder / "a").write_text("1")
    for path in (full, file):
        with pytest.raises(InputError, match="not empty"), new_folder(path):
            pass
    assert sorted(os.listdir(tmp_path)) == ["empty", "file", "full"]
    assert os.listdir(full) == ["old"]


def test_a_folder_is_one_process_s_and_not_its_forked_ones(tmp_path):
    out = tmp_path / "new/out"
    with locked_folder(out):
        with pytest.raises(InputError, match="in use by another run"), locked_folder(out):
            pass
        child = os.fork()
        if child == 0:  # outlives the lock
            time.sleep(1)
            os._exit(0)
    with locked_folder(out):
        pass
    os.waitpid(child, 0)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match=r"can't write to .*file/out"),
        locked_folder(tmp_path / "file/out"),
    ):
        pass


def test_what_a_killed_process_left_of_a_file_is_removed(tmp_path):
    (tmp_path / ".model.pth.unfinished-1234").touch()
    (tmp_path / ".other.pth.unfinished-1234").touch()
    write_bytes(tmp_path / "model.pth", b"x")
    assert sorted(os.listdir(tmp_path)) == [".other.pth.unfinished-1234", "model.pth"]


@pytest.mark.parametrize("is_locked", [False, True])
@pytest.mark.parametrize("make", ["mkdtemp", "mkstemp"])
def test_what_is_removed_before_it_is_locked_is_made_again(tmp_path, monkeypatch, make, is_locked):
    # Another process finds it in between: is about to remove it, or has done so.
    make_temporary, made, handles = getattr(tempfile, make), [], []

    def found_by_another_process(**options):
        temporary = make_temporary(**options)
        path = temporary if make == "mkdtemp" else temporary[1]
        made.append(path)
        if len(made) == 1:
            if is_locked:
                handles.append(os.open(path, os.O_RDONLY))
                fcntl.flock(handles[0], fcntl.LOCK_EX)
            elif make == "mkdtemp":
                os.rmdir(path)
            else:
                os.unlink(path)
        return temporary

    monkeypatch.setattr(tempfile, make, found_by_another_process)
    if make == "mkdtemp":
        with new_folder(tmp_path / "out") as folder:
            (folder / "a").write_text("1")
        assert (tmp_path / "out/a").read_text() == "1"
    else:
        write_bytes(tmp_path / "out", b"1")
        assert (tmp_path / "out").read_bytes() == b"1"
    assert len(made) == 2
    for handle in handles:
        os.close(handle)
