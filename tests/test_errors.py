import pickle

from locount.errors import DatasetError, Problem


def test_message_names_file_and_line_and_is_cut():
    problems = [Problem("a.txt", 3, "wrong"), Problem("b.jpg", None, "gone"), Problem("c", 1, "x")]
    error = DatasetError("Three problems:", problems, max_errors=2)
    assert str(error).splitlines() == [
        "Three problems:",
        "  a.txt:3: wrong",
        "  b.jpg: gone",
        "  ... and 1 more",
    ]
    assert len(error.problems) == 3


def test_error_survives_the_way_between_processes():
    error = DatasetError("One problem:", [Problem("a.txt", 3, "wrong")])
    copy = pickle.loads(pickle.dumps(error))
    assert (str(copy), copy.problems) == (str(error), error.problems)
