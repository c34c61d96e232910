import contextlib
import io
import os

import numpy as np
import pytest

from locount.texts import (
    TextError,
    listed_lines,
    read_arrays,
    read_csv,
    read_json,
    read_lines,
    read_yaml,
)

# As Notepad, PowerShell 5 and everything else write texts.
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16"]


@pytest.fixture
def write(tmp_path):
    def write(data):
        path = tmp_path / "file"
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_text_is_the_same_in_every_encoding_and_with_every_line_end(write, encoding):
    assert read_lines(write("Käse\r\n\rb\nc\u2028d".encode(encoding))) == [
        "Käse",
        "",
        "b",
        "c\u2028d",
    ]
    assert read_json(write('{"a": "Käse"}'.encode(encoding))) == {"a": "Käse"}
    assert read_yaml(write("a: [Käse, 3]\n".encode(encoding))) == {"a": ["Käse", 3]}
    rows = read_csv(write('a,"Käse\r\n"\r\n\r\nb,\r\n'.encode(encoding)))
    assert list(rows) == [(1, ["a", "Käse\r\n"]), (4, ["b", ""])]
    lines = listed_lines(io.BytesIO("Käse.jpg\r\n\r\nb\n".encode(encoding)), "list")
    assert list(lines) == ["Käse.jpg", "b"]


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ("a\nKäse".encode("cp1252"), "line 2 is not UTF-8"),
        ("Käse".encode("utf-16-le"), "write it as UTF-8"),
        ("a".encode("utf-16-le"), "NUL characters"),
        ("a".encode("utf-32"), "UTF-32"),
        (b"\xff\xfea", "UTF-16 and is damaged"),
    ],
)
def test_other_encodings_are_one_error_with_the_cure(write, data, word):
    for read in (read_lines, read_json, read_yaml, lambda path: list(read_csv(path))):
        with pytest.raises(TextError, match=word) as caught:
            read(write(data))
        assert "write it as UTF-8 text" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"[" * 100_000, "nested too deeply"),
        (b'["\\ud800"]', "half a character"),
        (b"[1", "if it was cut off"),
        (b'[{"id": 1}, {"id": 2, "count": 3, "count": 4}]', "the key 'count' is there twice"),
    ],
)
def test_json_that_cannot_be_used_is_an_error(write, data, word):
    with pytest.raises(TextError, match=word):
        read_json(write(data))


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_than_the_comma_is_named(write, separator):
    with pytest.raises(TextError, match="between its columns: write it with commas"):
        list(read_csv(write(separator.join(["from", "to"]).encode())))


def test_json_may_hold_whole_characters_outside_the_first_plane(write):
    assert read_json(write(b'["\\ud83d\\ude00"]')) == ["\U0001f600"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (
            "\n".join(f"- &a{i} [{f'*a{i - 1}, ' * 9}]" for i in range(1, 20)).replace("*a0", "x"),
            "repeat too",
        ),
        ("a: &x [*x]", "repeat too"),
        ("[" * 60 + "]" * 60, "nested too deeply"),
        ("!!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("a: 1\nb: 2\na: 3", "'a' is there twice.* line 3"),
        ('a: ["\\ud800"]', "half a character"),
        ('"\\ud800": 1', "half a character"),
        ("a: [", "expected"),
        ("a: 2001-99-99", "month"),
    ],
)
def test_yaml_is_plain_data(write, text, word):
    with pytest.raises(TextError, match=word):
        read_yaml(write(text.encode()))


def test_aliases_that_stand_for_little_are_read(write):
    # As yacs dumps a list that two keys share.
    assert read_yaml(write(b"a: &x [1, 2]\nb: *x")) == {"a": [1, 2], "b": [1, 2]}


def test_only_regular_files_are_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "none", "a\0b"):
        with pytest.raises(TextError, match="can't be read"):
            read_lines(tmp_path / name)


def test_a_list_of_paths_keeps_names_that_are_not_utf8_and_refuses_nul():
    assert list(listed_lines(io.BytesIO(b"\xe4.jpg\n"), "list")) == [os.fsdecode(b"\xe4.jpg")]
    with pytest.raises(TextError, match=r"the list .*NUL"):
        list(listed_lines(io.BytesIO(b"a.jpg\0b.jpg\0"), "the list"))


def test_a_list_of_paths_is_read_as_it_comes():
    class Endless(io.RawIOBase):
        def readline(self, size=-1):
            return b"a.jpg\n"

        def __next__(self):
            return b"b.jpg\n"

    lines = listed_lines(Endless(), "list")
    assert [next(lines) for _ in range(3)] == ["a.jpg", "b.jpg", "b.jpg"]


def test_arrays_are_read_by_name_and_damage_is_named(write, tmp_path):
    stream = io.BytesIO()
    np.savez_compressed(stream, a=np.arange(100), b=np.array([None], dtype=object))
    data = stream.getvalue()
    assert list(read_arrays(write(data), ["a", "c"])) == ["a"]
    with pytest.raises(TextError, match="can't be read as npz"):
        read_arrays(tmp_path / "file", ["b"])
    for place in range(0, len(data), 7):
        damaged = bytearray(data)
        damaged[place] ^= 0xFF
        with contextlib.suppress(TextError):
            read_arrays(write(bytes(damaged)), ["a"])
