"""The config: Detectron2's keys and the project's, which nodes.py describes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import msgspec
import torch
from detectron2.config import CfgNode, get_cfg

from ..errors import InputError
from .checks import building, check_config, check_switches, project_keys
from .merging import file_keys, merge, option_keys
from .nodes import NODES

__all__ = [
    "add_locount_config",
    "building",
    "changed",
    "check_config",
    "load_config",
    "merge_options",
    "named_keys",
    "without_missing_gpu",
]


def add_locount_config(cfg: CfgNode) -> None:
    """Add the project's own nodes to a Detectron2 config, and two keys to its SOLVER.

    This also registers what such a config can name, as ``CLCNetROIHeads``.
    """
    from .. import modeling as _  # noqa: F401, only registration

    for path, struct in NODES.items():
        *parents, name = path.split(".")
        node = cfg
        for parent in parents:
            node = node[parent]
        # Through JSON, so that every config has lists of its own.
        keys = CfgNode(msgspec.json.decode(msgspec.json.encode(struct())))
        node.setdefault(name, CfgNode()).update(keys)


def load_config(config_file: str, opts: Sequence[object] = ()) -> CfgNode:
    """Detectron2's and the project's defaults, a file over them, and options over the file.

    Without a GPU MODEL.DEVICE becomes "cpu", and a warning says so.

    Args:
        config_file: YAML, such as the config.yaml that a training run leaves, or a name of
            :mod:`locount.model_zoo`.
        opts: keys and values in turn, as on the command line.

    Returns:
        A config that is not frozen.

    Raises:
        InputError: for a file that can't be read, and listing every key that does not exist, whose
            value is of another type or out of range, or that the model does not read.
    """
    cfg = get_cfg()
    add_locount_config(cfg)
    in_file = file_keys(config_file)
    merge(cfg, in_file, source=f"{config_file}: ")
    merge_options(cfg, opts, in_file)
    return without_missing_gpu(cfg)


def merge_options(cfg: CfgNode, opts: Sequence[object], named: Iterable[str] | None = None) -> None:
    """Lay options over a config, and check all of it.

    Args:
        opts: keys and values in turn.
        named: the keys that the config was given; None for all.

    Raises:
        InputError: as :func:`load_config`.
    """
    options = option_keys(opts)
    merge(cfg, options)
    check_config(cfg)
    check_switches(cfg, {*(project_keys() if named is None else named), *options}, options)


def changed(cfg: CfgNode, *opts: object) -> CfgNode:
    """A frozen copy with other values, which are not checked; keys and values in turn."""
    cfg = cfg.clone()
    cfg.defrost()
    cfg.merge_from_list(list(opts))
    cfg.freeze()
    return cfg


def without_missing_gpu(cfg: CfgNode) -> CfgNode:
    """The same config, its MODEL.DEVICE the CPU if it named a GPU and there is none.

    Raises:
        InputError: for a device that torch does not know.
    """
    if device_of(cfg).type == "cuda" and not torch.cuda.is_available():
        logging.getLogger(__name__).warning("No GPU found: running on the CPU, which is slow.")
        cfg.MODEL.DEVICE = "cpu"
    return cfg


def device_of(cfg: CfgNode) -> torch.device:
    """MODEL.DEVICE.

    Raises:
        InputError: if torch does not know it.
    """
    try:
        return torch.device(cfg.MODEL.DEVICE)
    except RuntimeError as error:
        raise InputError(
            f"MODEL.DEVICE is {cfg.MODEL.DEVICE!r}; it must be a device of torch, such as 'cpu', "
            "'cuda' or 'cuda:1'."
        ) from error


def named_keys(config_file: str, opts: Sequence[object] = ()) -> set[str]:
    """The keys that a config file, with what it is based on, or options give a value."""
    return {*file_keys(config_file), *option_keys(opts)}
