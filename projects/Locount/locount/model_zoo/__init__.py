"""The configs that come with the project, by their names (see :mod:`locount.config_files`)."""

from __future__ import annotations

from collections.abc import Sequence

from detectron2.config import CfgNode

from ..config import load_config
from ..config_files import describe, get_config_file, names

__all__ = ["describe", "get_config", "get_config_file", "names"]


def get_config(name: str, opts: Sequence[object] = ()) -> CfgNode:
    """A config by its name, or from a file, ready to use and not frozen.

    It is what ``locount.config.load_config`` returns.

    >>> get_config("Locount/clcnet_s2_cls10_R_50_FPN_1x").MODEL.ROI_HEADS.NAME
    'CLCNetROIHeads'

    Args:
        opts: keys and values in turn, over those of the config.

    Raises:
        InputError: if there is no such config, or options can't be used.
    """
    return load_config(name, opts)
