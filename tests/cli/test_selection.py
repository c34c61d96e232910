import json

import pytest

from locount.cli import main


@pytest.fixture
def select(untrained):
    """`locount select` with the untrained model."""

    def select(*arguments):
        model = ["--config-file", untrained / "config.yaml", "--weights", untrained / "model.pth"]
        return main(["select", *map(str, [*arguments, *model])])

    return select


@pytest.fixture
def shelf(photos):
    return photos / "Locount_ImagesTest"


def test_it_prints_paths_for_the_next_command(select, shelf, capfdbinary):
    assert select(shelf, "--number", 2) == 0
    named = capfdbinary.readouterr().out.decode().splitlines()
    assert len(set(named)) == 2
    assert set(named) <= {str(path) for path in shelf.iterdir()}


def test_json_gives_the_reasons(select, shelf, capsys):
    known = shelf / "0.jpg"
    assert select(shelf, "--number", 2, "--known", known, "--json") == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert {first["file_name"], second["file_name"]} == {str(shelf / f"{i}.jpg") for i in (1, 2)}
    assert first["nearest"] == str(known)
    assert first.keys() >= {"wrong_boxes", "missed_boxes", "wrong_counts", "distance"}


def test_too_few_photos_are_an_error(select, shelf, capsys):
    assert select(shelf, "--number", 3, "--known", shelf / "0.jpg") == 2
    assert "--number is 3, but there are 2 photos" in capsys.readouterr().err


def test_a_video_is_named(select, shelf, tmp_path, capsys):
    (tmp_path / "shelf.mp4").touch()
    assert select(shelf, tmp_path / "shelf.mp4", "--number", 1) == 1
    assert "shelf.mp4: is a video" in capsys.readouterr().err


def test_a_photo_that_can_not_be_read_is_named(select, shelf, tmp_path, capsys):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no photo")
    assert select(shelf, broken, "--number", 4, "--known", broken, shelf / "0.jpg") == 2
    capsys.readouterr()
    assert select(shelf / "1.jpg", broken, "--number", 2, "--json") == 1
    captured = capsys.readouterr()
    assert [json.loads(line)["file_name"] for line in captured.out.splitlines()] == [
        str(shelf / "1.jpg")
    ]
    assert f"not used, or only in part: 1\n  {broken}: " in captured.err
