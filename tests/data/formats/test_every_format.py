"""Each format is a dataset name: it trains, is checked, fitted and converted."""

import os

import pytest
from detectron2.config import get_cfg
from detectron2.data import DatasetCatalog, MetadataCatalog

from locount import add_locount_config
from locount.cli.main import main
from locount.data import DatasetError, LocountDatasetMapper, register_datasets
from locount.data.anchor_fitting import training_shapes
from locount.data.formats import FORMATS, Dataset, Split, convert
from locount.data.formats.registry import source_of
from locount.data.inspection import inspect_datasets
from locount.errors import InputError

from .cases import content, read, record, write

# In the order of their names, and without an empty image, so that every format holds it. Counts are
# lost in SKU-110K alone.
SHELF = Dataset(
    ("bowl", "cup"),
    {
        "train": Split(
            [record(([5, 6, 70, 78], 1, 12), ([1, 2, 30, 40], 0, 3)), record(([0, 0, 9, 9], 0, 1))],
            ["a.jpg", "b.jpg"],
        ),
        "val": Split([record(([2, 3, 40, 50], 1, 2))], ["c.jpg"]),
    },
)
SINGLE_FILES = {key: f"train{format.suffix}" for key, format in FORMATS.items() if format.suffix}


def config():
    cfg = get_cfg()
    add_locount_config(cfg)
    cfg.INPUT.MIN_SIZE_TRAIN, cfg.INPUT.RANDOM_FLIP = (160,), "none"  # twice as large
    cfg.INPUT.MAX_SIZE_TRAIN = 200
    return cfg


def counts(key, *values):
    return [value if "counts" in FORMATS[key].holds else 1 for value in values]


@pytest.fixture(params=FORMATS)
def shelf(request, tmp_path):
    """The key of a format, and the name of a dataset in it."""
    write(SHELF, request.param, tmp_path / "in")
    return request.param, f"{request.param}:{tmp_path / 'in'}:train"


@pytest.fixture(params=SINGLE_FILES)
def single(request, tmp_path):
    write(SHELF, request.param, tmp_path / "in")
    file = f"{request.param}:{tmp_path / 'in' / SINGLE_FILES[request.param]}"
    return request.param, f"{file}:{tmp_path / 'in' / 'train'}"


def first_instances(name):
    register_datasets([name])
    mapper = LocountDatasetMapper(config(), is_train=True)
    return mapper(DatasetCatalog.get(name)[0])["instances"]


def test_it_trains(shelf):
    key, name = shelf
    instances = first_instances(name)
    boxes = [[round(v, 3) for v in box] for box in instances.gt_boxes.tensor.tolist()]
    assert boxes == [[10, 12, 140, 156], [2, 4, 60, 80]]
    assert instances.gt_classes.tolist() == [1, 0]
    assert instances.gt_counts.tolist() == counts(key, 12, 3)
    assert MetadataCatalog.get(name).thing_classes == ["bowl", "cup"]
    assert MetadataCatalog.get(name).evaluator_type == "locount"


def test_a_single_file_trains(single):
    _, name = single
    assert first_instances(name).gt_counts.tolist() == [12, 3]


def test_options_of_its_name_are_obeyed(shelf, tmp_path):
    key, name = shelf
    (tmp_path / "map.csv").write_text("from,to\ncup,china\nbowl,\n")
    for options, classes, expected in (
        ("?as=product&part=0/2", ["product"], [[(0, 12), (0, 3)]]),
        (f"?map={tmp_path}/map.csv&repeat=2", ["china"], [[(0, 12)], []] * 2),
        ("?subset=2&seed=1&mend&skip_invalid", ["bowl", "cup"], [[(1, 12), (0, 3)], [(0, 1)]]),
    ):
        source = source_of(name + options)
        assert source.metadata()["thing_classes"] == classes
        assert [
            [(a["category_id"], a["count"]) for a in record["annotations"]]
            for record in source.load()
        ] == [[(c, *counts(key, n)) for c, n in boxes] for boxes in expected]


