"""The augmentations that a config asks for, beyond Detectron2's own."""

from __future__ import annotations

from detectron2.config import CfgNode
from detectron2.data import transforms as T

from ...config.checks import node_problems
from ...errors import InputError, listing
from .autoaugment import AutoAugment
from .color import IMAGE_FORMATS, RandomColor


def build_augmentations(cfg: CfgNode) -> list[T.Augmentation]:
    """What follows Detectron2's crop, resize and flip in training."""
    node = cfg.AUGMENTATION
    augmentations = []
    if node.COLOR > 0:
        augmentations.append(RandomColor(node.COLOR, cfg.INPUT.FORMAT))
    if node.POLICY != "none":
        augmentations.append(AutoAugment(node.POLICY, cfg.INPUT.FORMAT))
    return augmentations


def check_augmentation_config(cfg: CfgNode) -> None:
    """Check the keys of AUGMENTATION, and that the others allow what they ask for.

    Raises:
        InputError: listing every key that does not fit and what it should be.
    """
    node = cfg.AUGMENTATION
    problems = node_problems(cfg, "AUGMENTATION")
    if (node.POLICY != "none" or node.COLOR > 0) and cfg.INPUT.FORMAT not in IMAGE_FORMATS:
        problems.append(
            f"INPUT.FORMAT is {cfg.INPUT.FORMAT!r}; AUGMENTATION.POLICY and AUGMENTATION.COLOR "
            f"need one of {', '.join(IMAGE_FORMATS)}."
        )
    if (node.POLICY != "none" or node.COPY_PASTE) and (cfg.MODEL.MASK_ON or cfg.MODEL.KEYPOINT_ON):
        problems.append(
            "AUGMENTATION.POLICY and AUGMENTATION.COPY_PASTE are for boxes: set MODEL.MASK_ON and "
            "MODEL.KEYPOINT_ON to False, or leave them out."
        )
    if problems:
        raise InputError(
            f"The config asks for augmentation that is impossible:\n{listing(problems)}"
        )
