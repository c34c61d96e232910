from itertools import islice

import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog

from locount.config import load_config
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
