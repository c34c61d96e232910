import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locount.data.formats.locount.categories import is_category_name
from locount.data.formats.locount.txt import explain_line, parse_files, parse_line

INTEGERS = st.integers(-999_999_999, 999_999_999)
NAMES = st.text(min_size=1, max_size=12).map(str.strip).filter(is_category_name)
ROWS = st.tuples(INTEGERS, INTEGERS, INTEGERS, INTEGERS, NAMES, INTEGERS)


def rows_of(table):
    """The lines of a table as they were written, file by file."""
    numbers = zip(table.box.tolist(), table.category.tolist(), table.count.tolist(), strict=True)
    return [(*box, str(table.names[name]), count) for box, name, count in numbers]


def parse_texts(*texts):
    """What :func:`parse_files` says of files with these contents, given as bytes."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for i, text in enumerate(texts):
            paths.append(str(Path(folder, f"{i}.txt")))
            Path(paths[-1]).write_bytes(text)
        entries = parse_files(paths)
        return entries.table(), [(paths.index(p.path), p.line, p.text) for p in entries.problems]


@given(
    st.lists(ROWS),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", "\ufeff"]),
    st.sampled_from(["", " ", "\t"]),
)
def test_what_is_written_is_read(rows, line_end, bom, blank):
    lines = [",".join(f"{blank}{value}{blank}" for value in row) for row in rows]
    text = bom + line_end.join([*lines, ""])
    table, problems = parse_texts(text.encode())
    assert not problems
    assert rows_of(table) == rows
    assert table.line.tolist() == list(range(1, len(rows) + 1))


@given(st.text(st.characters(exclude_characters="\r\n")) | st.from_regex(r"[-0-9a, ]*"))
def test_every_line_is_either_read_or_explained(line):
    assert (parse_line(line) is None) == bool(explain_line(line))


@given(st.lists(st.lists(st.sampled_from(["1,2,3,4,a,1", "1,2,3,4,b,1", "?"]))))
def test_every_line_of_every_file_is_in_the_table_or_a_problem(files):
    table, problems = parse_texts(*("\n".join(lines).encode() for lines in files))
    places = [*zip(table.image.tolist(), table.line.tolist(), strict=True)]
    places += [(file, line) for file, line, _ in problems]
    written = [(i, n) for i, lines in enumerate(files) for n in range(1, len(lines) + 1)]
    assert sorted(places) == written


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1,2,3,4,Soap", ["5 columns instead of 6"]),
        ("1,2,3,4,Soap,1,1", ["7 columns instead of 6"]),
        ("Soap", ["1 column instead of 6"]),
        ("1,2,3.5,4,Soap,1", ["x2 is '3.5'"]),
        ("1,2,nan,4,Soap,1_0", ["x2 is 'nan'", "count is '1_0'"]),
        ("1,2,3,9999999999,Soap,1", ["y2 is '9999999999'", "9 digits"]),
        ("1,2,3,4, ,1", ["category is", "visible characters"]),
        ("1,2,3,4,So\u200bap,1", ["category is", "visible characters"]),
        ("٣,2,3,4,Soap,1", ["x1 is '٣'"]),
    ],
)
def test_a_refused_line_is_explained(line, words):
    assert parse_line(line) is None
    assert all(word in explain_line(line) for word in words)


def test_empty_files_and_empty_lines_say_nothing():
    table, problems = parse_texts(b"", b"\n  \n", b"1,2,3,4,Soap,1\n\n\n5,6,7,8,Soap,2\n\n")
    assert not problems
    assert table.image.tolist() == [2, 2]
    assert table.line.tolist() == [1, 4]
    assert parse_texts()[0].box.shape == (0, 4)


def test_a_file_that_is_no_text_is_a_problem():
    table, problems = parse_texts("1,2,3,4,Säft,1".encode("cp1252"), b"1,2,3,4,Soap,1")
    assert len(table.line) == 1
    assert [(file, line) for file, line, _ in problems] == [(0, None)]


def test_repetitions_are_marked_within_a_file_only():
    line, same, other = b"1,2,3,4,Soap,1\n", b" 1,2,3,4,Soap ,1\n", b"1,2,3,4,Soap,2\n"
    table, _ = parse_texts(line + other + same, line)
    assert table.repeated.tolist() == [False, False, True, False]
