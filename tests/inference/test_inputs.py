import errno
import os

import cv2
import numpy as np
import pytest
from PIL import Image

from locount.errors import InputError
from locount.inference.inputs import expand_inputs, unreadable, video_frames


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("b.JPG", "a.png", "sub/c.webp", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def video(tmp_path):
    """Seven frames, each of a grey of its own."""
    path = str(tmp_path / "shelf.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 5, (32, 16))
    for i in range(7):
        writer.write(np.full((16, 32, 3), 30 * i, np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize(
    ("inputs", "paths"),
    [
        (["a.png", "notes.txt"], ["a.png", "notes.txt"]),
        (["."], ["a.png", "b.JPG", "sub/c.webp"]),
        (["*.JPG"], ["b.JPG"]),
        (["**/*.webp"], ["sub/c.webp"]),
        (["b.JPG", "."], ["b.JPG", "a.png", "sub/c.webp"]),
        (["sub", "./sub/c.webp", "sub/../a.png", "a.png"], ["sub/c.webp", "sub/../a.png"]),
        ([], []),
    ],
)
def test_files_folders_and_patterns(folder, inputs, paths):
    assert expand_inputs(inputs).paths == paths


def test_inputs_without_a_photo_are_all_named(folder):
    (folder / "empty").mkdir()
    with pytest.raises(InputError) as error:
        expand_inputs(["none.jpg", "a.png", "*.gif", "empty"])
    for line in ("none.jpg: no such", "*.gif: matches no file", "empty: contains no photo"):
        assert line in str(error.value)


def test_a_jpeg_that_is_called_heic_is_a_photo(folder):
    Image.new("RGB", (8, 8)).save(folder / "sub" / "d.heic", "JPEG")
    (folder / "sub" / "e.heic").write_bytes(b"\0\0\0\x18ftypheic")
    inputs = expand_inputs(["sub"])
    assert inputs.paths == ["sub/c.webp", "sub/d.heic"]
    assert [failure.name for failure in unreadable(inputs.passed_over)] == ["sub/e.heic"]


def test_linked_folders_are_searched_once(folder):
    (folder / "shelf").mkdir()
    for name, target in (("link", folder / "sub"), ("again", folder / "sub"), ("loop", folder)):
        (folder / "shelf" / name).symlink_to(target)
    paths = expand_inputs(["shelf"]).paths
    assert sorted(path for path in paths if path.endswith(".webp")) == ["shelf/again/c.webp"]
    assert len(paths) == 3
    assert expand_inputs(["."]).paths == ["a.png", "b.JPG", "sub/c.webp"]


def test_a_folder_that_cannot_be_read_is_an_error(folder, monkeypatch):
    walk = os.scandir

    def scandir(path):
        if str(path).endswith("sub"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return walk(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match="sub: Permission denied"):
        expand_inputs(["."])


def test_each_nth_frame_of_a_video_in_order(video):
    frames = list(video_frames(video, every=3))
    assert [frame.name for frame in frames] == [f"{video}#{i:06d}" for i in (0, 3, 6)]
    greys = [frame.pixels.mean() for frame in frames]
    np.testing.assert_allclose(greys, [0, 90, 180], atol=3)


def test_frames_to_skip_are_skipped(video):
    names = [f.name for f in video_frames(video, every=3, skip=lambda name: name.endswith("3"))]
    assert names == [f"{video}#000000", f"{video}#000006"]


def test_what_is_no_video_is_an_error(tmp_path):
    path = tmp_path / "no.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(InputError, match="no frame that can be read"):
        list(video_frames(str(path)))
