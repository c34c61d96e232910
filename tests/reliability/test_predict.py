"""Runs of `locount predict` that meet odd photos, damage and each other."""

import csv
import json
import os

import cv2
import numpy as np
import pytest
from PIL import Image

from locount.errors import InputError
from locount.files import new_folder, to_csv
from locount.inference import Predictor, predictor, run
from locount.inference.inputs import expand_inputs, video_frames
from locount.inference.journal import Detection, Entry, Journal


@pytest.fixture
def shelf(tmp_path):
    """A folder with two photos."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        Image.new("RGB", (60, 40), "red").save(folder / name)
    return folder


def images(folder):
    return {i["file_name"]: i for i in json.loads((folder / "images.json").read_text())["images"]}


def test_odd_photos_do_not_stop_the_others(predict, shelf, tmp_path, capsys):
    Image.new("RGB", (1, 20_000)).save(shelf / "line.png")
    (shelf / "cut.avif").write_bytes(b"\0\0\0\x1cftypavif")
    long = shelf / f"{'ü' * 120}.jpg"
    Image.new("RGB", (60, 40)).save(long)
    escaped = str(shelf / "caf\\xe9.jpg")
    with open(os.fsencode(shelf) + b"/caf\xe9.jpg", "wb") as file:
        Image.new("RGB", (60, 40)).save(file, "JPEG")
    assert predict(shelf) == 1
    done = images(tmp_path / "out")
    assert done.keys() == {str(shelf / "a.jpg"), str(shelf / "b.jpg"), str(long), escaped}
    for image in done.values():
        assert (tmp_path / "out/pictures" / image["picture"]).stat().st_size > 0
    message = capsys.readouterr().err
    assert "line.png: has 1x20000 pixels" in message
    assert "cut.avif: can't be read" in message
    assert predict(shelf) == 1  # and the same again
    assert "0 new" in capsys.readouterr().out


def test_two_names_that_are_written_the_same_are_told_apart(predict, shelf, capsys):
    for name in (b"caf\xe9.jpg", rb"caf\xe9.jpg"):
        with open(os.fsencode(shelf) + b"/" + name, "wb") as file:
            Image.new("RGB", (60, 40)).save(file, "JPEG")
    assert predict(shelf) == 1
    assert "called the same" in capsys.readouterr().err


def test_a_photo_on_which_the_model_fails_is_named(untrained, shelf, monkeypatch):
    model = Predictor(untrained / "config.yaml", untrained / "model.pth")
    forward = model.model.forward

    def fail_on_wide(inputs):
        if inputs[0]["width"] == 90:
            raise RuntimeError("no box fits")
        return forward(inputs)

    monkeypatch.setattr(model.model, "forward", fail_on_wide)
    wide = np.zeros((40, 90, 3), np.uint8)
    failures = []
    found = list(model.stream([shelf / "a.jpg", wide], on_failure=failures.append))
    assert [f.name for f in found] == [str(shelf / "a.jpg")]
    assert [str(f) for f in failures] == [
        "image 1: the model can't take it (RuntimeError: no box fits)"
    ]
    with pytest.raises(InputError, match="no box fits") as error:
        model(wide)
    assert isinstance(error.value.__cause__, RuntimeError)


@pytest.mark.parametrize("keep_pixels", [False, True])
@pytest.mark.parametrize("room", [0, 2400, 5000])
def test_photos_without_room_are_read_in_their_turn(
    untrained, shelf, monkeypatch, room, keep_pixels
):
    monkeypatch.setattr(predictor, "MAX_PIXELS_AHEAD", room)
    (shelf / "c.jpg").write_bytes(b"no picture")
    model = Predictor(untrained / "config.yaml", untrained / "model.pth", batch_size=2)
    names = [str(shelf / f"{name}.jpg") for name in "abcab"]
    failures = []
    found = list(model.stream(names, on_failure=failures.append, keep_pixels=keep_pixels))
    assert [f.name for f in found] == [names[i] for i in (0, 1, 3, 4)]
    assert [f.name for f in failures] == [names[2]]
    assert all((f.pixels is not None) == keep_pixels for f in found)


def test_a_photo_is_taken_as_viewers_show_it_or_as_it_is_stored(predict, tmp_path, capsys):
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    tags = Image.Exif()
    tags[274] = 6  # EXIF orientation: a quarter turn
    for name, kind in (("stored.png", {}), ("tagged.png", {"exif": tags})):
        Image.fromarray(pixels).save(tmp_path / name, **kind)
    Image.fromarray(np.rot90(pixels, -1)).save(tmp_path / "shown.png")
    lines = {}
    for name, *options in (
        ["tagged.png"],
        ["shown.png"],
        ["stored.png"],
        ["tagged.png", "--as-stored"],
    ):
        out = tmp_path / ("-".join([name, *options]))
        out = out.with_name(out.name + "-out")
        assert predict(tmp_path / name, *options, output=out) == 0
        lines[name, *options] = json.loads((out / "predictions.json").read_text())
        image = images(out)[str(tmp_path / name)]
        drawn = cv2.imread(str(out / "pictures" / image["picture"]))
        assert drawn.shape[1] == image["width"]  # boxes and picture speak of the same pixels
        assert drawn.shape[0] >= image["height"]
    assert lines["tagged.png",] == lines["shown.png",] != []
    assert lines["tagged.png", "--as-stored"] == lines["stored.png",]
    assert "1 new photos were turned" in capsys.readouterr().err


def test_a_large_photo_is_drawn_smaller_with_its_boxes(predict, shelf, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "LARGE_PICTURE", 600)  # a quarter of a photo's
    assert predict(shelf / "a.jpg") == 0
    image = images(tmp_path / "out")[str(shelf / "a.jpg")]
    assert (image["width"], image["height"]) == (60, 40)
    assert cv2.imread(str(tmp_path / "out/pictures" / image["picture"])).shape[1] == 30


def test_what_a_folder_holds_beside_photos_is_said(predict, shelf, capsys):
    for name in ("list.csv", "IMG_1.HEIC", "._a.jpg", ".hidden/c.jpg", "__MACOSX/d.jpg"):
        (shelf / name).parent.mkdir(exist_ok=True)
        (shelf / name).write_bytes(b"x")
    for suffix in (".jfif", ".tif", ".gif"):
        Image.new("RGB", (60, 40)).save(shelf / f"e{suffix}", {".jfif": "JPEG"}.get(suffix))
    assert predict(shelf) == 1
    captured = capsys.readouterr()
    assert "photos: 5 new" in captured.out
    assert "IMG_1.HEIC: is in a format" in captured.err
    assert "1 other files were passed over: 1 .csv" in captured.err


def test_a_run_into_its_own_inputs_does_not_count_its_pictures(predict, shelf, capsys):
    for _ in range(2):
        assert predict(shelf, output=shelf / "out") == 0
    assert predict(shelf / "**/*.jpg", output=shelf / "out") == 0
    assert len(images(shelf / "out")) == 2
    drawn = next((shelf / "out/pictures").iterdir())
    assert predict(drawn, output=shelf / "out") == 2
    assert "drew" in capsys.readouterr().err


def test_two_runs_into_one_folder_are_refused(tmp_path):
    path = tmp_path / "out/predictions.jsonl"
    journal = Journal(path, {})
    with pytest.raises(InputError, match="in use by another run"):
        Journal(path, {})
    journal.close()
    Journal(path, {}).close()


def test_lost_and_empty_pictures_are_drawn_again(predict, shelf, tmp_path, capsys):
    predict(shelf)
    first, second = sorted((tmp_path / "out/pictures").iterdir())
    first.unlink()
    second.write_bytes(b"")
    capsys.readouterr()
    assert predict(shelf) == 0
    assert "2 new" in capsys.readouterr().out
    for image in images(tmp_path / "out").values():
        assert (tmp_path / "out/pictures" / image["picture"]).stat().st_size > 0


def test_another_every_needs_another_folder(predict, shelf, capsys):
    assert predict(shelf) == 0
    assert predict(shelf, "--every", "2") == 2
    assert "every: 1 before, 2 now" in capsys.readouterr().err


def test_half_a_video_is_used_and_said(tmp_path):
    path = str(tmp_path / "shelf.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 5, (64, 48))
    rng = np.random.default_rng(0)
    for _ in range(20):
        writer.write(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8))
    writer.release()
    data = (tmp_path / "shelf.avi").read_bytes()
    assert len(list(video_frames(path))) == 20
    (tmp_path / "shelf.avi").write_bytes(data[: len(data) // 2])
    frames = video_frames(path)
    assert next(frames).pixels.shape == (48, 64, 3)
    with pytest.raises(InputError, match="of 20 frames"):
        list(frames)


def entry(number):
    box = Detection(3, "cup", (1.0, 2.0, 3.0, 4.0), 0.5, 7, None)
    return Entry(number, f"{number}.jpg", 60, 80, (10, 20), None, [box])


def test_every_flipped_bit_of_a_journal_costs_its_line_and_no_other(tmp_path):
    path = tmp_path / "predictions.jsonl"
    journal = Journal(path, {})
    for number in (1, 2, 3):
        journal.add(entry(number))
    journal.close()
    whole = path.read_bytes()
    ends = [i for i, byte in enumerate(whole) if byte == ord("\n")]
    for place in range(ends[1] + 1, ends[2] + 1):  # the line of the second entry
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        journal = Journal(path, {})
        names = [item.file_name for item in journal]
        journal.close()
        # Without its line end it takes the next line with it.
        expected = ["1.jpg"] if place == ends[2] else ["1.jpg", "3.jpg"]
        assert names == expected
        assert journal.num_damaged >= 1


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    out = tmp_path / "out"
    left = tmp_path / ".out.unfinished-abcd1234"
    others = tmp_path / ".out.mine"
    left.mkdir()
    others.mkdir()
    first = new_folder(out)
    at_work = first.__enter__()
    assert not left.exists()
    with new_folder(out) as second:  # of another process
        assert at_work.exists()
        (second / "file").touch()
    with pytest.raises(InputError, match="already exists"):
        first.__exit__(None, None, None)
    assert [path.name for path in out.iterdir()] == ["file"]
    assert not at_work.exists()
    assert others.exists()


def test_file_names_do_not_command_the_terminal(predict, shelf, capsys):
    (shelf / "\x1b[2Jno\npicture.jpg").write_bytes(b"x")
    assert predict(shelf) == 1
    message = capsys.readouterr().err
    assert "\x1b" not in message
    assert r"\x1b[2Jno" in message


@pytest.mark.parametrize("text", ["=1+1", "+cmd|'/C calc'!A0", "-2+3", "@SUM(A1)", "\t=1"])
def test_a_table_holds_no_formula(text):
    rows = list(csv.reader(to_csv([{"a": text, "b": "1-2"}], ("a", "b")).decode().splitlines()))
    assert rows[1] == [f"'{text}", "1-2"]


def test_numbers_stay_as_they_are_in_a_table():
    assert to_csv([{"a": -1.5, "b": "-3"}], ("a", "b")) == b"a,b\r\n-1.5,-3\r\n"


def test_a_folder_of_nothing_but_other_files_says_what_is_there(tmp_path):
    (tmp_path / "a.heic").touch()
    with pytest.raises(InputError, match=r"contains no photo .* but 1 \.heic"):
        expand_inputs([str(tmp_path)])
