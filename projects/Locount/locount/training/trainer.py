"""Training and testing with counts: what `train_net.py` and `locount compare` run."""

from __future__ import annotations

import logging
import os
import weakref
from collections import OrderedDict

import torch
from detectron2.config import CfgNode
from detectron2.data import DatasetCatalog, build_detection_test_loader
from detectron2.engine import DefaultTrainer, HookBase, hooks, train_loop
from detectron2.evaluation import DatasetEvaluator
from detectron2.utils import comm
from torch import nn

from ..checkpoint import Checkpointer, load_weights
from ..class_names import CHECKPOINT_KEY, Classes
from ..config import building, changed
from ..counting import IGNORED_COUNT
from ..data import LocountDatasetMapper
from ..errors import InputError
from ..evaluation import LocountEvaluator
from ..modeling import CountingRCNNWithTTA, balance_counts
from ..modeling.backbone.pretrained import check_frozen
from .data_stream import DataStream
from .divergence import StepWatch
from .ema import WeightAverage
from .mixed_precision import half_type, train_in_mixed_precision
from .optimizer import build_optimizer


class Trainer(DefaultTrainer):
    """:class:`DefaultTrainer` whose data carries counts and whose results are judged by them.

    SOLVER.AMP.ENABLED works alike on every device (:mod:`.mixed_precision`). With
    MODEL.EMA.ENABLED the averaged weights are evaluated and saved (:class:`WeightAverage`). With
    TEST.AUG.ENABLED the results after the last iteration are also given with test-time
    augmentation.
    """

    _average: WeightAverage | None = None

    def __init__(self, cfg: CfgNode):
        mixed = cfg.SOLVER.AMP.ENABLED
        if mixed and half_type(torch.device(cfg.MODEL.DEVICE)) == torch.bfloat16:
            # AMPTrainer scales gradients, as only float16 needs.
            cfg = changed(cfg, "SOLVER.AMP.ENABLED", False)
        super().__init__(cfg)
        check_frozen(cfg, self.model)
        classes = Classes.of_dataset(cfg.DATASETS.TRAIN[0])
        if classes is not None:
            self.checkpointer.add_checkpointable(CHECKPOINT_KEY, classes)
        if mixed:
            train_in_mixed_precision(self.model)
        self._watch = StepWatch(self.model)
        if cfg.MODEL.COUNT_HEAD.BALANCE != "none":
            balance_counts(self.model, _training_counts(cfg))
        if cfg.MODEL.EMA.ENABLED:
            self._average = WeightAverage(self.checkpointer, cfg.MODEL.EMA.DECAY)
            self.register_hooks([self._average])
            self._hooks.insert(0, self._hooks.pop())  # before those that save and evaluate

    @property
    def model(self) -> nn.Module:
        """What is evaluated and saved: with MODEL.EMA the average of the model in training."""
        return super().model if self._average is None else self._average.model

    def resume_or_load(self, resume: bool = True) -> None:
        """As in the base class, but a checkpoint to resume from must fit the config."""
        if resume and self.checkpointer.has_checkpoint():
            load_weights(self._trainer.model, self.checkpointer.get_checkpoint_file())
        super().resume_or_load(resume)

    def state_dict(self) -> dict:
        """As in the base class, with the place in the data and what v0.6 forgets, the momentum."""
        return {
            **super().state_dict(),
            "_trainer": self._trainer.state_dict(),
            "data": self._trainer.data_loader.state_dict(),
        }

    def load_state_dict(self, state_dict: dict) -> None:
        # What is not in a checkpoint of Detectron2, or of another kind of precision, stays.
        inner = {**self._trainer.state_dict(), **state_dict.get("_trainer", {})}
        _check_optimizer(self.optimizer, inner["optimizer"])
        super().load_state_dict({**state_dict, "_trainer": inner})
        self._trainer.load_state_dict(inner)
        if "data" in state_dict:
            self._trainer.data_loader.load_state_dict(state_dict["data"])

    def train(self):
        """As in the base class; what stops it with a message of its own is logged only so."""
        logging.getLogger(train_loop.__name__).addFilter(_without_traceback)
        results = super().train()
        if self.start_iter >= self.max_iter and comm.is_main_process():
            # Killed between the last periodic checkpoint and this one, which no step writes now.
            final = os.path.join(self.cfg.OUTPUT_DIR, "model_final.pth")
            if not os.path.isfile(final):
                self.checkpointer.save("model_final", iteration=self.max_iter - 1)
        return results

    def run_step(self) -> None:
        with self._watch.step(self.iter):
            super().run_step()

    def build_hooks(self) -> list[HookBase]:
        # Here, because the base class makes one of its own just before, which its hooks keep.
        self.checkpointer = Checkpointer(
            self._trainer.model, self.cfg.OUTPUT_DIR, cfg=self.cfg, trainer=weakref.proxy(self)
        )
        built = super().build_hooks()
        if self.cfg.TEST.AUG.ENABLED:
            CountingRCNNWithTTA(self.cfg, self.model)  # a model it can't take fails now, not later
            evaluation = hooks.EvalHook(0, lambda: self.test_with_TTA(self.cfg, self.model))
            # The writer, which only the main process has, writes what the hooks before it log.
            writers = [i for i, h in enumerate(built) if isinstance(h, hooks.PeriodicWriter)]
            built.insert(writers[0] if writers else len(built), evaluation)
        return built

    @classmethod
    def build_model(cls, cfg: CfgNode) -> nn.Module:
        with building():
            return super().build_model(cfg)

    @classmethod
    def build_optimizer(cls, cfg: CfgNode, model: nn.Module) -> torch.optim.Optimizer:
        return build_optimizer(cfg, model)

    @classmethod
    def build_train_loader(cls, cfg: CfgNode) -> DataStream:
        return DataStream(cfg, LocountDatasetMapper(cfg, is_train=True))

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str):
        mapper = LocountDatasetMapper(cfg, is_train=False)
        return build_detection_test_loader(cfg, dataset_name, mapper=mapper)

    @classmethod
    def build_evaluator(
        cls, cfg: CfgNode, dataset_name: str, output_folder: str | None = None
    ) -> DatasetEvaluator:
        """
        Args:
            output_folder: where the files of all datasets go; OUTPUT_DIR/inference by default.
        """
        folder = output_folder or os.path.join(cfg.OUTPUT_DIR, "inference")
        return LocountEvaluator(
            dataset_name,
            output_dir=os.path.join(folder, _folder_name(dataset_name)),
            max_dets=(*cfg.EVALUATION.MAX_DETS, cfg.TEST.DETECTIONS_PER_IMAGE),
            score=cfg.PREDICT.SCORE,
        )

    @classmethod
    def test_with_TTA(cls, cfg: CfgNode, model: nn.Module) -> OrderedDict:  # noqa: N802, Detectron2's
        """:meth:`test` with the augmentation of TEST.AUG, keys ending in "_TTA".

        The augmentation gets images in their own size: resized to that of plain testing first, the
        larger versions would show no more.
        """
        cfg = changed(cfg, "INPUT.MIN_SIZE_TEST", 0)
        folder = os.path.join(cfg.OUTPUT_DIR, "inference_TTA")
        evaluators = [cls.build_evaluator(cfg, name, folder) for name in cfg.DATASETS.TEST]
        results = cls.test(cfg, CountingRCNNWithTTA(cfg, model), evaluators)
        return OrderedDict((f"{key}_TTA", value) for key, value in results.items())


