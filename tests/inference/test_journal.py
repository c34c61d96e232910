import pytest

from locount.errors import InputError
from locount.inference.journal import Detection, Entry, Journal

SETTINGS = {"weights": "a", "score": "0.5"}
STAMP = (10, 20)


def entry(image_id, name, counts=()):
    boxes = [Detection(3, "cup", (1.0, 2.0, 3.0, 4.0), 0.5, count, None) for count in counts]
    return Entry(image_id, name, 60, 80, STAMP, None, boxes)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "predictions.jsonl"


def written(path, entries):
    journal = Journal(path, SETTINGS)
    for item in entries:
        journal.add(item)
    journal.close()
    return path


def test_a_run_goes_on(path):
    entries = [entry(1, "a.jpg", [2, 7]), entry(2, "b.jpg")]
    journal = Journal(written(path, entries), SETTINGS)
    assert list(journal) == entries
    assert journal.next_id == 3
    assert journal.holds("b.jpg", STAMP)
    assert not journal.holds("c.jpg", STAMP)
    journal.add(entry(3, "c.jpg"))
    assert [item.file_name for item in journal] == ["a.jpg", "b.jpg", "c.jpg"]
    journal.close()


def test_a_photo_that_changed_is_new(path):
    journal = Journal(written(path, [entry(1, "a.jpg", [2])]), SETTINGS)
    assert not journal.holds("a.jpg", (10, 21))
    journal.add(entry(2, "a.jpg", [5]))
    assert list(journal) == [entry(2, "a.jpg", [5])]
    journal.close()


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_line_that_was_cut_off_is_written_anew(path, cut):
    written(path, [entry(1, "a.jpg"), entry(2, "b.jpg", [1])])
    path.write_bytes(path.read_bytes()[:-cut])
    journal = Journal(path, SETTINGS)
    assert list(journal) == [entry(1, "a.jpg")]
    journal.add(entry(2, "b.jpg"))
    assert list(journal) == [entry(1, "a.jpg"), entry(2, "b.jpg")]
    journal.close()


def test_a_run_cut_off_at_its_start_begins_anew(path):
    written(path, [])
    path.write_bytes(path.read_bytes()[:5])
    journal = Journal(path, SETTINGS)
    assert list(journal) == []
    journal.close()
    assert written(path, []).read_text() == '{"weights":"a","score":"0.5"}\n'


def test_other_settings_are_an_error_that_names_them(path):
    written(path, [])
    with pytest.raises(InputError, match=r"score: 0\.5 before, 0\.3 now"):
        Journal(path, {**SETTINGS, "score": "0.3"})


def test_other_files_are_left_alone(path):
    path.parent.mkdir()
    path.write_text("notes\nof mine\n")
    with pytest.raises(InputError, match="is not the journal"):
        Journal(path, SETTINGS)
    assert path.read_text() == "notes\nof mine\n"
