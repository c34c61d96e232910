"""The paper's figures on the Locount test set, and which of them belong beside a config's."""

from __future__ import annotations

import csv
from importlib import resources

from detectron2.config import CfgNode


def paper_method(cfg: CfgNode) -> str | None:
    """What the paper calls the method of a config; None for one that is not in its tables."""
    architecture, heads = cfg.MODEL.META_ARCHITECTURE, cfg.MODEL.ROI_HEADS.NAME
    if architecture in ("RetinaNet", "FCOS"):
        return architecture
    if architecture != "GeneralizedRCNN":
        return None
    if heads == "StandardROIHeads":
        return "Faster R-CNN"
    if heads != "CLCNetROIHeads":
        return None
    head, num_stages = cfg.MODEL.COUNT_HEAD, len(cfg.MODEL.ROI_BOX_CASCADE_HEAD.IOUS)
    if head.STRATEGY == "none":
        return "Cascade R-CNN"
    counting = "reg" if head.STRATEGY == "regression" else f"cls({head.BASE})"
    return f"CLCNet-s({num_stages})-{counting}"


def paper_figures(method: str | None) -> dict[str, float]:
    """The figures by the names of :class:`EvaluationResult`; empty for an unknown method."""
    text = resources.files(__package__).joinpath("paper.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        if row.pop("method") == method:
            return {name: float(value) for name, value in row.items() if value}
    return {}