def _check_optimizer(optimizer: torch.optim.Optimizer, saved: dict) -> None:
    """Check that a checkpoint fits the optimizer.

    Raises:
        InputError: if a checkpoint's optimizer is of another kind, or of other groups.
    """
    groups, saved_groups = optimizer.state_dict()["param_groups"], saved["param_groups"]
    if [(len(g["params"]), "betas" in g) for g in groups] != [
        (len(g["params"]), "betas" in g) for g in saved_groups
    ]:
        raise InputError(
            "The checkpoint to resume from has another optimizer. Resume with SOLVER.OPTIMIZER, "
            "SOLVER.BACKBONE_MULTIPLIER and MODEL.BACKBONE.FREEZE_AT of the run that was stopped, "
            "or start from its weights with MODEL.WEIGHTS."
        )


def _without_traceback(record: logging.LogRecord) -> bool:
    """Detectron2 logs what stops a training with its traceback; the message is enough."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, (FloatingPointError, InputError, OSError)):
        record.msg, record.args, record.exc_info = f"{record.getMessage()} {error}", (), None
    return True


def _training_counts(cfg: CfgNode) -> torch.Tensor:
    """Counts of the boxes that are trained on, as the mapper leaves crowd boxes out."""
    counts = torch.tensor(
        [
            box.get("count", 1)
            for name in cfg.DATASETS.TRAIN
            for record in DatasetCatalog.get(name)
            for box in record["annotations"]
            if not box.get("iscrowd", 0)
        ]
    )
    return counts[counts != IGNORED_COUNT]


def _folder_name(dataset_name: str) -> str:
    """`locount:/data/shelves:test` as one path component."""
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in dataset_name).strip("_")
