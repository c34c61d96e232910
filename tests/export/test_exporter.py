import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from locount.cli import main
from locount.errors import InputError
from locount.export.exporter import Difference, compare, difference, export
from locount.export.formats import check_exportable, open_exported
from locount.inference import Predictor

DOCS = Path(__file__).parents[2] / "docs"


def photo(height, width):
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return cv2.GaussianBlur(noise, (9, 9), 0)


def assert_same_at_any_size(predictor, path, format):
    # Traced on nothing; other sizes have other numbers of anchors and of padded pixels.
    export(predictor, path, format, np.zeros((64, 80, 3), np.uint8))
    run = open_exported(path, format)
    for size in ((64, 96), (300, 200)):
        result = compare(predictor, run, photo(*size))
        assert result.detections > 0
        assert result.negligible, result


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("onnx", ["MODEL.COUNT_HEAD.DECODE", "expected_ac", "MODEL.COUNT_HEAD.RANKING", "joint"]),
        ("onnx", ["MODEL.COUNT_HEAD.STRATEGY", "regression"]),
        ("onnx", ["MODEL.COUNT_HEAD.STRATEGY", "none"]),
        ("onnx", ["MODEL.COUNT_HEAD.LOSS", "cumulative_link"]),
        ("torchscript", []),
    ],
)
def test_the_file_gives_the_detections_of_the_model(saved, format, options, tmp_path):
    assert_same_at_any_size(Predictor(*saved(options)), tmp_path / "exported", format)


def test_the_example_of_the_docs_needs_no_torch(saved, tmp_path, capsys):
    config, weights = saved()
    cv2.imwrite(str(tmp_path / "photo.png"), photo(120, 90))
    arguments = ["export", "--format", "onnx", "--config-file", config, "--weights", weights]
    arguments += ["--image", tmp_path / "photo.png", "--output", tmp_path / "model.onnx"]
    assert main(list(map(str, arguments))) == 0
    assert "other counts" in capsys.readouterr().out

    (example,) = re.findall("```python\n(.*?)```", (DOCS / "export.md").read_text(), re.DOTALL)
    example += "assert not {'torch', 'detectron2', 'locount'} & sys.modules.keys()\n"
    command = [sys.executable, "-c", example, tmp_path / "model.onnx", tmp_path / "photo.png"]
    printed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    found = re.findall(r"^(.*) ×(\d+), ([\d.]+), \[(.*)\]$", printed, re.MULTILINE)

    expected = Predictor(config, weights)(tmp_path / "photo.png").everything
    exported = [
        np.array([list(map(float, box.split(", "))) for *_, box in found]),
        np.array([float(score) for *_, score, _ in found]),
        np.array([expected.classes.names.index(name) for name, *_ in found]),
        np.array([int(count) for _, count, *_ in found]),
    ]
    outputs = [expected.boxes, expected.scores, expected.class_ids, expected.counts]
    result = difference(outputs, exported)
    assert result.detections == result.exported > 0
    assert result.counts == 0
    assert result.box < 2e-2  # printed with two digits
    assert result.score < 2e-4  # and four


def test_what_cannot_be_exported_is_named(tiny_cfg):
    tiny_cfg.MODEL.MASK_ON = True
    tiny_cfg.MODEL.META_ARCHITECTURE = "RetinaNet"
    with pytest.raises(InputError, match=r"(?s)RetinaNet.*MASK_ON"):
        check_exportable(tiny_cfg)


def test_usage_errors_say_what_to_do(saved, tmp_path, capsys):
    config, weights = map(str, saved())
    (tmp_path / "file").touch()
    command = ["export", "--format", "torchscript", "--config-file", config, "--weights", weights]
    assert main([*command, "--output", str(tmp_path / "file" / "m.pt")]) == 2
    assert "--output" in capsys.readouterr().err
    assert main([*command, "--image", "none.jpg", "--output", str(tmp_path / "m.pt")]) == 2
    assert "none.jpg" in capsys.readouterr().err


BOXES = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], np.float32)
OUTPUTS = [
    BOXES,
    np.array([0.9, 0.8], np.float32),
    np.array([0, 1]),
    np.array([3, 4]),
    np.array([0.5, 0.6], np.float32),
]


def test_order_is_no_difference():
    swapped = [output[::-1] for output in OUTPUTS]
    assert difference(OUTPUTS, swapped) == Difference(2, 2)
    assert difference(OUTPUTS, swapped).negligible


@pytest.mark.parametrize(
    ("i", "values"),
    [
        (0, BOXES + 0.02),
        (0, BOXES[[0, 0]]),
        (1, [0.9, 0.8002]),
        (2, [0, 0]),
        (3, [3, 5]),
        (4, [0.5, 0.7]),
    ],
)
def test_every_output_counts(i, values):
    changed = [np.asarray(values) if j == i else output for j, output in enumerate(OUTPUTS)]
    assert not difference(OUTPUTS, changed).negligible


def test_numbers_of_boxes_count():
    fewer = [output[:1] for output in OUTPUTS]
    none = [output[:0] for output in OUTPUTS]
    assert not difference(OUTPUTS, fewer).negligible
    assert not difference(OUTPUTS, none).negligible
    assert difference(none, none) == Difference(0, 0)
