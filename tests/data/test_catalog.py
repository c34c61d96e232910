import json

import pytest
from detectron2.data import DatasetCatalog, MetadataCatalog

from locount.data import DatasetError, register_datasets
from locount.data.formats.locount.categories import LOCOUNT_CLASSES


@pytest.fixture
def root(make_split):
    make_split({"a": "1,2,30,40,Soap,3"}, split="Test")
    return make_split({"a": "1,2,30,40,Soap,1", "b": "1,2,30,40,Bowl,2"})


def counts(name):
    return [a["count"] for record in DatasetCatalog.get(name) for a in record["annotations"]]


def test_a_folder_is_a_dataset_by_its_name(root):
    train, test = f"locount:{root}:train", f"locount:{root}:test"
    register_datasets([train, test])
    assert (counts(train), counts(test)) == ([1, 2], [3])
    for name in (train, test):
        metadata = MetadataCatalog.get(name)
        assert metadata.thing_classes == list(LOCOUNT_CLASSES)
        assert metadata.evaluator_type == "locount"


def test_a_root_may_hold_a_colon_and_a_tilde(make_split, tmp_path, monkeypatch):
    make_split({"a": "1,2,30,40,Soap,4"}, root=tmp_path / "shop:2")
    monkeypatch.setenv("HOME", str(tmp_path))
    register_datasets(["locount:~/shop:2:train"])
    assert counts("locount:~/shop:2:train") == [4]


def test_to_register_again_changes_nothing(root):
    name = f"locount:{root}:train"
    register_datasets([name])
    load = DatasetCatalog[name]
    root.rename(root.with_name("gone"))  # what is registered is not looked at
    register_datasets([name, name])
    assert DatasetCatalog[name] is load


def test_a_coco_file_is_a_dataset_by_its_name(root):
    path = root / "shelf:1.json"
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 80, "width": 100}],
        "categories": [{"id": 9, "name": "cup"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 9, "bbox": [1, 2, 3, 4], "count": 5}
        ],
    }
    path.write_text(json.dumps(content))
    name = f"coco:{path}:{root / 'Locount_ImagesTrain'}"
    register_datasets([name])
    assert counts(name) == [5]
    assert MetadataCatalog.get(name).thing_classes == ["cup"]
    assert MetadataCatalog.get(name).evaluator_type == "locount"


def test_built_in_names_lie_below_detectron2_datasets(make_split, tmp_path, monkeypatch):
    monkeypatch.setenv("DETECTRON2_DATASETS", str(tmp_path))
    make_split({"a": "1,2,30,40,Soap,6"}, root=tmp_path / "locount")
    assert {"locount_train", "locount_test"} <= set(DatasetCatalog.list())
    assert counts("locount_train") == [6]
    assert MetadataCatalog.get("locount_train").thing_classes == list(LOCOUNT_CLASSES)
    with pytest.raises(DatasetError, match="no split 'test'"):
        register_datasets(["locount_test"])


@pytest.mark.parametrize("name", ["locount:", "locount:train", "locount::train", "coco:a.json"])
def test_an_incomplete_name_is_an_error_that_tells_the_form(name):
    form = "locount:ROOT:SPLIT" if name.startswith("locount") else r"coco:FILE\.json:IMAGE_ROOT"
    with pytest.raises(DatasetError, match=form):
        register_datasets([name])


def test_a_name_that_leads_nowhere_is_not_registered(tmp_path):
    name = f"locount:{tmp_path / 'nowhere'}:train"
    for _ in range(2):
        with pytest.raises(DatasetError, match="nowhere is not a folder"):
            register_datasets([name])
    assert name not in DatasetCatalog


def test_other_names_are_left_to_detectron2():
    known = set(DatasetCatalog.list())
    register_datasets(["coco_2017_val", "my_dataset", "other:name:train"])
    assert set(DatasetCatalog.list()) == known
    with pytest.raises(KeyError, match="my_dataset"):
        DatasetCatalog.get("my_dataset")
