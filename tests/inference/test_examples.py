"""The examples in the docstrings, run as they are written, in a folder with a photo."""

import doctest
import importlib
import shutil

import pytest

from locount.checkpoint import slim_checkpoint
from locount.model_file import DEFAULT, SHIPPED


@pytest.fixture
def folder(untrained, photos, tmp_path, monkeypatch):
    """Where photo.jpg is, and a small model in the place of the one that comes with locount."""
    monkeypatch.setattr("locount.model_file.FOLDER", tmp_path)
    monkeypatch.setitem(SHIPPED, DEFAULT, "slim.pth")
    slim_checkpoint(
        untrained / "model.pth", tmp_path / "slim.pth", config_file=untrained / "config.yaml"
    )
    shutil.copy(photos / "Locount_ImagesTest/0.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "name", ["inference.predictor", "inference.prediction", "model_zoo", "config_files"]
)
def test_examples_do_what_they_say(name, folder):
    if name == "inference.prediction":
        pytest.importorskip("supervision")
    module = importlib.import_module(f"locount.{name}")
    found = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0
    assert found.failed == 0
