"""Training and testing with counts: what `train_net.py` and `locount compare` run."""

from __future__ import annotations

import os

import torch
from detectron2.config import CfgNode
from detectron2.data import (
    DatasetCatalog,
    build_detection_test_loader,
    build_detection_train_loader,
)
from detectron2.engine import DefaultTrainer
from detectron2.evaluation import DatasetEvaluator

from .counting import IGNORED_COUNT
from .data import LocountDatasetMapper
from .evaluation import LocountEvaluator
from .mixed_precision import train_in_bfloat16
from .modeling import balance_counts


class Trainer(DefaultTrainer):
    """:class:`DefaultTrainer` whose data carries counts and whose results are judged by them.

    SOLVER.AMP.ENABLED works on the CPU too (:func:`train_in_bfloat16`).
    """

    def __init__(self, cfg: CfgNode):
        amp_on_cpu = cfg.SOLVER.AMP.ENABLED and torch.device(cfg.MODEL.DEVICE).type == "cpu"
        if amp_on_cpu:
            cfg = cfg.clone()
            cfg.defrost()
            cfg.SOLVER.AMP.ENABLED = False  # AMPTrainer is for CUDA alone
            cfg.freeze()
        super().__init__(cfg)
        if amp_on_cpu:
            train_in_bfloat16(self.model)
        if cfg.MODEL.COUNT_HEAD.BALANCE != "none":
            balance_counts(self.model, _training_counts(cfg))

    @classmethod
    def build_train_loader(cls, cfg: CfgNode):
        return build_detection_train_loader(cfg, mapper=LocountDatasetMapper(cfg, is_train=True))

    @classmethod
    def build_test_loader(cls, cfg: CfgNode, dataset_name: str):
        mapper = LocountDatasetMapper(cfg, is_train=False)
        return build_detection_test_loader(cfg, dataset_name, mapper=mapper)

    @classmethod
    def build_evaluator(cls, cfg: CfgNode, dataset_name: str) -> DatasetEvaluator:
        return LocountEvaluator(
            dataset_name,
            output_dir=os.path.join(cfg.OUTPUT_DIR, "inference", _folder_name(dataset_name)),
            max_dets=cfg.TEST.DETECTIONS_PER_IMAGE,
        )


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
