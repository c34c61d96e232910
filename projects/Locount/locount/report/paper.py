"""The paper's figures on the Locount test set, and which of them belong beside a config's."""

from __future__ import annotations

import csv
from importlib import resources

from detectron2.config import CfgNode

# What counts every box as 1 there, by MODEL.META_ARCHITECTURE or what is more specific.
_WITHOUT_COUNTS = {
    "ssd300": "SSD",
    "ssd512": "SSD",
    "CountingFCOS": "FCOS",
    "CountingRetinaNet": "RetinaNet",
    "RetinaNet": "RetinaNet",
    "RepPoints": "RepPoints",
    "StandardROIHeads": "Faster R-CNN",
    "FasterRCNNROIHeads": "Faster R-CNN",
    "CLCNetROIHeads": "Cascade R-CNN",
}


def paper_method(cfg: CfgNode) -> str | None:
    """What the paper calls the method of a config; None for one that is not in its tables."""
    head, num_stages = cfg.MODEL.COUNT_HEAD, len(cfg.MODEL.ROI_BOX_CASCADE_HEAD.IOUS)
    architecture = cfg.MODEL.META_ARCHITECTURE
    if architecture == "GeneralizedRCNN":
        architecture = cfg.MODEL.ROI_HEADS.NAME
    elif architecture == "TorchvisionDetector":
        architecture = cfg.MODEL.TORCHVISION.NAME.partition("_")[0]
    if head.STRATEGY == "none":
        return _WITHOUT_COUNTS.get(architecture)
    if architecture != "CLCNetROIHeads":
        return None
    counting = "reg" if head.STRATEGY == "regression" else f"cls({head.BASE})"
    return f"CLCNet-s({num_stages})-{counting}"


def paper_figures(method: str | None) -> dict[str, float]:
    """The figures by the names of :class:`EvaluationResult`; empty for an unknown method."""
    text = resources.files(__package__).joinpath("paper.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        if row.pop("method") == method:
            return {name: float(value) for name, value in row.items() if value}
    return {}
