"""The batches of a training, which can continue where another run stopped."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import (
    DatasetCatalog,
    DatasetFromList,
    MetadataCatalog,
    build_detection_train_loader,
    print_instances_class_histogram,
)
from detectron2.data.build import _train_loader_from_config
from detectron2.data.detection_utils import check_metadata_consistency
from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng
from detectron2.utils.serialize import PicklableWrapper
from torch.utils.data import ConcatDataset, Dataset, Sampler

from ..data.catalog import is_ours
from ..data.formats.records import Records
from ..errors import DatasetError

logger = logging.getLogger(__name__)

# Where in the stream of a process, counted from 0, which image is.
Place = tuple[int, int]


class DataStream:
    """Detectron2's training data, each batch a function of a seed and of how many came before.

    Random numbers are set again, from the seed and their place, for each image that is augmented
    and for each batch that is handed out, from which a model draws in the step that it trains. So
    they depend neither on workers nor on what ran in between, and a stream that begins at a batch
    continues as one that came to it.
    """

    def __init__(self, cfg: CfgNode, mapper: Callable[[dict], dict]):
        """
        Args:
            cfg: with a SEED below 0 the stream draws one.
            mapper: has no state, or batches depend on those before.
        """
        self._cfg, self._mapper = cfg, mapper
        self._seed = cfg.SEED if cfg.SEED >= 0 else comm.shared_random_seed()
        self._batches = 0

    def state_dict(self) -> dict[str, int]:
        return {"seed": self._seed, "batches": self._batches}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from another stream's state; before the first batch is taken."""
        self._seed, self._batches = state["seed"], state["batches"]

    def __iter__(self) -> Iterator[list[dict]]:
        _seed(self._seed)  # of the sampler, which draws its own now
        options = _train_loader_from_config(
            self._cfg, mapper=self._mapper, dataset=_records(self._cfg)
        )
        records = options["dataset"]
        options["dataset"] = _Samples(records, options["mapper"], self._seed)
        options["mapper"] = None
        options["sampler"] = _Places(
            options["sampler"],
            _are_wide(records) if options["aspect_ratio_grouping"] else [False] * len(records),
            self._cfg.SOLVER.IMS_PER_BATCH // comm.get_world_size(),
            self._batches,
        )
        del records  # gigabytes of a large list, of which the loader has a compact copy
        for batch in build_detection_train_loader(**options):
            _seed(self._seed, comm.get_rank(), self._batches)
            self._batches += 1
            yield batch


def _records(cfg: CfgNode) -> ConcatDataset | None:
    """What Detectron2's ``get_detection_dataset_dicts`` lists, without a list; None if it must.

    Raises:
        DatasetError: if no image is left.
    """
    names = cfg.DATASETS.TRAIN
    if cfg.MODEL.LOAD_PROPOSALS or cfg.MODEL.KEYPOINT_ON or not all(map(is_ours, names)):
        return None
    parts = [DatasetCatalog.get(name) for name in names]
    if cfg.DATALOADER.FILTER_EMPTY_ANNOTATIONS:
        number = sum(map(len, parts))
        parts = [part.take(np.flatnonzero(part.num_objects())) for part in parts]
        left = sum(map(len, parts))
        logger.info("%d images without a box are left out, %d are trained on", number - left, left)
    if not any(map(len, parts)):
        raise DatasetError(f"{', '.join(names)} has no image with a box: there is nothing to learn")
    check_metadata_consistency("thing_classes", names)
    classes = MetadataCatalog.get(names[0]).thing_classes
    boxes = sum(part.objects_by_category(len(classes)) for part in parts)
    annotations = ({"category_id": i} for i, n in enumerate(boxes.tolist()) for _ in range(n))
    print_instances_class_histogram([{"annotations": annotations}], classes)
    return ConcatDataset(parts)


def _are_wide(records: list[dict] | ConcatDataset) -> np.ndarray:
    if isinstance(records, ConcatDataset):
        sizes = np.concatenate([cast(Records, part).sizes() for part in records.datasets])
    else:
        sizes = np.array([(record["height"], record["width"]) for record in records])
    return sizes[:, 1] > sizes[:, 0]


class _Samples(Dataset):
    """Mapped images by :data:`Place`, in place of the index alone."""

    def __init__(
        self,
        records: list[dict] | ConcatDataset,
        mapper: Callable[[dict], dict],
        seed: int,
    ):
        if isinstance(records, list):
            records = DatasetFromList(records, copy=False)
        self._records, self._mapper = records, PicklableWrapper(mapper)
        self._seed = (seed, comm.get_rank())

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, place: Place) -> dict:
        position, index = place
        _seed(*self._seed, position, 1)  # 1: not as the batch of this number
        return self._mapper(self._records[index])


class _Places(Sampler):
    """The places of a sampler without end, except for those that the first batches are made of."""

    def __init__(
        self,
        sampler: Sampler,
        is_wide: Sequence[bool] | np.ndarray,
        batch_size: int,
        num_batches: int,
    ):
        """
        Args:
            is_wide: of each image; no batch has both kinds.
            num_batches: how many are left out.
        """
        self._sampler, self._is_wide = sampler, is_wide
        self._batch_size, self._num_batches = batch_size, num_batches

    def __iter__(self) -> Iterator[Place]:
        places = enumerate(self._sampler)
        waiting: dict[bool, list[Place]] = {True: [], False: []}
        complete = 0
        while complete < self._num_batches:
            place = next(places)
            group = waiting[self._is_wide[place[1]]]
            group.append(place)
            if len(group) == self._batch_size:
                group.clear()
                complete += 1
        yield from sorted(waiting[True] + waiting[False])
        yield from places


def _seed(*numbers: int) -> None:
    """Set the random state of Python, numpy and torch from numbers of at least 0."""
    seed_all_rng(int(np.random.SeedSequence(numbers).generate_state(1)[0]))
