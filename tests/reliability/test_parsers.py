"""Whatever is in a file, the answer is right or an error that is meant for the user."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from detectron2.structures import BoxMode
from PIL import Image

from locount.data import register_datasets
from locount.data.catalog import source_of
from locount.data.formats import FORMATS, Dataset, Reading, Split, convert
from locount.data.formats.convert import read as read_sources
from locount.data.formats.dataset import corners
from locount.data.inspection import inspect_datasets
from locount.errors import InputError
from locount.evaluation.reading import read_detections, read_ground_truth

from .mutator import EXAMPLES, mutate, survive

WIDTH, HEIGHT = 100, 80

BOX = {"bbox_mode": BoxMode.XYXY_ABS}
RECORDS = [
    {
        "width": WIDTH,
        "height": HEIGHT,
        "annotations": [
            {**BOX, "bbox": [1, 2, 30, 40], "category_id": 0, "count": 3},
            {**BOX, "bbox": [5, 6, 70, 78], "category_id": 1, "count": 12},
        ],
    },
    {"width": WIDTH, "height": HEIGHT, "annotations": []},
]
SHELF = Dataset(("bowl", "cup"), {"train": Split(RECORDS, ["a.jpg", "b/c.jpg"])})


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCOUNT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def tried(record_property):
    record_property("tried", EXAMPLES)


@pytest.fixture(params=FORMATS)
def shelf(request, tmp_path):
    """A small dataset in each format: its key, its folder, and its annotation files."""
    key, folder = request.param, tmp_path / "shelf"
    folder.mkdir()
    FORMATS[key].write(SHELF, folder)
    files = [path for path in folder.rglob("*.*") if path.is_file() and path.suffix != ".jpg"]
    for name in SHELF.splits["train"].names:
        path = folder / FORMATS[key].images("train") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(path)
    return key, folder, [path for path in files if path.name != "interface.txt"]


class Damage:
    """One of the files is damaged within the block, by the random choices given."""

    def __init__(self, files, choice):
        self.before = {path: path.read_bytes() for path in files}
        self.choice = choice

    def __enter__(self):
        self.path = self.choice.choice(sorted(self.before))
        self.path.write_bytes(mutate(self.choice, self.before[self.path]))

    def __exit__(self, *error):
        self.path.write_bytes(self.before[self.path])


def check(dataset, folder):
    """What holds of every dataset that a reader gives away."""
    assert len(set(dataset.classes)) == len(dataset.classes)
    assert all(isinstance(name, str) and name.strip() for name in dataset.classes)
    for split in dataset.splits.values():
        assert len(set(split.names)) == len(split.names)
        for record, name in zip(split.records, split.names, strict=True):
            path = Path(os.path.abspath(record["file_name"]))
            assert folder in path.parents
            assert ".." not in Path(name).parts
            for annotation in record["annotations"]:
                x1, y1, x2, y2 = corners(annotation)
                assert -1 <= x1 < x2 <= record["width"] + 1
                assert -1 <= y1 < y2 <= record["height"] + 1
                assert type(annotation["count"]) is int
                assert 1 <= annotation["count"] <= 999_999_999
                assert 0 <= annotation["category_id"] < len(dataset.classes)


def test_a_reader_gives_a_sound_dataset_or_an_error(shelf):
    key, folder, files = shelf

    def read(choice):
        with Damage(files, choice):
            skip_invalid, count = choice.random() < 0.5, choice.choice(["count", "n"])
            try:
                place = FORMATS[key].open(str(folder), Reading(count=count))
                sources = {split: place.source(split) for split in place.splits}
                dataset, message = read_sources(sources, skip_invalid), ""
            except InputError as error:
                dataset, message = None, str(error)
            if dataset:
                check(dataset, folder)
            else:
                assert str(folder) in message or "--count-attribute" in message

    survive(read)


def test_what_is_converted_can_be_read_again(shelf, tmp_path):
    key, folder, files = shelf
    number = iter(range(10**9))

    def convert_damaged(choice):
        with Damage(files, choice):
            to, out = choice.choice(sorted(FORMATS)), tmp_path / f"out{next(number)}"
            lossy = ["counts", "crowds", "empty-images", "fractions", "category-list"]
            options = {"lossy": lossy, "skip_invalid": choice.random() < 0.7, "mend": True}
            try:
                written, _ = convert(folder, out, to=to, from_=key, **options)
            except InputError:
                assert not out.exists()
            else:
                place = FORMATS[to].open(str(out), Reading())
                again = read_sources({split: place.source(split) for split in place.splits})
                check(again, out)
                for of in (
                    lambda s: len(s.names),
                    lambda s: sum(len(r["annotations"]) for r in s.records),
                ):
                    assert [of(s) for s in again.splits.values()] == [
                        of(s) for s in written.splits.values()
                    ]
                shutil.rmtree(out)

    survive(convert_damaged)


@pytest.mark.parametrize("key", FORMATS)
def test_a_dataset_by_its_name_loads_or_is_an_error(tmp_path, key):
    folder = tmp_path / key
    folder.mkdir()
    FORMATS[key].write(SHELF, folder)
    images = folder / FORMATS[key].images("train")
    for name in SHELF.splits["train"].names:
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(images / name)
    name = f"{key}:{folder}:train"
    map_file = tmp_path / "map.csv"
    map_file.write_text("from,to\nbowl,x\ncup,y\n")
    files = [p for p in folder.rglob("*.*") if p.is_file() and p.suffix != ".jpg"]

    def load(choice):
        with Damage([*files, map_file], choice):
            options = choice.choice(["", "?mend", f"?map={map_file}", "?as=x&part=0/2"])
            try:
                register_datasets([name + options])
                source = source_of(name + options)
                records, classes = source.load(), source.metadata()["thing_classes"]
            except InputError:
                pass
            else:
                names = [os.path.relpath(r["file_name"], images) for r in records]
                check(Dataset(tuple(classes), {"train": Split(records, names)}), folder)
            try:
                report = inspect_datasets([name + options], decode=False)
                assert report.text().encode()
            except InputError:
                pass

    survive(load)


GT = {
    "images": [{"id": 1}, {"id": 2}],
    "categories": [{"id": 1, "name": "cup"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12, "count": 3}
    ],
}
DT = [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5, "count": 2}]


def test_evaluation_reads_sound_columns_or_says_what_is_wrong(tmp_path):
    gt, dt, npz = (tmp_path / name for name in ("gt.json", "dt.json", "dt.npz"))
    gt.write_text(json.dumps(GT))
    dt.write_text(json.dumps(DT))
    np.savez_compressed(npz, **{key: np.array([value]) for key, value in DT[0].items()})

    def read(choice):
        detections = choice.choice([dt, npz])
        with Damage([gt, detections], choice):
            try:
                truth = read_ground_truth(gt)
                found, message = read_detections(detections, truth), ""
            except InputError as error:
                found, message = None, str(error)
            if found is None:
                assert str(tmp_path) in message
            else:
                assert np.isfinite(found.boxes).all()
                assert (found.boxes[:, 2:] >= 0).all()
                assert (found.counts >= 1).all()
                "".join(truth.category_names).encode()

    survive(read)
