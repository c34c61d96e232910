"""Commands that are killed, that meet in one folder, and that run out of disk."""

import os
import subprocess

import pytest

from .commands import commands, unfinished
from .jobs import KILLED, Jobs

# How often each is killed, times LOCOUNT_KILLS: the quick ones more often.
KILLS = {"compare": 1, "train": 2, "predict": 2, "slim": 4}
KILLS |= {"convert": 4, "check-data --fix": 4, "make-shelf": 4, "restock": 4}
KILLS |= {"planogram make": 4, "rows": 4, "calibrate": 4}
NAMES = list(KILLS)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def jobs():
    jobs = Jobs()
    yield jobs
    jobs.close()


@pytest.fixture
def command(request, photos, untrained, calibrated):
    return commands(photos, untrained, calibrated)[request.param]


def run(jobs, argv, out, **options):
    return jobs({"argv": argv, "folder": str(out), **options})[0]


@pytest.mark.parametrize(
    ("command", "name"), [(name, name) for name in NAMES], indirect=["command"]
)
def test_a_killed_command_goes_on_and_nothing_is_lost(
    jobs, command, name, tmp_path, record_property
):
    kills = KILLS[name] * int(os.environ.get("LOCOUNT_KILLS", 1))
    record_property("tried", kills)
    whole = run(jobs, command.argv(tmp_path / "whole/out"), tmp_path / "whole")
    assert whole["status"] == 0, whole["output"]
    expected = command.results(tmp_path / "whole/out")
    for i in range(kills):
        folder = tmp_path / f"killed{i}"
        out = folder / "out"
        kill_at = 1 + (2 * i + 1) * whole["touches"] // (2 * kills)
        killed = run(jobs, command.argv(out), folder, kill_at=kill_at)
        assert killed["status"] == KILLED
        if command.whole and out.exists():
            assert command.results(out) == expected
            continue
        again = run(jobs, command.again(out), folder)
        assert again["status"] == 0, again["output"]
        assert command.results(out) == expected
        assert unfinished(out) == []


@pytest.mark.parametrize("command", NAMES, indirect=True)
def test_two_at_the_same_time_leave_what_one_leaves(jobs, command, tmp_path):
    out = tmp_path / "two/out"
    run(jobs, command.argv(tmp_path / "one/out"), tmp_path / "one")
    ended = jobs(*[{"argv": command.argv(out), "folder": str(tmp_path / "two")}] * 2)
    assert 0 in [job["status"] for job in ended], ended
    for job in ended:
        assert "Traceback" not in job["output"]
        if job["status"]:
            assert "in use by another run" in job["output"] or "already exists" in job["output"]
    assert command.results(out) == command.results(tmp_path / "one/out")


@pytest.fixture
def disk(tmp_path):
    """A folder on a disk of 700 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=700m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no disk can be mounted: that takes root on Linux")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("room", [0, 20_000, 1_000_000])
@pytest.mark.parametrize("command", NAMES, indirect=True)
def test_a_full_disk_is_said_and_what_was_done_is_kept(jobs, command, room, disk, tmp_path):
    run(jobs, command.argv(tmp_path / "whole"), tmp_path / "whole")
    filler = disk / "filler"
    free = os.statvfs(disk)
    with open(filler, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - room)
    out = disk / "out"
    full = run(jobs, command.argv(out), disk)
    assert "Traceback" not in full["output"], full["output"]
    if room == 0 or full["status"]:  # for some the rest is enough
        assert full["status"] in (1, 2), full["output"]
        assert "No space left" in full["output"]
    filler.unlink()
    if full["status"]:
        again = run(jobs, command.again(out), disk)
        assert again["status"] == 0, again["output"]
    assert command.results(out) == command.results(tmp_path / "whole")
