"""What the project itself wrote and what became of it: read right, or an error that names it.

More than the default: LOCOUNT_BITS=150.
"""

import json
import os
import random
import shutil
from pathlib import Path

import pytest
import torch

from locount.config import load_config
from locount.errors import InputError
from locount.inference.journal import Detection, Entry, Journal
from locount.model_file import read_checkpoint, stored_config
from locount.report import build_report
from locount.shelf.write import Series, make_shelf

from .mutator import EXAMPLES, mutate, survive

CONFIGS = Path(__file__).parents[2] / "configs"
BITS = int(os.environ.get("LOCOUNT_BITS", 20))


def tried(function, *arguments):
    """What a function returns, and the message of its error, "" without one."""
    try:
        return function(*arguments), ""
    except InputError as error:
        return None, str(error)


def test_a_config_is_loaded_or_named(tmp_path, record_property):
    record_property("tried", EXAMPLES)
    leaf = "Shelf/clcnet_s2_cls10_shelf.yaml"
    shutil.copytree(CONFIGS, tmp_path / "configs")
    path = tmp_path / "configs" / leaf
    texts = [path.read_bytes(), load_config(str(path)).dump().encode()]

    def load(choice):
        path.write_bytes(mutate(choice, choice.choice(texts)))
        cfg, message = tried(load_config, str(path))
        assert cfg or message

    survive(load)


def test_a_report_of_a_damaged_run_is_a_page_or_an_error(run_dir, record_property):
    record_property("tried", EXAMPLES)
    files = [path for path in run_dir.rglob("*") if path.is_file() and path.suffix != ".jpg"]
    before = {path: path.read_bytes() for path in files}
    build_report(run_dir)  # what is compiled is compiled before it is timed

    def report(choice):
        path = choice.choice(files)
        path.write_bytes(mutate(choice, before[path]))
        page, message = tried(build_report, run_dir)
        path.write_bytes(before[path])
        assert "<html" in page.html if page else str(run_dir) in message

    survive(report)


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "run"
    results = folder / "inference/locount__shelves_test"
    results.mkdir(parents=True)
    truth = {
        "images": [{"id": 1, "file_name": "none.jpg", "width": 100, "height": 80}],
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40], "count": 3}
        ],
    }
    found = [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.5, "count": 3}]
    (results / "locount_ground_truth.json").write_text(json.dumps(truth))
    (results / "locount_instances_results.json").write_text(json.dumps(found))
    options = ["DATASETS.TEST", ("locount:/shelves:test",)]
    cfg = load_config(str(CONFIGS / "Shelf/clcnet_s2_cls10_shelf.yaml"), options)
    (folder / "config.yaml").write_text(cfg.dump())
    (folder / "metrics.json").write_text('{"iteration": 19, "total_loss": 2.0, "lr": NaN}\n')
    (folder / "last_checkpoint").write_text("model_final.pth")
    return folder


def test_a_damaged_journal_loses_no_other_line(tmp_path, record_property):
    record_property("tried", EXAMPLES)
    path = tmp_path / "predictions.jsonl"
    journal = Journal(path, {"score": "0.5"})
    box = Detection(3, "cup", (1.0, 2.0, 3.0, 4.0), 0.5, 7, None)
    entries = {f"{i}.jpg": Entry(i, f"{i}.jpg", 60, 80, (1, 2), None, [box]) for i in range(1, 4)}
    for entry in entries.values():
        journal.add(entry)
    journal.close()
    whole = path.read_bytes()

    def read(choice):
        path.write_bytes(mutate(choice, whole))
        journal, message = tried(Journal, path, {"score": "0.5"})
        if journal is None:
            assert str(tmp_path) in message
            return
        assert all(entries[entry.file_name] == entry for entry in journal)
        journal.close()

    survive(read)


def test_a_damaged_manifest_of_shelves_is_named(tmp_path, record_property):
    record_property("tried", EXAMPLES)
    out = tmp_path / "out"
    make_shelf(out, "train", Series(1, 5))
    before = (out / "shelf.json").read_bytes()

    def make(choice):
        (out / "shelf.json").write_bytes(mutate(choice, before))
        there, message = tried(make_shelf, out, "train", Series(1, 5))
        assert there is False or str(out) in message

    survive(make)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.pth"
    cfg = load_config(str(CONFIGS / "Shelf/clcnet_s2_cls10_shelf.yaml"))
    weights = {f"layer{i}.weight": torch.randn(16, 16) for i in range(4)}
    torch.save({"model": weights, "config": cfg.dump(), "iteration": 7}, path)
    return path


def test_every_flipped_bit_in_weights_is_noticed(model_file, tmp_path, record_property):
    record_property("tried", BITS)
    whole = bytearray(model_file.read_bytes())
    path = tmp_path / "model.pth"
    choice = random.Random(BITS)
    content = torch.load(model_file, weights_only=True)
    for _ in range(BITS):
        bit = choice.randrange(8 * len(whole))
        whole[bit // 8] ^= 1 << bit % 8
        path.write_bytes(whole)
        read, message = tried(read_checkpoint, path)
        if read is None:
            assert str(path) in message
        else:  # a bit of a time stamp or of padding says nothing
            assert read["config"] == content["config"]
            assert all(torch.equal(read["model"][k], v) for k, v in content["model"].items())
        whole[bit // 8] ^= 1 << bit % 8


def test_a_damaged_model_file_is_read_right_or_named(model_file, tmp_path, record_property):
    record_property("tried", EXAMPLES)
    whole, path = model_file.read_bytes(), tmp_path / "model.pth"

    def read(choice):
        path.write_bytes(mutate(choice, whole))
        for function in (stored_config, read_checkpoint):
            found, message = tried(function, str(path))
            assert found or str(path) in message

    survive(read)
