import importlib.util
from pathlib import Path

import pytest
from correction import Correction, CorrectionError, apply_corrections
from corrections import CORRECTIONS


@pytest.mark.usefixtures("pure_detectron2")
@pytest.mark.parametrize("correction", CORRECTIONS, ids=lambda c: f"{c.file}: {c.old.strip()}")
def test_installed_file_holds_the_correction(correction):
    package = Path(importlib.util.find_spec("detectron2").origin).parent
    text = (package.parent / correction.file).read_text(encoding="utf-8")
    assert correction.new in text
    # Some replacements keep the old text and add to it.
    if correction.old not in correction.new:
        assert correction.old not in text


def test_the_one_occurrence_is_replaced_and_the_file_says_so(tmp_path):
    (tmp_path / "a.py").write_text("x = np.int\ny = 1\n")
    apply_corrections(tmp_path, (Correction("a.py", "np.int", "int", "numpy dropped it"),))
    changed = "x = int\ny = 1\n# Changed from detectron2 0.6: numpy dropped it.\n"
    assert (tmp_path / "a.py").read_text() == changed


@pytest.mark.parametrize(
    ("text", "found"), [("y = 1\n", "found 0 times"), ("np.int, np.int\n", "found 2 times")]
)
def test_a_correction_that_does_not_match_once_fails_by_name(tmp_path, text, found):
    (tmp_path / "a.py").write_text(text)
    with pytest.raises(CorrectionError, match=rf"a\.py: {found}.*'np\.int'[\s\S]*numpy dropped it"):
        apply_corrections(tmp_path, (Correction("a.py", "np.int", "int", "numpy dropped it"),))


def test_every_misfit_is_listed(tmp_path):
    (tmp_path / "a.py").write_text("")
    corrections = (Correction("a.py", "old", "new", "b"), Correction("gone.py", "old", "new", "b"))
    with pytest.raises(CorrectionError, match=r"a\.py[\s\S]*gone\.py"):
        apply_corrections(tmp_path, corrections)
