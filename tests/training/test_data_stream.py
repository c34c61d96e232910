import json
from itertools import islice

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from PIL import Image

from locount.config import load_config
from locount.data import register_datasets
from locount.training import data_stream
from locount.training.data_stream import DataStream

NAME = "test_data_stream"


@pytest.fixture
def cfg():
    """Seven images, three of them wide, in batches of two."""
    records = [
        {"width": 2 if i in (1, 2, 5) else 1, "height": 1, "image_id": i, "annotations": [{}]}
        for i in range(7)
    ]
    DatasetCatalog.register(NAME, lambda: records)
    cfg = load_config("configs/Locount/clcnet_s2_cls10_R_50_FPN_1x.yaml")
    cfg.DATASETS.TRAIN, cfg.SOLVER.IMS_PER_BATCH = (NAME,), 2
    cfg.DATALOADER.NUM_WORKERS, cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS = 0, False
    cfg.SEED = 3
    yield cfg
    DatasetCatalog.remove(NAME)


def mapper(record):
    return {**record, "drawn": (np.random.rand(), torch.rand(()).item())}  # noqa: NPY002


def take(stream, number):
    """The batches, and what a step could draw after each."""
    return [(batch, np.random.rand()) for batch in islice(stream, number)]  # noqa: NPY002


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("stopped", range(6))
def test_a_stream_goes_on_where_another_stopped(cfg, stopped, grouped):
    cfg.DATALOADER.ASPECT_RATIO_GROUPING = grouped
    expected = take(DataStream(cfg, mapper), 12)
    first = DataStream(cfg, mapper)
    take(first, stopped)
    np.random.seed(17)  # noqa: NPY002, an evaluation in between
    cfg.SEED = 4  # the stream's own counts
    second = DataStream(cfg, mapper)
    second.load_state_dict(first.state_dict())
    assert take(second, 12 - stopped) == expected[stopped:]


@pytest.mark.parametrize("stopped", [0, 3])
def test_workers_change_nothing(cfg, stopped):
    expected = take(DataStream(cfg, mapper), 8)
    cfg.DATALOADER.NUM_WORKERS = 2
    stream = DataStream(cfg, mapper)
    stream.load_state_dict({"seed": 3, "batches": stopped})
    assert take(stream, 8 - stopped) == expected[stopped:]


def test_all_images_come_in_each_round_and_never_both_orientations(cfg):
    batches = [batch for batch, _ in take(DataStream(cfg, mapper), 30)]
    for batch in batches:
        assert len(batch) == 2
        assert len({image["width"] for image in batch}) == 1
    counts = np.bincount([image["image_id"] for batch in batches for image in batch])
    assert set(counts) <= {8, 9}  # 60 images, up to one of each kind still waiting
    drawn = {image["drawn"] for batch in batches for image in batch}
    assert len(drawn) == 60


def test_without_a_seed_each_stream_draws_one(cfg):
    cfg.SEED = -1
    assert take(DataStream(cfg, mapper), 4) != take(DataStream(cfg, mapper), 4)


@pytest.fixture
def two_datasets(tmp_path):
    """COCO files whose images are wide or high, some of them without a box or only with a crowd."""
    for part in ("a", "b"):
        (tmp_path / part).mkdir()
        images, annotations = [], []
        for i in range(6):
            size = {"width": 20, "height": 30 if i % 2 else 10}
            images.append({"id": i, "file_name": f"{i}.png", **size})
            Image.new("1", (20, size["height"])).save(tmp_path / part / f"{i}.png")
            annotations += [
                {"id": 10 * i + k, "image_id": i, "category_id": k, "bbox": [k, 0, 5, 5 + i]}
                | {"count": i + 1, "iscrowd": int(i == 4)}
                for k in range(i % 5)
            ]
        categories = [{"id": k, "name": f"kind {k}"} for k in range(4)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (tmp_path / f"{part}.json").write_text(json.dumps(content))
    names = [f"coco:{tmp_path}:{part}" for part in ("a", "b")]
    register_datasets(names)
    yield names
    for name in names:
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)


@pytest.mark.parametrize("filtered", [True, False])
@pytest.mark.parametrize("sampler", ["TrainingSampler", "RepeatFactorTrainingSampler"])
def test_our_datasets_give_the_batches_of_a_list_of_dicts(
    cfg, two_datasets, monkeypatch, filtered, sampler
):
    cfg.DATASETS.TRAIN, cfg.DATALOADER.SAMPLER_TRAIN = two_datasets, sampler
    cfg.DATALOADER.REPEAT_THRESHOLD = 0.9
    cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS = filtered
    batches = take(DataStream(cfg, mapper), 20)
    assert any(not image["annotations"] for batch, _ in batches for image in batch) != filtered
    resumed = DataStream(cfg, mapper)
    resumed.load_state_dict({"seed": 3, "batches": 7})
    assert take(resumed, 13) == batches[7:]
    monkeypatch.setattr(data_stream, "is_ours", lambda name: False)
    assert take(DataStream(cfg, mapper), 20) == batches


def test_data_without_a_box_is_an_error(cfg, two_datasets, tmp_path):
    content = json.loads((tmp_path / "a.json").read_text()) | {"annotations": []}
    (tmp_path / "a.json").write_text(json.dumps(content))
    cfg.DATASETS.TRAIN, cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS = two_datasets[:1], True
    with pytest.raises(ValueError, match="a has no image with a box"):
        next(iter(DataStream(cfg, mapper)))
