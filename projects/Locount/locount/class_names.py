"""What a model's classes are called. Checkpoints carry it, so that prediction needs no dataset."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass

from detectron2.config import CfgNode
from detectron2.data import MetadataCatalog

from .config.checks import get
from .data.catalog import register_datasets
from .data.config_checks import difference, num_classes_option
from .errors import InputError, listing, some
from .model_file import stored

# Under which a checkpoint holds the classes, beside "model" and "optimizer".
CHECKPOINT_KEY = "classes"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Classes:
    """The classes of a model, in its order.

    It is a checkpointable of :class:`DetectionCheckpointer`, under CHECKPOINT_KEY.

    Attributes:
        groups: of each class; "" for one without.
        ids: of each class in annotation and result files.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    ids: tuple[int, ...]

    @classmethod
    def of_dataset(cls, name: str) -> Classes | None:
        """Those of a registered dataset; None if its metadata has no names."""
        metadata = MetadataCatalog.get(name)
        names = metadata.get("thing_classes")
        if names is None:
            return None
        to_class = metadata.get("thing_dataset_id_to_contiguous_id")
        ids = range(len(names)) if to_class is None else sorted(to_class, key=to_class.get)
        return cls(
            tuple(names), tuple(metadata.get("thing_groups", ("",) * len(names))), tuple(ids)
        )

    @classmethod
    def of_checkpoint(cls, path: str) -> Classes | None:
        """Those that a training run saved with its weights; None if it saved none."""
        classes = stored(path, CHECKPOINT_KEY, cls)
        if classes and not len(classes.names) == len(classes.groups) == len(classes.ids):
            raise InputError(f"{path} is damaged: not every class in it has a name and an id.")
        return classes

    def check_data(self, dataset: str) -> None:
        """Check that a registered dataset has no class in another place than the model; names that
        the model lacks may be other words for its classes.

        Raises:
            InputError: naming the first one.
        """
        data = list(MetadataCatalog.get(dataset).get("thing_classes", ()))
        for i, name in enumerate(data):
            if name in self.names and self.names.index(name) != i:
                raise InputError(
                    f"{dataset} has {name!r} as category number {i}, and the model as number "
                    f"{self.names.index(name)}. The data has {some(data)}; the model "
                    f"{some(self.names)}: give the data the model's order, by ?map=FILE.csv after "
                    "its name, a file with a line NAME,NAME for each of the model's in order"
                )

    def state_dict(self) -> dict[str, list]:
        return {key: list(values) for key, values in asdict(self).items()}

    def load_state_dict(self, state: dict[str, list]) -> None:
        """Check that a resumed run has the classes it began with.

        Raises:
            InputError: naming what differs.
        """
        before, now = state["names"], list(self.names)
        if before != now:
            raise InputError(
                "The checkpoint was trained on other classes than DATASETS.TRAIN has: "
                f"{difference(before, now)}. Restore their order, or start over without --resume."
            )


def find_classes(cfg: CfgNode, weights: str) -> Classes:
    """The classes of a trained model.

    If the checkpoint does not record them (other programs' don't), they come from the first dataset
    of DATASETS.TEST and DATASETS.TRAIN that is available and has the same number of classes. Else
    the classes are numbered, and a warning says so.

    Raises:
        InputError: if the checkpoint has another number of classes than the config.
    """
    option = num_classes_option(cfg)
    if option is None:
        architecture = cfg.MODEL.META_ARCHITECTURE
        raise InputError(f"MODEL.META_ARCHITECTURE is {architecture!r}, which has no classes.")
    num_classes = get(cfg, option)
    classes = Classes.of_checkpoint(weights)
    if classes is not None:
        if len(classes.names) != num_classes:
            raise InputError(
                f"{weights} was trained on {len(classes.names)} classes, and the config has "
                f"{num_classes} ({option}): use the config.yaml that training "
                "left beside the checkpoint."
            )
        return classes
    reasons = ["the checkpoint does not record them"]
    for dataset in dict.fromkeys([*cfg.DATASETS.TEST, *cfg.DATASETS.TRAIN]):
        try:
            register_datasets([dataset])
        except InputError as error:
            reasons.append(str(error))
            continue
        classes = Classes.of_dataset(dataset)
        if classes is not None and len(classes.names) == num_classes:
            return classes
        reasons.append(f"{dataset!r} has no {num_classes} categories")
    logger.warning(
        "The names of the classes are not known, so they are numbered:\n%s",
        listing(dict.fromkeys(reasons)),
    )
    names = tuple(f"class {i}" for i in range(num_classes))
    return Classes(names, ("",) * num_classes, tuple(range(num_classes)))
