"""The snippets of docs/interoperability.md, as they stand there."""

import re
import shutil
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest

from locount.checkpoint import slim_checkpoint
from locount.cli import main
from locount.inference import Predictor

SNIPPETS = re.findall(
    r"^## (\w+)$.*?```python\n(.*?)```",
    (Path(__file__).parents[1] / "docs/interoperability.md").read_text(),
    re.DOTALL | re.MULTILINE,
)


def run_snippet(tool):
    names = {}
    exec(compile(dict(SNIPPETS)[tool], f"the snippet about {tool}", "exec"), names)
    return names


@pytest.fixture
def folder(untrained, photos, tmp_path, monkeypatch):
    """Where the files that the snippets name are."""
    weights, config = untrained / "model.pth", untrained / "config.yaml"
    slim_checkpoint(weights, tmp_path / "output/shop/model_final.pth", config_file=config)
    shutil.copy(photos / "Locount_ImagesTest/0.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_supervision_carries_the_counts(folder):
    pytest.importorskip("supervision")
    names = run_snippet("supervision")
    expected = names["prediction"].above(0.5)
    assert len(names["detections"]) == len(expected) > 0
    np.testing.assert_array_equal(names["detections"]["count"], expected.counts)
    picture = cv2.imread(str(folder / "annotated.png"))
    assert not np.array_equal(picture, names["prediction"].pixels)


class StandIn(dict):
    """What FiftyOne's Detection, Detections, Sample and Dataset have in common: it holds."""

    def __init__(self, name=None, **values):
        super().__init__(values)

    def add_samples(self, samples):
        self["samples"] = samples


def test_fiftyone_gets_the_counts_and_relative_boxes(folder, monkeypatch):
    # Its installation downloads MongoDB, which test machines can't: this is about what it is given.
    names = ("Detection", "Detections", "Sample", "Dataset")
    fiftyone = types.SimpleNamespace(**dict.fromkeys(names, StandIn))
    monkeypatch.setitem(sys.modules, "fiftyone", fiftyone)
    weights = "output/shop/model_final.pth"
    command = ["predict", "photo.jpg", "--weights", weights]
    assert main([*command, "--no-pictures", "--output", "stock"]) == 0
    (sample,) = run_snippet("FiftyOne")["dataset"]["samples"]

    assert sample["filepath"] == "photo.jpg"
    detections = sample["predictions"]["detections"]
    expected = Predictor(weights)("photo.jpg")
    assert [d["count"] for d in detections] == expected.counts.tolist()
    assert [d["label"] for d in detections] == expected.names
    corners = np.array([d["bounding_box"] for d in detections]) * 64  # the side of the photo
    corners[:, 2:] += corners[:, :2]
    np.testing.assert_allclose(corners, expected.boxes, atol=1e-3)
