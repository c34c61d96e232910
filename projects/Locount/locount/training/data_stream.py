"""The batches of a training, which can continue where another run stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from detectron2.config import CfgNode
from detectron2.data import DatasetFromList, MapDataset, build_detection_train_loader
from detectron2.data.build import _train_loader_from_config
from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng
from torch.utils.data import Dataset, Sampler

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
        options = _train_loader_from_config(self._cfg, mapper=self._mapper)
        records = options["dataset"]
        options["dataset"] = _Samples(records, options["mapper"], self._seed)
        options["mapper"] = None
        grouped = options["aspect_ratio_grouping"]
        options["sampler"] = _Places(
            options["sampler"],
            [grouped and record["width"] > record["height"] for record in records],
            self._cfg.SOLVER.IMS_PER_BATCH // comm.get_world_size(),
            self._batches,
        )
        del records  # gigabytes of a large dataset, of which the loader has a compact copy
        for batch in build_detection_train_loader(**options):
            _seed(self._seed, comm.get_rank(), self._batches)
            self._batches += 1
            yield batch


class _Samples(Dataset):
    """Mapped images by :data:`Place`, in place of the index alone."""

    def __init__(self, records: list[dict], mapper: Callable[[dict], dict], seed: int):
        self._images = MapDataset(DatasetFromList(records, copy=False), mapper)
        self._seed = (seed, comm.get_rank())

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, place: Place) -> dict:
        position, index = place
        _seed(*self._seed, position, 1)  # 1: not as the batch of this number
        return self._images[index]


class _Places(Sampler):
    """The places of a sampler without end, except for those that the first batches are made of."""

    def __init__(
        self, sampler: Sampler, is_wide: Sequence[bool], batch_size: int, num_batches: int
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
