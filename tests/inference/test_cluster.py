"""Prediction on a Ray cluster of two workers on this machine."""

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from locount.files import locked_folder
from locount.inference import cluster


@pytest.fixture(scope="module")
def ray():
    ray = pytest.importorskip("ray", reason="needs the extra `ray`")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.fixture
def shelves(tmp_path):
    """Thirty photos; one of them is turned by its tag, and one is not a photo."""
    folder = tmp_path / "shelves"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(30):
        pixels = cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (96, 64))
        exif = Image.Exif()
        exif[0x0112] = 6 if i == 3 else 1
        Image.fromarray(pixels).save(folder / f"{i:02}.jpg", exif=exif)
    (folder / "07.jpg").write_text("no photo")
    return folder


def rows_of(folder):
    import pyarrow.parquet as pq

    rows = [row for path in folder.glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    return sorted(rows, key=lambda row: row["file_name"])


def kill_a_worker(folder, killed):
    """Once a part is done, the first worker that is found, one of this process's Ray."""
    while not list(folder.glob("*.parquet")):
        time.sleep(0.05)
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            if b"_Worker" in (entry / "cmdline").read_bytes() and _ours(int(entry.name)):
                os.kill(int(entry.name), signal.SIGKILL)
                killed.append(int(entry.name))
                return


def _ours(pid):
    while pid > 1 and pid != os.getpid():
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pid == os.getpid()


@pytest.mark.slow
def test_a_cluster_finds_what_a_machine_finds_though_a_worker_is_killed(
    ray, predict, shelves, tmp_path, capsys
):
    out, alone = tmp_path / "out", tmp_path / "alone"
    assert predict(shelves, "--no-pictures", output=alone) == 1
    lines = (alone / "predictions.jsonl").read_text().splitlines()[1:]
    entries = {entry["file_name"]: entry for entry in map(json.loads, lines)}

    killed = []
    killer = threading.Thread(target=kill_a_worker, args=(out, killed), daemon=True)
    killer.start()
    assert predict(shelves, "--cluster", "local") == 1
    killer.join(10)
    assert killed
    rows = rows_of(out)
    assert [row["file_name"] for row in rows] == [str(p) for p in sorted(shelves.iterdir())]
    assert "30 new" in capsys.readouterr().out
    (failed,) = [row for row in rows if row["error"]]
    assert failed["file_name"] == str(shelves / "07.jpg")
    assert failed["detections"] is None
    for row in rows:
        if row is not failed:
            entry = {"orientation": 1, **entries[row["file_name"]]}
            wanted = {key: entry[key] for key in row.keys() & entry.keys()}
            assert {key: row[key] for key in wanted} | {"stamp": 0} == wanted | {"stamp": 0}
    assert sum(len(row["detections"] or ()) for row in rows) > 30

    # Of another run only what is new, has changed, or could not be fetched is the work.
    shutil.copy(shelves / "00.jpg", shelves / "30.jpg")
    shutil.copy(shelves / "00.jpg", shelves / "07.jpg")
    assert predict(shelves, "--cluster", "local") == 0
    assert "2 new" in (printed := capsys.readouterr().out)
    assert "29 from before" in printed
    again = rows_of(out)
    assert [row for row in again if row["file_name"][-6:] not in ("07.jpg", "30.jpg")] == [
        row for row in rows if row is not failed
    ]
    assert [
        row["detections"] for row in again if row["file_name"][-6:] in ("07.jpg", "30.jpg")
    ] == [again[0]["detections"]] * 2

    assert predict(shelves, "--cluster", "local", "--score", "0.9") == 2
    assert "score: 0.05 before, 0.9 now" in capsys.readouterr().err


@pytest.mark.slow
def test_where_nothing_can_be_read_the_status_is_that_of_a_machine(ray, predict, tmp_path, capsys):
    photo = tmp_path / "a.jpg"
    photo.write_text("no photo")
    assert predict(photo, output=tmp_path / "alone") == 2
    for _ in range(2):  # another run knows it, too
        capsys.readouterr()
        assert predict(photo, "--cluster", "local") == 2
        assert f"{photo}: " in capsys.readouterr().err


@pytest.mark.slow
def test_addresses_of_other_file_systems(ray, predict, shelves, tmp_path):
    assert (
        predict(f"file://{shelves}/0*.jpg", "--cluster", "local", output=f"file://{tmp_path}/out")
        == 1
    )
    names = [row["file_name"] for row in rows_of(tmp_path / "out")]
    assert names == [f"file://{shelves}/0{i}.jpg" for i in range(10)]


def test_without_ray_it_says_what_to_install(predict, shelves, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray.data", None)
    assert predict(shelves, "--cluster", "local") == 2
    assert "pip install 'locount[ray]'" in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--json",), ("--level", "0.9"), ("--every", "2")])
def test_options_that_a_cluster_has_not_are_refused(predict, shelves, option, capsys):
    assert predict(shelves, "--cluster", "local", *option) == 2
    assert f"{option[0]} is not for --cluster" in capsys.readouterr().err


def test_a_file_that_can_not_be_fetched_is_tried_again():
    unread = set()
    with pytest.raises(ValueError, match=r"nowhere\.jpg can't be fetched \(FileNotFoundError"):
        cluster._read("nowhere.jpg", "/nowhere.jpg", unread)
    assert unread == {"nowhere.jpg"}


def test_two_runs_can_not_write_to_one_folder(predict, shelves, tmp_path, capsys):
    pytest.importorskip("ray", reason="needs the extra `ray`")
    with locked_folder(tmp_path / "out"):
        assert predict(shelves, "--cluster", "local") == 2
    assert "is in use by another run" in capsys.readouterr().err