def test_it_is_checked(shelf):
    key, name = shelf
    report = inspect_datasets([name])
    # The pictures are of one color, so they repeat; nothing else is wrong with them.
    assert {finding.kind for finding in report.findings} <= {"repeated image"}
    (summary,) = report.statistics[name].summary
    assert (summary["images"], summary["boxes"]) == (2, 3)
    assert summary["items"] == sum(counts(key, 12, 3, 1))


def test_anchors_are_fitted_to_it(shelf):
    _, name = shelf
    register_datasets([name])
    shapes = training_shapes(DatasetCatalog.get(name), config())
    assert sorted(shapes.round(3).tolist()) == [[18, 18], [58, 76], [130, 144]]


def test_it_is_converted_by_its_name(shelf, tmp_path, capsys):
    key, name = shelf
    assert main(["convert", name, str(tmp_path / "out"), "--to", "coco"]) == 0
    assert "train: 2 images, 3 boxes" in capsys.readouterr().out
    found = content(read("coco", tmp_path / "out"))
    assert found["train", "a.jpg"] == [
        ([5, 6, 70, 78], "cup", *counts(key, 12)),
        ([1, 2, 30, 40], "bowl", *counts(key, 3)),
    ]
    convert(name, tmp_path / "other", to="coco", split="shop")
    assert set(read("coco", tmp_path / "other").splits) == {"shop"}
    with pytest.raises(InputError, match="says everything that is needed"):
        convert(name, tmp_path / "no", to="coco", mend=True)


def test_rendered_shelves_are_converted(tmp_path):
    dataset, _ = convert("shelf:2:9", tmp_path / "out", to="voc", lossy=["category-list"])
    assert content(read("voc", tmp_path / "out")) == content(dataset)


def test_an_unchanged_dataset_is_read_once(shelf, tmp_path, cache_folder):
    key, name = shelf
    before = source_of(name).load()
    written = {path: path.stat().st_ino for path in cache_folder.iterdir()}
    assert any("sizes" in path.name for path in written)
    assert source_of(name).load() == before
    assert {path: path.stat().st_ino for path in cache_folder.iterdir()} == written
    for path in (tmp_path / "in").rglob("*.*"):
        if path.suffix in (".xml", ".json", ".txt", ".csv"):
            status = path.stat()
            path.write_text(path.read_text().replace("12", "13"))
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = source_of(name).load()
    assert [a["count"] for a in after[0]["annotations"]] == counts(key, 13, 3)


def test_all_say_alike_what_is_wrong(shelf, tmp_path, caplog):
    key, name = shelf
    dataset = Dataset(
        ("cup",),
        {"train": Split([record(([30, 40, 1, 2], 0, 1), ([5, 6, 70, 78], 0, 1))], ["d.jpg"])},
    )
    name = name.replace("/in:", "/wrong:")
    write(dataset, key, tmp_path / "wrong")
    with pytest.raises(DatasetError, match="has one problem") as caught:
        source_of(name).load()
    (problem,) = caught.value.problems
    assert "?mend in a dataset's name" in problem.text
    (found,) = source_of(f"{name}?skip_invalid").load()
    assert len(found["annotations"]) == 1
    (found,) = source_of(f"{name}?mend").load()
    assert len(found["annotations"]) == 2
    assert "became" in caplog.text


def test_a_split_or_a_folder_that_is_not_there_is_named(shelf, tmp_path):
    key, name = shelf
    with pytest.raises(InputError, match="no split 'test': it has train, val"):
        source_of(name.replace(":train", ":test"))
    with pytest.raises(InputError, match="gone"):
        source_of(f"{key}:{tmp_path / 'gone'}:train")
    with pytest.raises(DatasetError, match=f"incomplete: write {key}:ROOT:SPLIT"):
        source_of(f"{key}:{tmp_path}/in")
